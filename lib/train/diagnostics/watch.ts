/** Diagnosed steps inside `fit`: when they are due, how they run, and the search for what was not finite first. */
import { GradstepError } from '../../errors.js';
import type { Callback } from '../callback.js';
import type { Engine } from '../engine.js';
import type { Piece, PlacedStretch } from '../epoch_source.js';
import { programKey, type BatchSpec } from '../programs.js';
import type { Report } from '../report.js';
import { Diagnostics } from './diagnostics.js';
import { culpritOf, type Culprit } from './locate.js';
import type { Measured } from './readings.js';

/** Where a step reads: its number, and its first row in the slots. */
interface Position {
  readonly step: number;
  readonly cursor: number;
}

export class Watch {
  private start: Position = { step: 0, cursor: 0 };
  /** A diagnosed batch whose update is still to come. */
  private pending: { step: number; measured: readonly Measured[]; culprit: Culprit | undefined } | undefined;

  private constructor(
    private readonly engine: Engine,
    private readonly watchers: readonly Diagnostics[],
  ) {}

  /** undefined where no callback watches. */
  static of(engine: Engine, callbacks: readonly Callback[]): Watch | undefined {
    const watchers = callbacks.filter((c) => c instanceof Diagnostics);
    return watchers.length > 0 ? new Watch(engine, watchers) : undefined;
  }

  private async position(): Promise<Position> {
    const { session, memory } = this.engine;
    const { report } = memory.training!;
    return report.parse(await session.read(report.range));
  }

  /** Before the first step of a piece. */
  async begin(): Promise<void> {
    this.start = await this.position();
  }

  /** What may run now: a step to diagnose, or the steps before the next such. */
  next(left: readonly PlacedStretch[]): { now: readonly PlacedStretch[]; diagnosed: boolean } {
    const now: PlacedStretch[] = [];
    let step = this.engine.step;
    for (const stretch of left) {
      const isUpdate = stretch.spec.kind === 'update';
      const free = isUpdate ? (this.pending ? 0 : Infinity) : this.stepsUntilDue(step);
      if (free === 0) {
        if (now.length === 0) return { now: [{ ...stretch, steps: 1 }], diagnosed: true };
        break;
      }
      const steps = Math.min(free, stretch.steps);
      now.push({ ...stretch, steps });
      if (!isUpdate) step += steps;
      if (steps < stretch.steps) break;
    }
    return { now, diagnosed: false };
  }

  private stepsUntilDue(step: number): number {
    return Math.min(...this.watchers.map(({ every }) => (every - (step % every)) % every));
  }

  /** Calls `body` with the entry of a watched program and a way to read what it left. */
  private withReadings<T>(
    spec: BatchSpec,
    body: (entry: number, read: () => Promise<readonly Measured[]>) => Promise<T>,
  ): Promise<T> {
    const { session, memory } = this.engine;
    const key = programKey(spec);
    const read = async () => memory.readings.parse(key, await session.read(memory.readings.rangeOf(key)));
    return this.engine.withPrograms([spec], ([entry]) => body(entry!, read));
  }

  /** Runs one step as its watched variant, then tells the watchers. */
  async diagnose(
    { spec }: PlacedStretch,
    signal: AbortSignal | undefined,
    hear: (report: Report, steps: number) => void | Promise<void>,
  ): Promise<void> {
    const { engine, pending } = this;
    const { memory } = engine;
    const at = await this.position();
    const measured = await this.withReadings({ ...spec, watch: 'diagnose' }, async (entry, read) => {
      await engine.run([{ entry, steps: 1 }], memory.training!.report, signal, hear);
      return read();
    });
    const isFinite = measured.every((m) => Number.isFinite(m.value));
    const culprit = isFinite || spec.kind === 'update' ? undefined : await this.locate(spec, at, spec.kind === 'train');
    this.pending = undefined;
    if (spec.kind === 'accumulate') {
      this.pending = { step: at.step, measured, culprit };
      return;
    }
    const watched = {
      step: pending?.step ?? at.step,
      measured: [...(pending?.measured ?? []), ...measured],
      culprit: culprit ?? pending?.culprit,
    };
    for (const watcher of this.watchers) {
      if (watched.step % watcher.every === 0) await watcher.hear(watched, memory);
    }
  }

  /** Waits for a run; where its loss was not finite, the error tells what was so first. */
  async explained(piece: Piece, running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch (error) {
      if (!(error instanceof GradstepError) || error.code !== 'ERR_NAN') throw error;
      const { session, memory } = this.engine;
      const { report } = memory.training!;
      const { step } = report.parse(await session.read(report.range)).flag;
      const nth = step - this.start.step;
      const spec = specOf(piece.stretches, nth);
      const culprit = spec && (await this.locate(spec, { step, cursor: this.start.cursor + nth * piece.batchSize }, false));
      if (!culprit) throw error;
      for (const watcher of this.watchers) await watcher.hear({ step, measured: [], culprit }, memory);
      throw new GradstepError('ERR_NAN', `${error.message}. First: ${culprit.message}`, { layer: culprit.layer, cause: error });
    }
  }

  /** Runs a step again, without its update, to see what is not finite. @param rewound whether from the weights before it */
  private async locate(spec: BatchSpec, { step, cursor }: Position, rewound: boolean): Promise<Culprit | undefined> {
    const { engine } = this;
    const { session, memory } = engine;
    const { report } = memory.training!;
    const params = memory.rangeOf(memory.params.whole);
    const floats = async (range: typeof params) => new Float32Array(await session.read(range));
    const saved = new Uint8Array(await session.read(report.range));
    const after = rewound ? await floats(params) : undefined;
    try {
      if (rewound) await session.writeRange(params.offset, await floats(memory.rangeOf(memory.readings.before.whole)), 'weights');
      await session.write(report.range.offset, report.fresh(step, engine.seed));
      await session.write(memory.layout.offsetOf(report.state) + 4, new Int32Array([cursor]));
      return await this.withReadings({ ...spec, watch: 'locate' }, async (entry, read) => {
        await engine.run([{ entry, steps: 1 }], report, undefined, () => undefined);
        return culpritOf(await read());
      });
    } finally {
      if (after) await session.writeRange(params.offset, after, 'weights');
      await session.write(report.range.offset, saved);
    }
  }
}

/** The program of a piece's nth batch. */
function specOf(stretches: readonly PlacedStretch[], nth: number): BatchSpec | undefined {
  let left = nth;
  for (const { spec, steps } of stretches) {
    if (spec.kind === 'update') continue;
    if (left < steps) return spec;
    left -= steps;
  }
  return undefined;
}
