/** What training tells: values per epoch, and reports on the way. */
import type { MetricValue } from '../metrics/metric.js';

/**
 * What one pass comes to: `loss`, and each metric under its name. A metric whose value is a list or a matrix (confusionMatrix,
 * precision at several thresholds) has its arrays here, although the type speaks of numbers, as they are the rule.
 */
export type Logs = { loss: number } & Record<string, number>;

/** One number an epoch under each key: `loss`, metrics, and with validation data `val_loss` and so on. */
export type History = { epoch: number[]; loss: number[] } & Record<string, number[]>;

/** How far `fit` is. Beside these it has the running mean of each metric under its name. */
export interface Progress {
  /** The epoch's number, from 0. */
  epoch: number;
  epochs: number;
  /** Steps done in this epoch, of `steps`; NaN where only the data's end will tell, and then `secondsLeft` too. */
  step: number;
  steps: number;
  /** Running mean of the loss in this epoch. */
  loss: number;
  samplesPerSecond: number;
  /** Estimated seconds until the last epoch ends. */
  secondsLeft: number;
  [metric: string]: number;
}

/** Names the values of a report. */
export function logsOf(values: readonly MetricValue[], names: readonly string[]): Logs {
  return Object.fromEntries(names.map((name, i) => [name, values[i]!])) as Logs;
}
