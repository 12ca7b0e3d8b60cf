/**
 * Where the steps of an epoch get their data: rows that lie on the device and are visited in a shuffled order, or chunks
 * of a stream that follow one another there.
 */
import type { Dataset } from '../data/dataset.js';
import { RowOrders } from '../data/row_order.js';
import { rowsOf, type Samples } from '../data/samples.js';
import { Tensor } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import type { Stretch } from '../runtime/session.js';
import { remaining, type Engine } from './engine.js';
import { planEpoch, programsOf, stepsDone, type EpochShape, type PlannedStretch } from './epoch_plan.js';
import { Feed } from './feed.js';
import type { BatchSpec } from './programs.js';
import { batchOf, rewind, samplesSlots, type SampleSlots, withSamples } from './resident.js';
import { batched, chunksOf } from './stream.js';

/** A stretch with what its program does. */
export interface PlacedStretch extends Stretch {
  readonly spec: BatchSpec;
}

/** Stretches that can run without a break. */
export interface Piece {
  readonly stretches: readonly PlacedStretch[];
  /** Rows that this run has visited in the epoch, less the cursor that the piece begins at. */
  readonly rowsBefore: number;
  readonly batchSize: number;
  readonly samples: Samples;
  /** The order in which rows are visited; as they lie when absent. */
  readonly order: Int32Array | undefined;
  /** Called when the first step is under way: time to prepare what comes next. */
  onStart(): void;
}

/** What was done of an epoch that goes on. */
export interface Done {
  readonly steps: number;
  /** Rows visited: of the epoch, or in a stream of the chunk that the run was in. */
  readonly rows: number;
  readonly updates: number;
}

export interface EpochSource {
  /** Rows and steps of an epoch, where that is known. */
  readonly rows: number | undefined;
  readonly steps: number | undefined;
  readonly accumulates: boolean;
  /** Has the data in place while `body` runs. */
  whileOpen<T>(body: () => Promise<T>): Promise<T>;
  /** Calls `run` with the pieces of an epoch until it returns false; whether it ran to the end. */
  epoch(key: number, done: Done | undefined, run: (piece: Piece) => Promise<boolean>): Promise<boolean>;
}

export interface ResidentOptions extends EpochShape {
  readonly shuffle: boolean;
  /** Epochs that will be asked for at most, counted as keys. */
  readonly lastKey: number;
}

function withEntries(
  plan: readonly PlannedStretch[],
  { specs, numbers }: ReturnType<typeof programsOf>,
  entries: readonly number[],
): PlacedStretch[] {
  return plan.map(({ steps }, i) => ({ entry: entries[numbers[i]!]!, spec: specs[numbers[i]!]!, steps }));
}

/** Rows on the device. */
export class ResidentSource implements EpochSource {
  readonly rows: number;
  readonly steps: number;
  readonly accumulates: boolean;
  private readonly plan: readonly PlannedStretch[];
  private readonly orders: RowOrders | undefined;
  private stretches: readonly PlacedStretch[] = [];

  constructor(
    private readonly engine: Engine,
    private readonly samples: Samples,
    private readonly options: ResidentOptions,
  ) {
    this.plan = planEpoch(options);
    this.rows = options.rows;
    this.steps = Math.ceil(options.rows / options.batchSize);
    this.accumulates = this.plan.some((s) => s.kind === 'accumulate');
    this.orders = options.shuffle ? new RowOrders(rowsOf(samples), engine.seed, options.lastKey) : undefined;
  }

  async whileOpen<T>(body: () => Promise<T>): Promise<T> {
    const { engine, samples, orders, plan } = this;
    const batch = { purpose: 'train', shuffled: orders !== undefined, ...batchOf(samples) } as const;
    const programs = programsOf(plan, batch);
    const run = () =>
      engine.withPrograms(programs.specs, (entries) => {
        this.stretches = withEntries(plan, programs, entries);
        return body();
      });
    return withSamples(engine, samples, 'train', () => (orders ? this.withOrderSlot(run) : run()));
  }

  /** Keeps a slot for the order of rows while `body` runs. */
  private async withOrderSlot<T>(body: () => Promise<T>): Promise<T> {
    const { session } = this.engine;
    const slot = samplesSlots(this.samples, 'train').index;
    try {
      await session.allocateSlot(slot, { dtype: 'int32', shape: [rowsOf(this.samples)] });
      return await body();
    } finally {
      await Promise.allSettled([session.releaseSlot(slot)]);
    }
  }

