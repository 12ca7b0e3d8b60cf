/**
 * What training has chosen by measuring on its device (native/cuda/choices.h), across saving and going on: a checkpoint has what
 * its programs used, the session that goes on takes the same, and where it does not the user is told, once.
 */
import type { NativeChoices } from '../../binding.js';
import { optionError } from '../errors.js';
import type { Session } from '../runtime/session.js';

/** Choices that a file may have at most, and characters of what each is for. */
const MOST = 10_000;
const MOST_CHARACTERS = 1000;

/** The code of the warning. */
const CODE = 'GRADSTEP_CHOICES_DIFFER';

/** What a choice is for, without the version of a library that some of the ways are of, which may follow it (cuDNN's). */
function subjectOf(what: string): string {
  return what.replace(/, \w+ \d+$/, '');
}

function line(value: unknown, name: string): string {
  // What a file says is shown: no escape sequences.
  if (typeof value !== 'string' || value.length === 0 || value.length > MOST_CHARACTERS || /\p{Cc}/u.test(value)) {
    throw optionError(name, `string of at most ${MOST_CHARACTERS} printable characters`, value);
  }
  return value;
}

function digits(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^(?:[0-9a-f]{2}){1,512}$/.test(value)) throw optionError(name, 'hexadecimal digits', value);
  return value;
}

/** Choices as a file has them, checked. */
export function savedChoices({ device, taken }: Readonly<Record<string, unknown>>, name: string): NativeChoices {
  if (!Array.isArray(taken) || taken.length > MOST) throw optionError(`${name}.taken`, `array of at most ${MOST}`, taken);
  return {
    device: line(device, `${name}.device`),
    taken: taken.map((pair: unknown, i) => {
      const where = `${name}.taken[${i}]`;
      if (!Array.isArray(pair) || pair.length !== 2) throw optionError(where, 'pair', pair);
      return [line(pair[0], `${where}[0]`), digits(pair[1], `${where}[1]`)] as const;
    }),
  };
}

export class TrainingChoices {
  /** Whether programs of training were prepared, and some of them since the last comparison. */
  private hasPrograms = false;
  private isNew = false;
  private told = false;

  /** @param earlier what the training that goes on had chosen */
  constructor(
    private readonly session: Session,
    private readonly earlier: NativeChoices | undefined,
  ) {}

  /** Before any program is prepared. */
  async recall(): Promise<void> {
    if (this.earlier) await this.session.recallChoices(this.earlier);
  }

  /** A program of training is about to be prepared. */
  expectProgram(): void {
    this.hasPrograms = true;
    this.isNew = true;
  }

  /** Once programs are prepared: tells where they do not do what those of the training that goes on did. */
  async compare(): Promise<void> {
    if (!this.earlier || this.told || !this.isNew) return;
    this.isNew = false;
    const difference = this.differenceFrom(this.earlier, await this.session.choices());
    if (difference === undefined) return;
    this.told = true;
    const message = `Results may differ in their last bits from those of the training that was saved: ${difference}`;
    process.emitWarning(message, { type: 'GradstepWarning', code: CODE });
  }

  private differenceFrom(earlier: NativeChoices, now: NativeChoices): string | undefined {
    if (now.device !== earlier.device) {
      const here =
        now.device !== '' ? `runs on ${now.device}` : this.session.backend === 'cpu' ? 'runs on the CPU' : 'measures nothing';
      return `its algorithms were chosen by measuring on ${earlier.device}, and this one ${here}`;
    }
    const before = new Map(earlier.taken.map((pair) => [subjectOf(pair[0]), pair.join()]));
    const others = now.taken.filter((pair) => (before.get(subjectOf(pair[0])) ?? pair.join()) !== pair.join());
    const [first, ...more] = others;
    if (!first) return undefined;
    const rest = more.length > 0 ? ` and ${more.length} more` : '';
    return `its algorithms were chosen by measuring, and another one is used for ${subjectOf(first[0])}${rest}`;
  }

  /**
   * What a checkpoint is to have: until something was trained here, what was there before; then what is used here, and of what was
   * there before, on this device, what nothing has asked for yet.
   */
  async current(): Promise<NativeChoices | undefined> {
    const { earlier } = this;
    if (!this.hasPrograms) return earlier;
    const { device, taken } = await this.session.choices();
    const subjects = new Set(taken.map(([what]) => subjectOf(what)));
    const unused = device === earlier?.device ? earlier.taken.filter(([what]) => !subjects.has(subjectOf(what))) : [];
    const all = [...taken, ...unused].slice(0, MOST).sort(([a], [b]) => (a < b ? -1 : 1));
    return all.length > 0 ? { device, taken: all } : undefined;
  }
}
