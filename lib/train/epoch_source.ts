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
import type { Engine } from './engine.js';
import { planEpoch, programsOf, remaining, rowsAfter, stepsDone, type EpochShape, type PlannedStretch } from './epoch_plan.js';
import { Feed } from './feed.js';
import type { BatchSpec } from './programs.js';
import { batchOf, rewind, samplesSlots, type SampleSlots, withSamples } from './resident.js';
import { batched, chunksFrom } from './stream.js';
import type { DataPass } from './training_state.js';

/** A stretch with what its program does. */
export interface PlacedStretch extends Stretch {
  readonly spec: BatchSpec;
}

/** Stretches that can run without a break. */
export interface Piece {
  readonly stretches: readonly PlacedStretch[];
  /** Rows that this run has visited in the epoch, less the cursor that the piece begins at. */
  readonly rowsBefore: number;
  /** The row of its pass that it begins with. */
  readonly firstRow: number;
  readonly batchSize: number;
  readonly samples: Samples;
  /** The order in which rows are visited; as they lie when absent. */
  readonly order: Int32Array | undefined;
  /** Called when the first step is under way: time to prepare what comes next. */
  onStart(): void;
}

/** What was done of the part of a pass that lies in an epoch that goes on. */
export interface Done {
  readonly steps: number;
  /** The row that comes next; in a stream that of a chunk, which need not be as long when it is made again. */
  readonly rows: number;
  readonly updates: number;
}

/**
 * Epochs are passes over the data, unless they have a number of steps of their own: then passes follow one another, and epochs take
 * what comes next. What lies in one epoch of one pass is a part.
 */
export interface EpochSource {
  /** Steps of an epoch, where that is known. */
  readonly steps: number | undefined;
  /** Whether a pass goes on in the next epoch. */
  readonly goesOn: boolean;
  readonly accumulates: boolean;
  /** Has the data in place while `body` runs. */
  whileOpen<T>(body: () => Promise<T>): Promise<T>;
  /** Nothing more is wanted of it: whoever waits for data does so no longer. */
  stop(): void;
  /** Calls `run` with the pieces of an epoch until it returns false; whether it ran to the end. `isLast`: no epoch comes after it. */
  epoch(done: Done | undefined, isLast: boolean, run: (piece: Piece) => Promise<boolean>): Promise<boolean>;
}

export interface ResidentOptions extends Omit<EpochShape, 'rows'> {
  readonly stepsPerEpoch: number | undefined;
  readonly shuffle: boolean;
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
  readonly steps: number;
  readonly goesOn: boolean;
  readonly accumulates: boolean;
  private readonly rows: number;
  private readonly passSteps: number;
  /** What a whole pass does, and where its programs are while the source is open. */
  private readonly plan: readonly PlannedStretch[];
  private stretches: readonly PlacedStretch[] = [];
  private readonly orders: RowOrders | undefined;
  /** The order that its slot holds. */
  private order: { readonly key: number; readonly rows: Int32Array } | undefined;

  constructor(
    private readonly engine: Engine,
    private readonly samples: Samples,
    private readonly options: ResidentOptions,
  ) {
    const rows = (this.rows = rowsOf(samples));
    this.plan = planEpoch({ ...options, rows });
    this.passSteps = Math.ceil(rows / options.batchSize);
    this.steps = options.stepsPerEpoch ?? this.passSteps;
    this.goesOn = options.stepsPerEpoch !== undefined;
    this.accumulates = options.batchesPerUpdate !== 1;
    this.orders = options.shuffle ? new RowOrders(rows, engine.seed) : undefined;
  }

  private get batch(): Omit<BatchSpec, 'rows' | 'kind' | 'share'> {
    return { purpose: 'train', shuffled: this.orders !== undefined, ...batchOf(this.samples) };
  }

  async whileOpen<T>(body: () => Promise<T>): Promise<T> {
    const { engine, samples, orders, plan } = this;
    // Parts of passes are prepared when their turn comes.
    const run = () =>
      this.steps % this.passSteps > 0
        ? body()
        : this.withStretches(plan, (stretches) => {
            this.stretches = stretches;
            return body();
          });
    return withSamples(engine, samples, 'train', () => (orders ? this.withOrderSlot(run) : run()));
  }

  stop(): void {
    // Its data are here.
  }

