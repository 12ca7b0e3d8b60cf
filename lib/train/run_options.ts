/** What `fit`, `evaluate` and `predict` take, checked. */
import { Dataset } from '../data/dataset.js';
import type { Several } from '../data/samples.js';
import type { TensorLike } from '../data/tensor.js';
import { optionError } from '../errors.js';
import {
  abortSignal,
  boolean,
  checkOptions,
  func,
  integer,
  number,
  optional,
  record,
  type Check,
  type Checked,
  type SchemaOf,
} from '../options.js';
import { CALLBACK_METHODS, type Callback } from './callback.js';
import type { Logs, Progress } from './history.js';

/** Data for a model: one tensor, or one for each input or output, in their order or by name. */
export type DataLike = TensorLike | Several;

/** Labels; none where no output has a loss. */
export type Labels = DataLike | null | undefined;

/** Rows of data with labels, and weights of the samples. */
export type DataWithLabels =
  readonly [x: DataLike, y: DataLike | null] | readonly [x: DataLike, y: DataLike, sampleWeight: DataLike];

export interface PredictOptions {
  /** Rows computed at once. Default 32. A dataset of batches keeps its own. */
  batchSize?: number;
  /** Batches to take at most, integer > 0; a dataset that never ends needs it. Default: all. */
  steps?: number;
  /** Ends the run early: it rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

export interface EvaluateOptions extends PredictOptions {
  /** What each sample's loss is multiplied by: [rows] or, for outputs with an axis of time, [rows, time]; numbers >= 0. */
  sampleWeight?: DataLike;
}

export interface FitOptions extends Omit<EvaluateOptions, 'batchSize' | 'steps'> {
  /**
   * Rows in a step. Default 32. `full`: gradient descent over the whole set: one update an epoch, by the exact mean
   * gradient of all rows, added up in chunks. A dataset of batches keeps its own.
   */
  batchSize?: number | 'full';
  /** The number after the last epoch's: how many there are where `initialEpoch` is 0. Default 1. */
  epochs?: number;
  /** The first epoch's number. Default 0. */
  initialEpoch?: number;
  /**
   * Goes on where training stopped, in the middle of an epoch if it stopped there, with the rows that would have come next: with
   * the same data and options as before, the result has the same bits as if it had not stopped. `epochs` then counts from the
   * model's first. A dataset that shuffles needs a seed of its own for that; what callbacks remember (patience, the best so far) begins anew, and a run that ended
   * with an epoch has left the weights at their average where there is one (`useEma`). A model that was never trained begins with
   * its first epoch; ERR_OPTION where `compile` could not take up the state that was loaded. Default false.
   */
  resume?: boolean;
  /**
   * Rows and labels, or a dataset, to evaluate after each epoch. What reads a dataset must not await predictions or evaluations of the
   * model: they wait for its end.
   */
  validationData?: DataWithLabels | Dataset;
  /** Part of the rows, in (0, 1), taken from the end for that. */
  validationSplit?: number;
  /** Rows of validation computed at once. Default: `batchSize`. */
  validationBatchSize?: number;
  /** Batches of validation to take at most, integer > 0; a dataset that never ends needs it. Default: all. */
  validationSteps?: number;
  /** Epochs between two validations, counted from epoch 0 wherever training begins: with 2, after epochs 1, 3, … Default 1. */
  validationFreq?: number;
  /**
   * Steps in an epoch, integer > 0: each epoch takes the next so many batches, from where the one before ended, and begins the data anew
   * (in another order, where they are shuffled) when they have come to their end. A dataset that never ends needs it. Not with
   * `batchSize: 'full'`. Default: an epoch is one pass over the data.
   */
  stepsPerEpoch?: number;
  /** Whether each epoch visits the rows in another order. Stateful layers need false: their rows go on from batch to batch. Default true. */
  shuffle?: boolean;
  /** What the loss of each class's samples is multiplied by in training; classes that are not named count 1. One output only. */
  classWeight?: Readonly<Record<number, number>>;
  /** Hear of training, and may steer it. */
  callbacks?: readonly Callback[];
  /** Steps between two calls of onBatchBegin and onBatchEnd, where a callback has them; an epoch's last ones may be fewer. Default 1. */
  stepsPerExecution?: number;
  /** Hears about ten times a second how far training is; training goes on when its promise, if any, is settled. */
  onProgress?: (progress: Progress) => unknown;
  /** Hears the means of each epoch; training goes on when its promise, if any, is settled. */
  onEpochEnd?: (epoch: number, logs: Logs) => void | Promise<void>;
}

export type TestOptions = Omit<EvaluateOptions, 'batchSize' | 'steps'>;

