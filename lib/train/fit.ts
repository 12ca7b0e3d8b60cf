/**
 * The training loop. Data and labels become resident in data slots; each epoch writes its order of rows and runs its
 * steps in native code that comes back about ten times a second to report.
 */
import { RowOrders } from '../data/row_order.js';
import { rowsOf, type Samples } from '../data/samples.js';
import { Tensor } from '../data/tensor.js';
import { sizeOf } from '../graph/shape.js';
import type { Stretch } from '../runtime/session.js';
import type { Callback, TrainingContext } from './callback.js';
import { remaining, type Engine } from './engine.js';
import { planEpoch, programsOf, stepsDone, type EpochShape, type PlannedStretch } from './epoch_plan.js';
import { evaluateResident } from './evaluate.js';
import { checkFlag } from './flags.js';
import { logsOf, type History, type Logs, type Progress } from './history.js';
import type { Report } from './report.js';
import { batchOf, samplesSlots, withSamples } from './resident.js';

/** Least milliseconds between two calls of onProgress. */
const PROGRESS_MS = 100;

export interface FitRun extends EpochShape {
  readonly model: object;
  readonly samples: Samples;
  readonly validation: Samples | undefined;
  readonly validationBatchSize: number;
  /** Epochs between two validations. */
  readonly validationFreq: number;
  /** The first epoch's number, and the number after the last. */
  readonly initialEpoch: number;
  readonly epochs: number;
  /** Goes on where training stopped, in the middle of an epoch if it stopped there. */
  readonly resume: boolean;
  readonly shuffle: boolean;
  /** Steps between two calls of onBatchEnd. */
  readonly stepsPerExecution: number;
  readonly callbacks: readonly Callback[];
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
}

export async function fit(engine: Engine, run: FitRun): Promise<History> {
  const { samples, validation } = run;
  const plan = planEpoch(run);
  const { specs, numbers } = programsOf(plan, { purpose: 'train', shuffled: run.shuffle, ...batchOf(samples) });
  const train = () =>
    engine.withPrograms(specs, (entries) => new Training(engine, run, plan, withEntries(plan, numbers, entries)).epochs());
  const withValidation = () => (validation ? withSamples(engine, validation, 'validation', train) : train());
  engine.claim();
  engine.accumulates = plan.some((s) => s.kind === 'accumulate');
  try {
    const history = await engine.abortable(run.signal, () =>
      withSamples(engine, samples, 'train', () => (run.shuffle ? withOrder(engine, samples, withValidation) : withValidation())),
    );
    await engine.adoptAverage();
    return history;
  } finally {
    engine.claim();
  }
}

function withEntries(plan: readonly PlannedStretch[], numbers: readonly number[], entries: readonly number[]): Stretch[] {
  return plan.map(({ steps }, i) => ({ entry: entries[numbers[i]!]!, steps }));
}

/** Keeps a slot for the order of rows while `body` runs. */
async function withOrder<T>({ session }: Engine, samples: Samples, body: () => Promise<T>): Promise<T> {
  const slot = samplesSlots(samples, 'train').index;
  try {
    await session.allocateSlot(slot, { dtype: 'int32', shape: [rowsOf(samples)] });
    return await body();
  } finally {
    await Promise.allSettled([session.releaseSlot(slot)]);
  }
}

/** One call of `fit`, with its data in place and its programs prepared. */
class Training {
  private readonly history: History = { epoch: [], loss: [] };
  private readonly clock: Clock;
  private readonly orders: RowOrders | undefined;
  private readonly context: TrainingContext;
  private readonly hearsBatches: boolean;
  private stopped = false;

  constructor(
    private readonly engine: Engine,
    private readonly run: FitRun,
    private readonly plan: readonly PlannedStretch[],
    private readonly stretches: readonly Stretch[],
  ) {
    const { callbacks, samples, shuffle } = run;
    const total = engine.epochs + run.epochs - run.initialEpoch;
    this.orders = shuffle ? new RowOrders(rowsOf(samples), engine.seed, total) : undefined;
    this.hearsBatches = callbacks.some((c) => c.onBatchBegin ?? c.onBatchEnd);
    const steps = Math.ceil(run.rows / run.batchSize);
    this.clock = new Clock(run, steps);
    this.context = {
      model: run.model,
      epochs: run.epochs,
      steps,
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
      if (run.validation && isDue) Object.assign(logs, await this.validate(run.validation));
      for (const c of run.callbacks) await c.onEpochEnd?.(epoch, logs, context);
      this.history.epoch.push(epoch);
      for (const [name, value] of Object.entries(logs)) (this.history[name] ??= []).push(value);
    }
    for (const c of run.callbacks) await c.onTrainEnd?.(logs, context);
    return this.history;
  }

