/**
 * Datasets: streams of elements, described as a chain of stages and run pass by pass. Nothing runs until a pass asks for
 * elements, and no stage holds more of them than its arguments say. The order of a pass depends on the seeds and on the
 * pass's number only.
 */
import { optionError } from '../errors.js';
import type { PartialShape } from '../graph/shape.js';
import { abortSignal, boolean, checkOptions, func, integer, optional, type SchemaOf } from '../options.js';
import { randomSeed } from '../random.js';
import { batchStage, collected, unbatchStage } from './batches.js';
import { paddingSchema, stackPadded } from './padded.js';
import { Pass } from './pass.js';
import { RowsStage, shuffleStage } from './rows_stage.js';
import { stageOf } from './sources.js';
import {
  cacheStage,
  concatenateStage,
  filterStage,
  mapStage,
  prefetchStage,
  repeatStage,
  skipStage,
  takeStage,
  zipStage,
  type Stage,
} from './stage.js';
import { isRecord, type Structure, type StructureLike, type TensorsOf } from './structure.js';
import type { Tensor, TensorData, TensorLike } from './tensor.js';

/** What training takes: inputs, and labels and weights where there are any; one sample, or a batch with an axis of rows. */
export interface Sample {
  readonly x: Structure;
  readonly y?: Structure;
  readonly sampleWeight?: Tensor;
}

export interface MapOptions {
  /** Elements that may be under way at once, for functions that return promises. Default 1. Order is kept. */
  concurrency?: number;
}

export interface ShuffleOptions {
  /** Default: a random one, drawn when the stage is made. */
  seed?: number;
  /** Whether each pass has an order of its own. Default true. */
  reshuffleEachEpoch?: boolean;
}

export interface BatchOptions {
  /** Whether a last batch of fewer rows is left out. Default false. */
  dropRemainder?: boolean;
}

export interface PaddedBatchOptions extends BatchOptions {
  /**
   * Shapes that elements are filled up to, for all tensors or by their paths (`{ x: [null, 3], 'x.tokens': [100] }`); null: as long as the
   * longest of the batch. Default: null everywhere. ERR_SHAPE where an element is longer.
   */
  paddedShapes?: PartialShape | Readonly<Record<string, PartialShape>>;
  /** What fills, for all tensors or by their paths. Default 0. */
  paddingValues?: number | Readonly<Record<string, number>>;
}

export interface ElementsOptions {
  /** Ends the pass: it rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
  /** Which pass this is, counted from 0: what shuffling depends on. Default: the passes begun so far. */
  epoch?: number;
}

const mapSchema = { concurrency: optional(integer(1, 1024), 1) } satisfies SchemaOf<MapOptions>;
const shuffleSchema = {
  seed: optional(integer(0), undefined),
  reshuffleEachEpoch: optional(boolean, true),
} satisfies SchemaOf<ShuffleOptions>;
const batchSchema = { dropRemainder: optional(boolean, false) } satisfies SchemaOf<BatchOptions>;
const paddedBatchSchema = { ...batchSchema, ...paddingSchema } satisfies SchemaOf<PaddedBatchOptions>;
const elementsSchema = {
  signal: optional(abortSignal, undefined),
  epoch: optional(integer(0), undefined),
} satisfies SchemaOf<ElementsOptions>;

const count = (value: unknown, name: string): number => integer(0)(value, `dataset.${name}`);
const positive = (value: unknown, name: string): number => integer(1)(value, `dataset.${name}`);

/**
 * A stream of elements of type T. Immutable: each method returns a dataset of its own. Elements that are rows of resident
 * tensors are views of them: copy one before you write into it.
 */
export class Dataset<T = unknown> implements AsyncIterable<T> {
  private begun = 0;

  /** Datasets are made by `data.dataset` and the readers. */
  constructor(private readonly stage: Stage) {}

  /** Elements in a pass; Infinity where it never ends, undefined where only the pass will tell. */
  get size(): number | undefined {
    return this.stage.size;
  }

  /** Whether the elements are batches. */
  get batched(): boolean {
    return this.stage.batched;
  }

  /**
   * The elements that `fn(element, index)` returns, or that its promises resolve to. A failure ends the pass with an error that
   * names the element: ERR_DATA, with the function's error as `cause`.
   */
  map<R>(fn: (element: T, index: number) => R | PromiseLike<R>, options?: MapOptions): Dataset<R> {
    const check = func<(element: never, index: number) => unknown>();
    const { concurrency } = checkOptions('dataset.map', options, mapSchema);
    return new Dataset(mapStage(this.stage, check(fn, 'dataset.map'), concurrency));
  }