  private withStretches<T>(
    plan: readonly PlannedStretch[],
    body: (stretches: readonly PlacedStretch[]) => Promise<T>,
  ): Promise<T> {
    if (plan === this.plan && this.stretches.length > 0) return body(this.stretches);
    const programs = programsOf(plan, this.batch);
    return this.engine.withPrograms(programs.specs, (entries) => body(withEntries(plan, programs, entries)));
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

  /** The order of a pass, in its slot. */
  private async orderOf(key: number): Promise<Int32Array | undefined> {
    const { orders, samples, engine } = this;
    if (orders && this.order?.key !== key) {
      const rows = await orders.take(key);
      await engine.session.writeSlot(samplesSlots(samples, 'train').index, new Tensor(rows, [rows.length]), 'the order of rows');
      this.order = { key, rows };
    }
    return this.order?.rows;
  }

  async epoch(done: Done | undefined, isLast: boolean, run: (piece: Piece) => Promise<boolean>): Promise<boolean> {
    const { engine, samples, options, passSteps } = this;
    const { batchSize } = options;
    let earlier = begunBy(done);
    let visited = 0;
    for (;;) {
      const { pass, step } = await engine.inPass();
      const begin = step - pass.start;
      const left = this.steps - (step - engine.epochStart);
      // An epoch that goes on may have more steps than are asked for now.
      if (left <= 0) return true;
      const steps = Math.min(passSteps - begin, left);
      if (steps > 0) {
        const from = begin * batchSize;
        const rows = Math.min(this.rows, from + steps * batchSize) - from;
        const plan = steps === passSteps ? this.plan : planEpoch({ ...options, rows });
        const order = await this.orderOf(pass.key);
        const isAtFirstRow = from === 0 && step === engine.epochStart;
        if (!earlier && !isAtFirstRow) await rewind(engine, engine.memory.training!.report, from);
        const first = earlier?.rows ?? from;
        const skip = earlier ? stepsDone(plan, earlier.rows - from, earlier.updates) : 0;
        if (earlier && rowsAfter(plan, skip) !== earlier.rows - from) throw otherRows();
        const isOver = begin + steps === passSteps;
        const isEnd = steps === left;
        const onStart = (): void => {
          if (isOver && !(isEnd && isLast)) this.orders?.prepare(pass.key + 1);
        };
        const goesOn = await this.withStretches(plan, (stretches) => {
          const rest = remaining(stretches, skip);
          return rest.length === 0
            ? Promise.resolve(true)
            : run({ stretches: rest, rowsBefore: visited - first, firstRow: first, batchSize, samples, order, onStart });
        });
        if (!goesOn) return false;
        visited += from + rows - first;
        if (isEnd) return true;
      }
      earlier = undefined;
      engine.pass = undefined;
    }
  }
}

export interface StreamedOptions {
  readonly batchSize: number;
  readonly stepsPerEpoch: number | undefined;
  readonly batchesPerUpdate: number;
  readonly read: (element: unknown) => Samples;
  readonly signal: AbortSignal | undefined;
}

/** What is read of a pass over a dataset. */
interface Reader {
  readonly key: number;
  readonly batches: AsyncIterator<unknown>;
  /** The batch that it began with, and the row that comes next, where that is known. */
  readonly from: number;
  row?: number;
}

/** What was done of a part, if its first step was: before that the report is still at what went before. */
function begunBy(done: Done | undefined): Done | undefined {
  return done && done.steps > 0 ? done : undefined;
}

function otherRows(): GradstepError {
  const message = 'Expected the rows and the batchSize of the run that goes on in the middle of an epoch but received others';
  return new GradstepError('ERR_OPTION', message);
}

/** Batches of a dataset. */
export class StreamedSource implements EpochSource {
  readonly steps: number | undefined;
  readonly goesOn: boolean;
  readonly accumulates: boolean;
  private readonly dataset: Dataset;
  private readonly slots: SampleSlots;
  private reader: Reader | undefined;
  private isStopped = false;

  constructor(
    private readonly engine: Engine,
    dataset: Dataset,
    private readonly options: StreamedOptions,
  ) {
    this.dataset = batched(dataset, options.batchSize);
    const size = this.dataset.size;
    this.steps = options.stepsPerEpoch ?? (size === Infinity ? undefined : size);
    this.goesOn = options.stepsPerEpoch !== undefined;
    this.accumulates = options.batchesPerUpdate > 1;
    this.slots = engine.slots('train');
  }

  async whileOpen<T>(body: () => Promise<T>): Promise<T> {
    try {
      return await body();
    } finally {
      await this.endPass();
      await this.slots.leave();
    }
  }

