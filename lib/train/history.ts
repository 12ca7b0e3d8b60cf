/** What training tells: means per epoch, and reports on the way. */

/** Means over one pass: `loss`, and each metric under its name. */
export type Logs = { loss: number } & Record<string, number>;

/** One number an epoch under each key: `loss`, metrics, and with validation data `val_loss` and so on. */
export type History = { epoch: number[]; loss: number[] } & Record<string, number[]>;

/** How far `fit` is. Beside these it has the running mean of each metric under its name. */
export interface Progress {
  /** The epoch's number, from 0. */
  epoch: number;
  epochs: number;
  /** Steps done in this epoch, of `steps`. */
  step: number;
  steps: number;
  /** Running mean of the loss in this epoch. */
  loss: number;
  samplesPerSecond: number;
  /** Estimated seconds until the last epoch ends. */
  secondsLeft: number;
  [metric: string]: number;
}

/** Names the means of a report. */
export function logsOf(means: readonly number[], names: readonly string[]): Logs {
  return Object.fromEntries(names.map((name, i) => [name, means[i]!])) as Logs;
}