  /** The elements for which `fn(element, index)` returns true. */
  filter(fn: (element: T, index: number) => boolean | PromiseLike<boolean>): Dataset<T> {
    return new Dataset(filterStage(this.stage, func<(element: never, index: number) => unknown>()(fn, 'dataset.filter')));
  }

  /**
   * Elements in random order: each leaves, at random, a buffer that is kept filled with `bufferSize` of them. A buffer as large
   * as the dataset makes every order equally likely; for rows of resident tensors it costs four bytes a row.
   */
  shuffle(bufferSize: number, options?: ShuffleOptions): Dataset<T> {
    const { seed, reshuffleEachEpoch } = checkOptions('dataset.shuffle', options, shuffleSchema);
    const shuffle = { bufferSize: positive(bufferSize, 'shuffle.bufferSize'), seed: seed ?? randomSeed(), reshuffleEachEpoch };
    const { stage } = this;
    return new Dataset(stage instanceof RowsStage ? stage.shuffle(shuffle) : shuffleStage(stage, shuffle));
  }

  /**
   * Batches of `size` elements: each tensor gets an axis of rows in front; numbers, typed arrays and nested arrays become
   * tensors. ERR_SHAPE or ERR_DTYPE names an element that is unlike the first. Rows of resident tensors that lie together are
   * not copied.
   */
  batch(size: number, options?: BatchOptions): Dataset<TensorsOf<T>> {
    const { dropRemainder } = checkOptions('dataset.batch', options, batchSchema);
    return new Dataset(batchStage(this.stage, positive(size, 'batch.size'), dropRemainder));
  }

  /**
   * Batches of `size` elements of several sizes: each tensor is filled up, behind what it holds, to the longest of its batch, or to a size
   * that is asked for. Where models take axes of any size (`inputShape: [null, 16]`), each batch is as long as it must be.
   */
  paddedBatch(size: number, options?: PaddedBatchOptions): Dataset<TensorsOf<T>> {
    const { dropRemainder, ...padding } = checkOptions('dataset.paddedBatch', options, paddedBatchSchema);
    const stack = (elements: readonly unknown[], first: number) => stackPadded(elements, padding, first);
    return new Dataset(batchStage(this.stage, positive(size, 'paddedBatch.size'), dropRemainder, stack));
  }

  /** The same elements, which are batches already: the first axis of each tensor is that of rows. */
  asBatches(): Dataset<T> {
    const { stage } = this;
    return new Dataset({ size: stage.size, batched: true, open: (pass, key, from) => stage.open(pass, key, from) });
  }

  /** The rows of batches as elements: views of them. */
  unbatch(): Dataset<TensorsOf<T>> {
    return new Dataset(unbatchStage(this.stage));
  }

  /** The elements `times` times, or for ever. Shuffled elements come in another order each time, unless told otherwise. */
  repeat(times?: number): Dataset<T> {
    return new Dataset(repeatStage(this.stage, times === undefined ? Infinity : count(times, 'repeat.times')));
  }

  /** The first elements. */
  take(size: number): Dataset<T> {
    const checked = count(size, 'take.size');
    return new Dataset(this.stage instanceof RowsStage ? this.stage.take(checked) : takeStage(this.stage, checked));
  }

  /** All but the first elements. Those are not made where that can be avoided: `map`, say, is not called for them. */
  skip(size: number): Dataset<T> {
    const checked = count(size, 'skip.size');
    return new Dataset(this.stage instanceof RowsStage ? this.stage.skip(checked) : skipStage(this.stage, checked));
  }

  /** Makes up to `size` elements before they are asked for, while the consumer does something else. */
  prefetch(size: number): Dataset<T> {
    return new Dataset(prefetchStage(this.stage, positive(size, 'prefetch.size')));
  }

  /** Keeps all elements in memory once a pass has come to its end, and replays them. What comes before runs only once. */
  cache(): Dataset<T> {
    return new Dataset(cacheStage(this.stage));
  }

  /** These elements, then those of another dataset. */
  concatenate<U>(other: Dataset<U>): Dataset<T | U> {
    return new Dataset(concatenateStage(this.stage, stageIn(other, 'dataset.concatenate.other')));
  }

