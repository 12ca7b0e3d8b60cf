/**
 * The training loop: epochs of steps that run in native code, which comes back about ten times a second to report.
 */
import { sizeOf } from '../graph/shape.js';
import type { Stretch } from '../runtime/session.js';
import type { Callback, TrainingContext } from './callback.js';
import { Watch } from './diagnostics/watch.js';
import { remaining, type Engine } from './engine.js';
import type { Done, EpochSource, Piece } from './epoch_source.js';
import { checkFlag } from './flags.js';
import { logsOf, type History, type Logs, type Progress } from './history.js';
import type { Report } from './report.js';

/** Least milliseconds between two calls of onProgress. */
const PROGRESS_MS = 100;

export interface FitRun {
  readonly model: object;
  readonly source: EpochSource;
  /** Loss and metrics of validation data, if there are any. */
  readonly validate: (() => Promise<Logs>) | undefined;
  /** Epochs between two validations. */
  readonly validationFreq: number;
  /** The first epoch's number, and the number after the last. */
  readonly initialEpoch: number;
  readonly epochs: number;
  /** Goes on where training stopped, in the middle of an epoch if it stopped there. */
  readonly resume: boolean;
  /** Steps between two calls of onBatchEnd. */
  readonly stepsPerExecution: number;
  readonly callbacks: readonly Callback[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export async function fit(engine: Engine, run: FitRun): Promise<History> {
  engine.accumulates = run.source.accumulates;
  return engine.whileTraining('fit', async () => {
    const history = await engine.abortable(run.signal, () => run.source.whileOpen(() => new Training(engine, run).epochs()));
    await engine.adoptAverage();
    return history;
  });
}

/** One call of `fit`, with its data in place. */
class Training {
  private readonly history: History = { epoch: [], loss: [] };
  private readonly clock: Clock;
  private readonly context: TrainingContext;
  private readonly hearsBatches: boolean;
  private readonly watch: Watch | undefined;
  private stopped = false;

  constructor(
    private readonly engine: Engine,
    private readonly run: FitRun,
  ) {
    const { callbacks, source } = run;
    this.hearsBatches = callbacks.some((c) => c.onBatchBegin ?? c.onBatchEnd);
    this.watch = Watch.of(engine, callbacks);
    this.clock = new Clock(run);
    this.context = {
      model: run.model,
      epochs: run.epochs,
      steps: source.steps,
      stop: () => (this.stopped = true),
      readLearningRate: () => engine.learningRate,
      setLearningRate: (rate) => engine.setLearningRate(rate),
      snapshot: () => engine.snapshot(),
      restoreWeights: (weights) => engine.writeWeights(weights),
    };
  }

  async epochs(): Promise<History> {
    const { engine, run, context } = this;
    const first = run.resume ? engine.epochs - (engine.unfinished ? 1 : 0) : run.initialEpoch;
    for (const c of run.callbacks) await c.onTrainBegin?.(context);
    let logs: Logs = { loss: NaN };
    for (let epoch = first; epoch < run.epochs && !this.stopped; epoch++) {
      for (const c of run.callbacks) await c.onEpochBegin?.(epoch, context);
      logs = await this.epoch(epoch, run.resume && epoch === first && engine.unfinished);
      const isDue = (epoch + 1 - run.initialEpoch) % run.validationFreq === 0;
      if (run.validate && isDue) {
        for (const [name, value] of Object.entries(await run.validate())) logs[`val_${name}`] = value;
      }
      for (const c of run.callbacks) await c.onEpochEnd?.(epoch, logs, context);
      this.history.epoch.push(epoch);
      for (const [name, value] of Object.entries(logs)) (this.history[name] ??= []).push(value);
    }
    for (const c of run.callbacks) await c.onTrainEnd?.(logs, context);
    return this.history;
  }

  /** What was done of the epoch that goes on. */
  private async doneSoFar(): Promise<Done> {
    const { engine } = this;
    const { report } = engine.memory.training!;
    const { step, cursor } = report.parse(await engine.session.read(report.range));
    const updates = (await engine.readUpdates()) - engine.updatesBefore;
    return { steps: step - engine.epochStart, rows: cursor, updates };
  }

  /** One pass over the rows, or what is left of one. */
  private async epoch(epoch: number, goesOn: boolean): Promise<Logs> {
    const { engine, run } = this;
    const { report } = engine.memory.training!;
    const key = engine.epochs - (goesOn ? 1 : 0);
    const done = goesOn ? await this.doneSoFar() : undefined;
    if (!goesOn) {
      engine.beginEpoch(engine.accumulates ? await engine.readUpdates() : 0);
      await engine.session.write(report.range.offset, report.fresh(engine.step, engine.seed));
    }
    let logs: Logs = { loss: NaN };
    const isDone = await run.source.epoch(key, done, async (piece) => {
      logs = await this.piece(epoch, piece, logs);
      return !this.stopped;
    });
    if (isDone) engine.endEpoch();
    return logs;
  }

  /** Runs a piece of an epoch; returns the logs so far. */
  private async piece(epoch: number, piece: Piece, before: Logs): Promise<Logs> {
    const { engine, run, context, hearsBatches, watch } = this;
    const { report, options } = engine.memory.training!;
    const labelsPerRow = sizeOf(piece.samples.y[0]!.shape.slice(1));
    const flags = { what: 'fit', firstStep: engine.epochStart, batchSize: piece.batchSize, labelsPerRow, order: piece.order };
    let logs = before;
    const hear = (now: Report): void => {
      engine.step = now.step;
      checkFlag(now.flag, flags);
      logs = logsOf(now.values, options.totals);
      this.clock.report(epoch, piece.rowsBefore + now.cursor, now.step - engine.epochStart, logs);
    };
    let left = piece.stretches;
    let isFirst = true;
    await watch?.begin();
    while (left.length > 0 && !this.stopped) {
      const { now: free, diagnosed } = watch?.next(left) ?? { now: left, diagnosed: false };
      const now = hearsBatches ? take(free, run.stepsPerExecution) : free;
      if (hearsBatches) for (const c of run.callbacks) await c.onBatchBegin?.(engine.step - engine.epochStart, context);
      let steps = 0;
      const onReport = (found: Report, stepsSoFar: number): void => {
        steps = stepsSoFar;
        hear(found);
      };
      const running = diagnosed ? watch!.diagnose(now[0]!, run.signal, onReport) : engine.run(now, report, run.signal, onReport);
      if (isFirst) piece.onStart();
      isFirst = false;
      await (watch ? watch.explained(piece, running) : running);
      left = remaining(left, steps);
      if (hearsBatches) for (const c of run.callbacks) await c.onBatchEnd?.(engine.step - engine.epochStart - 1, logs, context);
    }
    return logs;
  }
}

/** The first steps of stretches. */
function take<S extends Stretch>(stretches: readonly S[], steps: number): readonly S[] {
  let left = steps;
  return stretches.flatMap((stretch) => {
    const now = Math.min(left, stretch.steps);
    left -= now;
    return now > 0 ? [{ ...stretch, steps: now }] : [];
  });
}

/** Tells the caller how far training is: not more often than ten times a second, and at the very end. */
class Clock {
  private readonly begin = performance.now();
  private last = -Infinity;
  private epoch = -1;
  private rowsBefore = 0;
  private rows = 0;

  constructor(private readonly run: FitRun) {}

  /** @param rows visited in this epoch @param step done in this epoch */
  report(epoch: number, rows: number, step: number, logs: Logs): void {
    const { onProgress, epochs, initialEpoch, source } = this.run;
    if (epoch !== this.epoch) this.rowsBefore += this.rows;
    this.epoch = epoch;
    this.rows = rows;
    const now = performance.now();
    const isEnd = epoch === epochs - 1 && (rows === source.rows || step === source.steps);
    if (!onProgress || (!isEnd && now - this.last < PROGRESS_MS)) return;
    this.last = now;
    const elapsed = (now - this.begin) / 1000;
    const steps = source.steps ?? NaN;
    const done = (epoch - initialEpoch) * steps + step;
    const secondsLeft = (((epochs - initialEpoch) * steps - done) * elapsed) / done;
    onProgress({ ...logs, epoch, epochs, step, steps, samplesPerSecond: (this.rowsBefore + rows) / elapsed, secondsLeft });
  }
}