const validationPair: Check<DataWithLabels | Dataset> = (value, name) => {
  if (value instanceof Dataset) return value;
  if (!Array.isArray(value) || value.length < 2 || value.length > 3) throw optionError(name, 'pair [x, y]', value);
  return value as unknown as DataWithLabels;
};

const anyData: Check<DataLike | undefined> = (value) => value as DataLike | undefined;

const batchSizeOption: Check<number | 'full'> = (value, name) => {
  if (value === 'full') return value;
  if (!Number.isInteger(value) || (value as number) < 1) throw optionError(name, 'integer > 0 or "full"', value);
  return value as number;
};

const classWeightOption: Check<ReadonlyMap<number, number>> = (value, name) => {
  return new Map(
    Object.entries(record('an object from class numbers to weights')(value, name)).map(([key, weight]) => {
      const at = Number(key);
      if (String(at) !== key || !Number.isInteger(at) || at < 0 || at >= 2 ** 31)
        throw optionError(`${name} key`, 'class number', key);
      if (typeof weight !== 'number' || !(weight >= 0 && weight < Infinity))
        throw optionError(`${name}[${key}]`, 'number >= 0', weight);
      return [at, weight];
    }),
  );
};

const callbackList: Check<readonly Callback[]> = (value, name) => {
  if (!Array.isArray(value)) throw optionError(name, 'array of callbacks', value);
  value.forEach((c: unknown, i) => {
    if (typeof c !== 'object' || c === null) throw optionError(`${name}[${i}]`, 'callback', c);
    const { batchInterval } = c as Callback;
    if (batchInterval !== undefined) integer(1)(batchInterval, `${name}[${i}].batchInterval`);
    for (const method of CALLBACK_METHODS) {
      const member: unknown = (c as Callback)[method];
      if (member !== undefined) func()(member, `${name}[${i}].${method}`);
    }
  });
  return value as Callback[];
};

const predictSchema = {
  batchSize: optional(integer(1), 32),
  steps: optional(integer(1), undefined),
  signal: optional(abortSignal, undefined),
} satisfies SchemaOf<PredictOptions>;

/** What weights samples. */
export const weightingSchema = {
  sampleWeight: anyData,
  classWeight: optional(classWeightOption, undefined),
};

const testSchema = { signal: predictSchema.signal, sampleWeight: anyData } satisfies SchemaOf<TestOptions>;

const evaluateSchema = { ...predictSchema, ...testSchema } satisfies SchemaOf<EvaluateOptions>;

const fitSchema = {
  signal: predictSchema.signal,
  batchSize: optional(batchSizeOption, 32),
  epochs: optional(integer(1), 1),
  initialEpoch: optional(integer(0), 0),
  resume: optional(boolean, false),
  validationData: optional(validationPair, undefined),
  validationSplit: optional(
    number('number in [0, 1)', (v) => v >= 0 && v < 1),
    0,
  ),
  validationBatchSize: optional(integer(1), undefined),
  validationSteps: optional(integer(1), undefined),
  validationFreq: optional(integer(1), 1),
  stepsPerEpoch: optional(integer(1), undefined),
  shuffle: optional(boolean, true),
  ...weightingSchema,
  callbacks: optional(callbackList, []),
  stepsPerExecution: optional(integer(1), 1),
  onProgress: optional(func<NonNullable<FitOptions['onProgress']>>(), undefined),
  onEpochEnd: optional(func<NonNullable<FitOptions['onEpochEnd']>>(), undefined),
} satisfies SchemaOf<FitOptions>;

export function checkFitOptions(options: unknown): Checked<typeof fitSchema> {
  return checkOptions('fit', options, fitSchema);
}

export function checkEvaluateOptions(options: unknown): Checked<typeof evaluateSchema> {
  return checkOptions('evaluate', options, evaluateSchema);
}

export function checkTestOptions(options: unknown): Checked<typeof testSchema> {
  return checkOptions('testOnBatch', options, testSchema);
}

export function checkPredictOptions(options: unknown): Checked<typeof predictSchema> {
  return checkOptions('predict', options, predictSchema);
}

/** Labels and options as they follow data: those of a dataset are in it, so that options come next, or after undefined. */
export function labelsAndOptions<O>(
  where: string,
  x: DataLike | Dataset,
  [first, second]: readonly unknown[],
): [y: Labels, options: O | undefined] {
  if (!(x instanceof Dataset)) return [first as DataLike, second as O];
  if (second === undefined) return [undefined, first as O];
  if (first !== undefined) throw optionError(`${where}.y`, 'undefined where x is a dataset', first);
  return [undefined, second as O];
}

/** ERR_OPTION where weights are given beside a dataset: they are in its elements. */
export function withoutWeights(where: string, sampleWeight: DataLike | undefined): void {
  if (sampleWeight !== undefined) throw optionError(`${where}.sampleWeight`, 'undefined where x is a dataset', sampleWeight);
}