  /** Begins a pass. Leaving a `for await` early closes the sources. */
  elements(options?: ElementsOptions): AsyncIterableIterator<T> {
    const { signal, epoch } = checkOptions('dataset.elements', options, elementsSchema);
    const pass = new Pass(signal);
    const inner = this.stage.open(pass, String(epoch ?? this.begun++), 0);
    let isOver = false;
    const close = async (): Promise<void> => {
      isOver = true;
      pass.stop();
      await inner.return();
    };
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      async next(): Promise<IteratorResult<T>> {
        if (isOver) return { done: true, value: undefined };
        try {
          pass.check();
          const result = await pass.race(inner.next());
          if (!result.done) return { done: false, value: result.value as T };
          await close();
          return { done: true, value: undefined };
        } catch (error) {
          void close().catch(() => undefined);
          throw error;
        }
      },
      async return(): Promise<IteratorResult<T>> {
        await close();
        return { done: true, value: undefined };
      },
    };
  }

  [Symbol.asyncIterator](): AsyncIterator<T> {
    return this.elements();
  }

  /** All elements of a pass. */
  async toArray(options?: ElementsOptions): Promise<T[]> {
    const all: T[] = [];
    for await (const element of this.elements(options)) all.push(element);
    return all;
  }

  /** All elements of a pass as one batch: single elements are stacked, the rows of batches joined. ERR_DATA when there are none. */
  async toTensors(options?: ElementsOptions): Promise<TensorsOf<T>> {
    const { signal, epoch } = checkOptions('dataset.toTensors', options, elementsSchema);
    const pass = new Pass(signal);
    try {
      return (await collected(this.stage, pass, String(epoch ?? this.begun++))) as TensorsOf<T>;
    } finally {
      pass.stop();
    }
  }

  /** The stages, for functions that combine datasets. */
  static stageOf(dataset: Dataset): Stage {
    return dataset.stage;
  }
}

function stageIn(value: unknown, name: string): Stage {
  if (!(value instanceof Dataset)) throw optionError(name, 'Dataset', value);
  return Dataset.stageOf(value);
}

/** Arrays or tensors whose first axis is the samples; inputs and labels may be several, in arrays or records. */
export interface Columns {
  readonly x: StructureLike;
  readonly y?: StructureLike;
  readonly sampleWeight?: TensorLike;
}

type Elements<T> = Iterable<T> | AsyncIterable<T>;

/**
 * A dataset of
 * - samples `{ x, y, sampleWeight }`, one for each row, of tensors or arrays `{ x, y, sampleWeight }`, `[x, y]`,
 *   `[x, y, sampleWeight]`, or of a tensor or typed array alone (which is `x`); in arrays and records, `x` and `y` may be several;
 * - the items of an array of anything else (records, names of files), or of an iterable or async iterable;
 * - what a function gives: a generator function, or one that returns an iterable; it is called anew for each pass.
 *
 * ERR_SHAPE where tensors have different numbers of rows.
 */
export function dataset<C extends Columns>(source: C): Dataset<TensorsOf<C>>;
export function dataset(source: Tensor | TensorData): Dataset<{ x: Tensor }>;
export function dataset<X extends StructureLike>(source: readonly [x: X, y: TensorLike]): Dataset<{ x: TensorsOf<X>; y: Tensor }>;
export function dataset<X extends StructureLike>(
  source: readonly [x: X, y: TensorLike, sampleWeight: TensorLike],
): Dataset<{ x: TensorsOf<X>; y: Tensor; sampleWeight: Tensor }>;
export function dataset<T>(source: Elements<T> | (() => Elements<T>)): Dataset<T>;
export function dataset(source: unknown): Dataset {
  return new Dataset(stageOf(source));
}

type ElementsOf<D> = { [K in keyof D]: D[K] extends Dataset<infer T> ? T : never };

/** Elements of several datasets at the same place, in an array or a record like the one given; as long as the shortest. */
export function zip<const D extends readonly Dataset[] | Readonly<Record<string, Dataset>>>(datasets: D): Dataset<ElementsOf<D>> {
  const name = 'data.zip.datasets';
  if (!Array.isArray(datasets) && !isRecord(datasets)) throw optionError(name, 'array or record of datasets', datasets);
  const stages = Object.entries(datasets).map(([key, value]) => stageIn(value, `${name}.${key}`));
  if (stages.length === 0) throw optionError(name, 'at least one dataset', datasets);
  const keys = Object.keys(datasets);
  const join = (elements: readonly unknown[]) =>
    Array.isArray(datasets) ? elements : Object.fromEntries(keys.map((key, i) => [key, elements[i]]));
  return new Dataset(zipStage(stages, join));
}
