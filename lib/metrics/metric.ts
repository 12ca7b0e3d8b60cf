/** A metric is a number shown beside the loss: the mean, over everything seen in a pass, of a value per element. */
import type { Value } from '../graph/graph.js';

/** A metric of the user's own, over `gs.ops`; its key in the history is the function's name. */
export type MetricFunction = (yTrue: Value, yPred: Value) => Value;

/** What a metric may know of the loss it stands beside. */
export interface MetricContext {
  /** Class numbers (int32) or numbers. */
  readonly labels: 'int32' | 'float32';
  /** The loss's name; undefined for a user's own function. */
  readonly loss: string | undefined;
}

export interface Metric {
  /** Its key in histories: `accuracy`. */
  readonly name: string;
  /** Whether it can be saved by its name. */
  readonly named: boolean;
  /** A float32 value whose elements are averaged; `yTrue` has the dtype and shape that the loss asks for. */
  perElement(yTrue: Value, yPred: Value, context: MetricContext): Value;
}
