/**
 * The reporter of runs that another process watches (scripts/specs.mjs): mocha's `spec`, and every test's name as it begins, so
 * that the one that hangs is known. The same goes, a line of JSON an event, to the file GRADSTEP_TEST_EVENTS. GRADSTEP_TEST_FROM
 * leaves out so many of the tests, for a process that goes on where another one ended.
 *
 * A process in which a test has hung, or met an error after which CUDA fails every call, ends itself: nothing behind that
 * would mean anything. It does so by a signal, since leaving in good order waits for the step that runs.
 */
import Mocha from 'mocha';
import { appendFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { isLate } from './time_limit.js';

/** What is told, in order. `next` is where another process would go on, `left` how many tests there are from there on. */
type ToldEvent =
  | { kind: 'start'; left: number }
  | { kind: 'begin'; title: string; next: number; left: number }
  | { kind: 'pass' | 'skip' | 'late' | 'done' }
  | { kind: 'fail'; title: string; message: string; details: string }
  | { kind: 'over' }
  /** `left`: tests that mocha left out because a hook before them failed. */
  | { kind: 'end'; left: number };

const STICKY = [
  ...['Assert', 'Contained', 'ContextIsDestroyed', 'ECCUncorrectable', 'ExternalDevice', 'HardwareStackError', 'IllegalAddress'],
  ...['IllegalInstruction', 'InvalidAddressSpace', 'InvalidPc', 'LaunchFailure', 'LaunchTimeout', 'MisalignedAddress'],
  ...['MpsClientTerminated', 'NvlinkUncorrectable', 'TensorMemoryLeak', 'Unknown'],
].join('|');

/** The error's name where CUDA fails every later call of the process. */
function stickyError(text: string): string | undefined {
  return new RegExp(`\\bcudaError(?:${STICKY})\\b`).exec(text)?.[0];
}

const { EVENT_HOOK_BEGIN, EVENT_HOOK_END, EVENT_RUN_BEGIN, EVENT_RUN_END } = Mocha.Runner.constants;
const { EVENT_TEST_BEGIN, EVENT_TEST_END, EVENT_TEST_FAIL, EVENT_TEST_PASS, EVENT_TEST_PENDING } = Mocha.Runner.constants;

const isOfSuite = ({ title }: Mocha.Hook): boolean => /^"(before|after) all"/.test(title);

/** Keeps some tests; suites without tests are not entered, nor are their hooks called. */
function keepOnly(suite: Mocha.Suite, kept: (test: Mocha.Test) => boolean): void {
  suite.tests = suite.tests.filter(kept);
  for (const inner of suite.suites) keepOnly(inner, kept);
}

export default class ToldReporter extends Mocha.reporters.Spec {
  private readonly events = process.env.GRADSTEP_TEST_EVENTS;
  /** The tests that --grep asks for, in their order, those that are left out included. */
  private readonly indices = new Map<Mocha.Test, number>();
  private ended = Number(process.env.GRADSTEP_TEST_FROM || 0);

  constructor(runner: Mocha.Runner, options: Mocha.MochaOptions) {
    super(runner, options);
    runner.on(EVENT_RUN_BEGIN, () => this.start(runner.suite, new RegExp(options.grep ?? '')));
    runner.on(EVENT_TEST_BEGIN, (test) => this.begin(test.fullTitle(), this.indices.get(test)! + 1));
    runner.on(EVENT_TEST_PASS, () => this.tell({ kind: 'pass' }));
    runner.on(EVENT_TEST_PENDING, () => this.tell({ kind: isLate() ? 'late' : 'skip' }));
    runner.on(EVENT_TEST_FAIL, (test, error: unknown) => this.fail(test, error));
    runner.on(EVENT_TEST_END, () => {
      this.ended++;
      this.tell({ kind: 'done' });
    });
    runner.on(EVENT_HOOK_BEGIN, (hook) => {
      if (isOfSuite(hook)) this.begin(`${hook.parent!.fullTitle()} ${hook.title}`.trim(), this.behind(hook.parent!));
    });
    runner.on(EVENT_HOOK_END, (hook) => {
      if (isOfSuite(hook)) this.tell({ kind: 'done' });
    });
    runner.on(EVENT_RUN_END, () => this.tell({ kind: 'end', left: this.indices.size - this.ended }));
  }

  private start(suite: Mocha.Suite, grep: RegExp): void {
    suite.eachTest((test: Mocha.Test) => {
      if (grep.test(test.fullTitle())) this.indices.set(test, this.indices.size);
    });
    keepOnly(suite, (test) => this.indices.get(test)! >= this.ended);
    this.tell({ kind: 'start', left: this.indices.size - this.ended });
  }

  /** The first test that is not in a suite, nor before it. */
  private behind(suite: Mocha.Suite): number {
    let next = 0;
    suite.eachTest((test: Mocha.Test) => (next = this.indices.get(test)! + 1));
    return next;
  }

  private begin(title: string, next: number): void {
    console.log(`▷ ${title}`);
    this.tell({ kind: 'begin', title, next, left: this.indices.size - next });
  }

  private fail(test: Mocha.Test, error: unknown): void {
    const { message, code } = error as { message?: string; code?: string };
    const details = inspect(error);
    const hung = code === 'ERR_MOCHA_TIMEOUT';
    const why = hung ? 'a test hung' : stickyError(details);
    this.tell({ kind: 'fail', title: test.fullTitle(), message: `${hung ? 'hung: ' : ''}${message ?? details}`, details });
    if (why === undefined || this.events === undefined) return;
    this.tell({ kind: 'over' });
    Mocha.reporters.Base.list(this.failures);
    console.log(`\nThis process ends here: ${why}`);
    process.kill(process.pid, 'SIGKILL');
  }

  private tell(event: ToldEvent): void {
    if (this.events !== undefined) appendFileSync(this.events, `${JSON.stringify(event)}\n`);
  }
}
