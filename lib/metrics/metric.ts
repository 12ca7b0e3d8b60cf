/**
 * A metric is a number shown beside the loss. It keeps float64 sums on the device, adds to them in every step, and turns
 * them into its value when a pass is over: exact over all rows, not a mean of means of batches.
 */
import type { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';

/**
 * A metric of the user's own, over `gs.ops`; its key in the history is the function's name. yTrue has the shape that the loss
 * asks for, of a loss of one's own the one that it gets. The result is averaged.
 */
export type MetricFunction = (yTrue: Value, yPred: Value) => Value;

/** What a metric yields: a number, a number for each threshold or class, or a matrix as its rows. */
export type MetricValue = number | number[] | number[][];

/** What a metric may know beforehand. */
export interface MetricSetting {
  /** Shape of one sample's output. */
  readonly output: Shape;
  /** What labels are: class numbers or numbers. */
  readonly labels: 'int32' | 'float32';
}

/** What a metric has to do with in a step. */
export interface MetricContext extends Omit<MetricSetting, 'output'> {
  /** The loss's name; undefined for a user's own function. */
  readonly loss: string | undefined;
  /** The metric's sums, float64 [size]: ops add to them. */
  readonly total: Value;
  readonly state: Value;
  readonly flag: Value;
  /** Weights of samples [rows] or of their time steps [rows, time]; all 1 when absent. */
  readonly weights?: Value | undefined;
}

export interface Metric {
  /** Its key in histories: `accuracy`. */
  readonly name: string;
  /** The factory it is saved under; undefined for a user's own. */
  readonly className: string | undefined;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * What numbers as labels have to be where others are an error: from 0 to 1 (`shares`), or `classes` from 0 on. Left out where
   * they may be any.
   */
  readonly labelRange?: 'shares' | 'classes';
  /** How many float64 sums it keeps. */
  size(setting: MetricSetting): number;
  /** Describes what a step adds to the sums; `yTrue` has the dtype and shape that the loss asks for. */
  update(yTrue: Value, yPred: Value, context: MetricContext): void;
  /** Its value from the sums over a pass. */
  result(sums: Float64Array, setting: MetricSetting): MetricValue;
}