  private async validate(validation: Samples): Promise<Logs> {
    const { engine, run } = this;
    const found = await engine.inference.run(() =>
      evaluateResident(engine, 'validation', validation, run.validationBatchSize, run.signal),
    );
    return Object.fromEntries(Object.entries(found).map(([name, value]) => [`val_${name}`, value])) as Logs;
  }

  /** One pass over the rows, or what is left of one. */
  private async epoch(epoch: number, goesOn: boolean): Promise<Logs> {
    const { engine, run, orders } = this;
    const { session, seed } = engine;
    const { report, options } = engine.memory.training!;
    const { samples } = run;
    const key = engine.epochs - (goesOn ? 1 : 0);
    const order = await orders?.take(key);
    if (order) {
      const slot = samplesSlots(samples, 'train').index;
      await session.writeSlot(slot, new Tensor(order, [order.length]), 'the order of rows');
    }
    let done = 0;
    let left: readonly Stretch[] = this.stretches;
    if (goesOn) {
      const now = report.parse(await session.read(report.range));
      done = stepsDone(this.plan, now.cursor, (await engine.readUpdates()) - engine.updatesBefore);
      left = remaining(left, done);
    } else {
      engine.beginEpoch(engine.accumulates ? await engine.readUpdates() : 0);
      await session.write(report.range.offset, report.fresh(engine.step, seed));
    }
    const labelsPerRow = sizeOf(samples.y[0]!.shape.slice(1));
    const context = { what: 'fit', firstStep: engine.epochStart, batchSize: run.batchSize, labelsPerRow, order };
    let logs: Logs = { loss: NaN };
    const hear = (now: Report): void => {
      engine.step = now.step;
      checkFlag(now.flag, context);
      logs = logsOf(now.values, options.totals);
      this.clock.report(epoch, now.cursor, logs);
    };
    let isFirst = true;
    while (left.length > 0 && !this.stopped) {
      const piece = this.hearsBatches ? take(left, run.stepsPerExecution) : left;
      const batch = done;
      if (this.hearsBatches) for (const c of run.callbacks) await c.onBatchBegin?.(batch, this.context);
      let steps = 0;
      const running = engine.run(piece, report, run.signal, (now, stepsSoFar) => {
        steps = stepsSoFar;
        hear(now);
      });
      if (isFirst) orders?.prepare(engine.epochs);
      isFirst = false;
      await running;
      done += steps;
      left = remaining(left, steps);
      if (this.hearsBatches) for (const c of run.callbacks) await c.onBatchEnd?.(done - 1, logs, this.context);
    }
    if (left.length === 0) engine.endEpoch();
    return logs;
  }
}

/** The first steps of stretches. */
function take(stretches: readonly Stretch[], steps: number): readonly Stretch[] {
  let left = steps;
  return stretches.flatMap(({ entry, steps: length }) => {
    const now = Math.min(left, length);
    left -= now;
    return now > 0 ? [{ entry, steps: now }] : [];
  });
}

/** Tells the caller how far training is: not more often than ten times a second, and at the very end. */
class Clock {
  private readonly begin = performance.now();
  private last = -Infinity;

  constructor(
    private readonly run: FitRun,
    private readonly steps: number,
  ) {}

  /** @param cursor rows visited in this epoch */
  report(epoch: number, cursor: number, logs: Logs): void {
    const { onProgress, epochs, initialEpoch, batchSize, rows } = this.run;
    const now = performance.now();
    const isEnd = epoch === epochs - 1 && cursor === rows;
    if (!onProgress || (!isEnd && now - this.last < PROGRESS_MS)) return;
    this.last = now;
    const done = (epoch - initialEpoch) * rows + cursor;
    const samplesPerSecond = (1000 * done) / (now - this.begin);
    const secondsLeft = ((epochs - initialEpoch) * rows - done) / samplesPerSecond;
    const step = Math.ceil(cursor / batchSize);
    onProgress({ ...logs, epoch, epochs, step, steps: this.steps, samplesPerSecond, secondsLeft });
  }
}