  async epoch(key: number, done: Done | undefined, run: (piece: Piece) => Promise<boolean>): Promise<boolean> {
    const { orders, samples, stretches, options } = this;
    const order = await orders?.take(key);
    if (order) {
      const slot = samplesSlots(samples, 'train').index;
      await this.engine.session.writeSlot(slot, new Tensor(order, [order.length]), 'the order of rows');
    }
    const skip = done ? stepsDone(this.plan, done.rows, done.updates) : 0;
    const onStart = () => orders?.prepare(key + 1);
    const left = remaining(stretches, skip);
    if (left.length === 0) return true;
    return run({ stretches: left, rowsBefore: -(done?.rows ?? 0), batchSize: options.batchSize, samples, order, onStart });
  }
}

export interface StreamedOptions {
  readonly batchSize: number;
  readonly stepsPerEpoch: number | undefined;
  readonly batchesPerUpdate: number;
  readonly read: (element: unknown) => Samples;
  readonly signal: AbortSignal | undefined;
}

/** Batches of a dataset. */
export class StreamedSource implements EpochSource {
  readonly rows = undefined;
  readonly steps: number | undefined;
  readonly accumulates: boolean;
  private readonly dataset: Dataset;
  private readonly slots: SampleSlots;

  constructor(
    private readonly engine: Engine,
    dataset: Dataset,
    private readonly options: StreamedOptions,
  ) {
    this.dataset = batched(dataset, options.batchSize);
    const size = this.dataset.size;
    this.steps = options.stepsPerEpoch ?? (size === Infinity ? undefined : size);
    this.accumulates = options.batchesPerUpdate > 1;
    this.slots = engine.slots('train');
  }

  async whileOpen<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } finally {
      await this.slots.leave();
    }
  }

  async epoch(key: number, done: Done | undefined, run: (piece: Piece) => Promise<boolean>): Promise<boolean> {
    const { engine, options, dataset, slots, accumulates } = this;
    const { signal, stepsPerEpoch, batchesPerUpdate } = options;
    // Batches that share an update are cut from the beginning of the epoch: those before are read again, though not run.
    let earlier = accumulates ? done : undefined;
    const skip = accumulates ? 0 : (done?.steps ?? 0);
    const batches = stepsPerEpoch === undefined ? undefined : stepsPerEpoch - skip;
    let rowsBefore = 0;
    let isEmpty = true;
    const pass = { epoch: key, signal, skip, batches, group: batchesPerUpdate };
    const feed = new Feed(chunksOf(dataset, options.read, pass), slots);
    try {
      for (let chunk = await feed.take(); chunk; chunk = await feed.take()) {
        isEmpty = false;
        const { samples, batchSize } = chunk;
        const rows = rowsOf(samples);
        const plan = planEpoch({ rows, batchSize, batchesPerUpdate });
        const rest = earlier && beside(plan, earlier);
        if (rest && rest.steps >= 0 && rest.updates >= 0) {
          earlier = rest.steps + rest.updates > 0 ? rest : undefined;
          continue;
        }
        const begun = earlier;
        earlier = undefined;
        const programs = programsOf(plan, { purpose: 'train', shuffled: false, ...batchOf(samples) });
        if (!begun) await rewind(engine, engine.memory.training!.report);
        rowsBefore -= begun?.rows ?? 0;
        const goesOn = await engine.withPrograms(programs.specs, (entries) => {
          const stretches = remaining(
            withEntries(plan, programs, entries),
            begun ? stepsDone(plan, begun.rows, begun.updates) : 0,
          );
          return run({ stretches, rowsBefore, batchSize, samples, order: undefined, onStart: () => feed.prepare() });
        });
        if (!goesOn) return false;
        rowsBefore += rows;
      }
      // Of an epoch that goes on there may be nothing left.
      if (isEmpty && !done)
        throw new GradstepError('ERR_DATA', 'Expected at least one batch to train on but the dataset is empty');
      return true;
    } finally {
      await feed.close();
    }
  }
}

/** What was done beside a plan; numbers below 0 where the plan was not done as a whole. */
function beside(plan: readonly PlannedStretch[], { steps, rows, updates }: Done): Done {
  const count = (kind: PlannedStretch['kind']) => plan.reduce((n, s) => n + (s.kind === kind ? s.steps : 0), 0);
  return { steps: steps - count('accumulate'), rows, updates: updates - count('update') };
}
