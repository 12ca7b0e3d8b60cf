/**
 * The training loop. Data and labels become resident in data slots; each epoch writes its order of rows and runs whole
 * batches, then what is left, in native code that comes back about ten times a second to report.
 */
import { RowOrders } from '../data/row_order.js';
import type { Samples } from '../data/samples.js';
import { Tensor } from '../data/tensor.js';
import { sizeOf } from '../graph/shape.js';
import type { Engine, Stretch } from './engine.js';
import { evaluateResident, withSamples } from './evaluate.js';
import { checkFlag } from './flags.js';
import { logsOf, type History, type Logs, type Progress } from './history.js';
import { SLOTS } from './programs.js';

/** Least milliseconds between two calls of onProgress. */
const PROGRESS_MS = 100;

export interface FitRun {
  readonly samples: Samples;
  readonly validation: Samples | undefined;
  readonly epochs: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((progress: Progress) => void) | undefined;
  readonly onEpochEnd: ((epoch: number, logs: Logs) => void | Promise<void>) | undefined;
}

export async function fit(engine: Engine, run: FitRun): Promise<History> {
  const { samples, validation, batchSize, shuffle } = run;
  const { x, y } = samples;
  const rows = x.shape[0]!;
  const batch = { kind: 'train', x: x.dtype, y: { dtype: y.dtype, row: y.shape.slice(1) }, shuffled: shuffle } as const;
  const train = () => engine.withStretches(rows, batchSize, batch, (stretches) => trainEpochs(engine, run, stretches));
  const withValidation = () => (validation ? withSamples(engine, validation, SLOTS.validation, train) : train());
  return engine.abortable(run.signal, () =>
    withSamples(engine, samples, SLOTS.train, () => (shuffle ? withOrder(engine, rows, withValidation) : withValidation())),
  );
}

/** Keeps a slot for the order of rows while `body` runs. */
async function withOrder<T>({ session }: Engine, rows: number, body: () => Promise<T>): Promise<T> {
  const slot = SLOTS.train.index;
  try {
    await session.allocateSlot(slot, { dtype: 'int32', shape: [rows] });
    return await body();
  } finally {
    await Promise.allSettled([session.releaseSlot(slot)]);
  }
}

async function trainEpochs(engine: Engine, run: FitRun, stretches: readonly Stretch[]): Promise<History> {
  const { epochs, batchSize, validation, signal } = run;
  const history: History = { epoch: [], loss: [] };
  const clock = new Clock(run);
  const orders = run.shuffle ? new RowOrders(run.samples.x.shape[0]!, engine.seed, engine.epochs + epochs) : undefined;
  for (let epoch = 0; epoch < epochs; epoch++) {
    const logs = await trainEpoch(engine, run, orders, stretches, (step, means) => {
      clock.report(epoch, step, logsOf(means, engine.memory.training!.options.metrics));
    });
    if (validation) {
      const found = await engine.inference.run(() => evaluateResident(engine, 'validate', validation, batchSize, signal));
      for (const [name, value] of Object.entries(found)) logs[`val_${name}`] = value;
    }
    history.epoch.push(epoch);
    for (const [name, value] of Object.entries(logs)) (history[name] ??= []).push(value);
    await run.onEpochEnd?.(epoch, logs);
  }
  return history;
}

/** One pass over the rows. */
async function trainEpoch(
  engine: Engine,
  { samples, batchSize, signal }: FitRun,
  orders: RowOrders | undefined,
  stretches: readonly Stretch[],
  onReport: (step: number, means: readonly number[]) => void,
): Promise<Logs> {
  const { session, seed } = engine;
  const { report, options } = engine.memory.training!;
  const rows = samples.x.shape[0]!;
  const order = await orders?.take(engine.epochs);
  if (order) await session.writeSlot(SLOTS.train.index, new Tensor(order, [rows]), 'the order of rows');
  engine.epochs++;
  await session.write(report.range.offset, report.fresh(engine.step, seed));
  const labelsPerRow = sizeOf(samples.y.shape.slice(1));
  const context = { what: 'fit', firstStep: engine.step, batchSize, labelsPerRow, order };
  let means: readonly number[] = [];
  let before = 0;
  for (const stretch of stretches) {
    const running = engine.runStretch(stretch, report, signal, (now, done) => {
      engine.step = now.step;
      checkFlag(now.flag, context);
      means = now.means;
      onReport(before + done, means);
    });
    if (before === 0) orders?.prepare(engine.epochs);
    await running;
    before += stretch.steps;
  }
  return logsOf(means, options.metrics);
}

/** Tells the caller how far training is: not more often than ten times a second, and at the very end. */
class Clock {
  private readonly begin = performance.now();
  private last = -Infinity;
  private readonly rows: number;
  private readonly steps: number;

  constructor(private readonly run: FitRun) {
    this.rows = run.samples.x.shape[0]!;
    this.steps = Math.ceil(this.rows / run.batchSize);
  }

  report(epoch: number, step: number, logs: Logs): void {
    const { onProgress, epochs, batchSize } = this.run;
    const now = performance.now();
    const isEnd = epoch === epochs - 1 && step === this.steps;
    if (!onProgress || (!isEnd && now - this.last < PROGRESS_MS)) return;
    this.last = now;
    const done = epoch * this.rows + Math.min(step * batchSize, this.rows);
    const samplesPerSecond = (1000 * done) / (now - this.begin);
    const secondsLeft = (epochs * this.rows - done) / samplesPerSecond;
    onProgress({ ...logs, epoch, epochs, step, steps: this.steps, samplesPerSecond, secondsLeft });
  }
}
