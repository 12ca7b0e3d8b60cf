/** What `fit`, `evaluate` and `predict` take, checked. */
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
  type Check,
  type Checked,
  type SchemaOf,
} from '../options.js';
import type { Logs, Progress } from './history.js';

export interface PassOptions {
  /** Rows computed at once. Default 32. */
  batchSize?: number;
  /** Ends the run early: it rejects with ERR_ABORTED. */
  signal?: AbortSignal;
}

export interface FitOptions extends PassOptions {
  /** Passes over the data. Default 1. */
  epochs?: number;
  /** Rows and labels to evaluate after each epoch. */
  validationData?: readonly [x: TensorLike, y: TensorLike];
  /** Part of the rows, in (0, 1), taken from the end for that. */
  validationSplit?: number;
  /** Whether each epoch visits the rows in another order. Default true. */
  shuffle?: boolean;
  /** Hears about ten times a second how far training is. */
  onProgress?: (progress: Progress) => void;
  /** Hears the means of each epoch; training goes on when its promise, if any, is settled. */
  onEpochEnd?: (epoch: number, logs: Logs) => void | Promise<void>;
}

const validationPair: Check<readonly [TensorLike, TensorLike]> = (value, name) => {
  if (!Array.isArray(value) || value.length !== 2) throw optionError(name, 'pair [x, y]', value);
  return value as unknown as readonly [TensorLike, TensorLike];
};

const pass = { batchSize: optional(integer(1), 32), signal: optional(abortSignal, undefined) } satisfies SchemaOf<PassOptions>;

const schema = {
  ...pass,
  epochs: optional(integer(1), 1),
  validationData: optional(validationPair, undefined),
  validationSplit: optional(
    number('number in [0, 1)', (v) => v >= 0 && v < 1),
    0,
  ),
  shuffle: optional(boolean, true),
  onProgress: optional(func<NonNullable<FitOptions['onProgress']>>(), undefined),
  onEpochEnd: optional(func<NonNullable<FitOptions['onEpochEnd']>>(), undefined),
} satisfies SchemaOf<FitOptions>;

export function checkFitOptions(options: unknown): Checked<typeof schema> {
  return checkOptions('fit', options, schema);
}

export function checkPassOptions(what: string, options: unknown): Checked<typeof pass> {
  return checkOptions(what, options, pass);
}