  stop(): void {
    this.isStopped = true;
    this.endPass().catch(() => undefined);
  }

  private async endPass(): Promise<void> {
    const { reader } = this;
    this.reader = undefined;
    await reader?.batches.return?.();
  }

  /** Reads on in a pass, or from one of its batches on where it is not being read. */
  private read({ key }: DataPass, from: number): Reader {
    if (this.reader?.key === key) return this.reader;
    const batches = from > 0 ? this.dataset.skip(from) : this.dataset;
    return (this.reader = { key, from, batches: batches.elements({ epoch: key, signal: this.options.signal }) });
  }

  async epoch(done: Done | undefined, _isLast: boolean, run: (piece: Piece) => Promise<boolean>): Promise<boolean> {
    const { engine, options, accumulates } = this;
    let earlier = begunBy(done);
    let rowsBefore = 0;
    let isEmpty = !done;
    for (;;) {
      const { pass, step } = await engine.inPass();
      if (this.isStopped) return false; // before anything is read, which nobody would end
      // Batches that share an update are cut from where the part begins: those before are read again, though not run.
      const begin = accumulates ? step : step + (earlier?.steps ?? 0);
      const batches = options.stepsPerEpoch === undefined ? Infinity : options.stepsPerEpoch - (begin - engine.epochStart);
      const isNew = this.reader?.key !== pass.key && begin === pass.start;
      const reader = this.read(pass, begin - pass.start);
      const part = await this.part(reader, batches, accumulates ? earlier : undefined, rowsBefore, run);
      if (!part.goesOn) return false;
      if (part.batches > 0) isEmpty = false;
      ({ rowsBefore } = part);
      if (part.batches >= batches) return true;
      await this.endPass();
      const isPassEmpty = isNew && part.batches === 0;
      // Of an epoch that goes on there may be nothing left.
      if (isEmpty && (isPassEmpty || !this.goesOn)) {
        throw new GradstepError('ERR_DATA', 'Expected at least one batch to train on but the dataset is empty');
      }
      if (isPassEmpty || !this.goesOn) return true;
      earlier = undefined;
      engine.pass = undefined;
    }
  }

  /** Runs the next batches of a pass, so many at most. */
  private async part(
    reader: Reader,
    batches: number,
    done: Done | undefined,
    rowsVisited: number,
    run: (piece: Piece) => Promise<boolean>,
  ): Promise<{ goesOn: boolean; batches: number; rowsBefore: number }> {
    const { engine, options, slots } = this;
    const { batchesPerUpdate } = options;
    let earlier = done;
    let rowsBefore = rowsVisited;
    let seen = 0;
    const feed = new Feed(chunksFrom(reader.batches, options.read, { batches, group: batchesPerUpdate }), slots);
    const take = () =>
      feed.take().catch((error: unknown) => {
        if (this.isStopped) return undefined;
        throw error;
      });
    try {
      for (let chunk = await take(); chunk; chunk = await take()) {
        const { samples, batchSize } = chunk;
        const rows = rowsOf(samples);
        const plan = planEpoch({ rows, batchSize, batchesPerUpdate });
        seen += Math.ceil(rows / batchSize);
        const first = reader.row ?? reader.from * batchSize;
        reader.row = first + rows;
        const rest = earlier && beside(plan, earlier);
        if (rest && rest.steps >= 0 && rest.updates >= 0) {
          earlier = rest.steps + rest.updates > 0 ? rest : undefined;
          continue;
        }
        const begun = earlier;
        earlier = undefined;
        const programs = programsOf(plan, { purpose: 'train', shuffled: false, ...batchOf(samples) });
        const visited = begun ? Math.min(begun.steps * batchSize, rows) : 0;
        const skip = begun ? stepsDone(plan, visited, begun.updates) : 0;
        await rewind(engine, engine.memory.training!.report, visited);
        rowsBefore -= visited;
        const firstRow = first + visited;
        const goesOn = await engine.withPrograms(programs.specs, (entries) => {
          const stretches = remaining(withEntries(plan, programs, entries), skip);
          return run({ stretches, rowsBefore, firstRow, batchSize, samples, order: undefined, onStart: () => feed.prepare() });
        });
        if (!goesOn) return { goesOn, batches: seen, rowsBefore };
        rowsBefore += rows;
      }
      return { goesOn: !this.isStopped, batches: seen, rowsBefore };
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
