/**
 * A loss compares what a model yields with what was wanted, one number a sample; training minimises the mean over the
 * batch. Losses are composed of ops, so their gradients follow by themselves.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { mean } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { broadcastTo } from '../ops/map.js';

/**
 * A loss of the user's own, over `gs.ops`: yTrue and yPred are [rows, …]; the result is [rows, …] or a scalar, and is averaged.
 * yTrue has the shape of the labels; where one of the two has a last axis of size 1 more than the other, yTrue takes yPred's axes:
 * labels [rows] against outputs [rows, 1] arrive as [rows, 1], class numbers [rows] against [rows, classes] as [rows].
 */
export type LossFunction = (yTrue: Value, yPred: Value) => Value;

/** The step's small tensors, which kernels that check labels need. */
export interface LossContext {
  readonly state: Value;
  readonly flag: Value;
}

export interface Loss {
  /** The name it is saved under; undefined for a user's own function. */
  readonly name: string | undefined;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /** What labels are: class numbers or numbers. */
  readonly labels: 'int32' | 'float32';
  /** Shape of one sample's labels for a model's output shape; a loss that takes any labels follows the shape they are given in. */
  labelShape(output: Shape, given: Shape): Shape;
  /** Loss of each position (a sample, or a time step or pixel of it): the output's shape without its last axis, [rows, …]. */
  perPosition(yTrue: Value, yPred: Value, context: LossContext): Value;
}

/** [rows, …] → [rows]: the mean over everything but the rows. */
export function meanPerSample(x: Value): Value {
  if (x.shape.slice(1).every((d) => d === 1)) return reshape(x, x.shape.slice(0, 1));
  return mean(
    x,
    x.shape.slice(1).map((_, i) => i + 1),
  );
}

/** The loss of each sample, [rows]: the mean over its positions. */
export function perSample(loss: Loss, yTrue: Value, yPred: Value, context: LossContext): Value {
  return meanPerSample(loss.perPosition(yTrue, yPred, context));
}

/**
 * A loss whose labels have the shape of the output: a comparison without options of the step. `compute` gives a number an
 * element, which is averaged over the last axis, or a number a position.
 */
export function comparison(name: string, config: Loss['config'], compute: LossFunction): Loss {
  return {
    name,
    config,
    labels: 'float32',
    labelShape: (output) => output,
    perPosition(yTrue, yPred) {
      const loss = compute(yTrue, yPred);
      if (loss.shape.length < yPred.shape.length || loss.shape.length < 2) return loss;
      return loss.shape.at(-1) === 1 ? reshape(loss, loss.shape.slice(0, -1)) : mean(loss, [-1]);
    },
  };
}

/** Labels' shape with the last axis of size 1 that the output's has and it lacks, or without the one that it has beyond it. */
function toSameRank(given: Shape, output: Shape): Shape {
  if (given.length + 1 === output.length && output.at(-1) === 1) return [...given, 1];
  return given.length === output.length + 1 && given.at(-1) === 1 ? given.slice(0, -1) : given;
}

/** Wraps a user's own function. */
export function ownLoss(compute: LossFunction): Loss {
  return {
    name: undefined,
    config: {},
    labels: 'float32',
    // As Keras: a comparison of [rows] with [rows, 1] would broadcast to [rows, rows].
    labelShape: (output, given) => toSameRank(given, output),
    perPosition(yTrue, yPred) {
      const rows = yPred.shape[0]!;
      const loss = compute(yTrue, yPred);
      if (loss?.graph !== yPred.graph)
        throw new GradstepError('ERR_OPTION', 'Expected the loss function to return a value made from yTrue and yPred');
      if (loss.dtype !== 'float32') throw new GradstepError('ERR_DTYPE', `Expected a float32 loss but received ${loss.dtype}`);
      if (sameShape(loss.shape, [])) return broadcastTo(loss, [rows]);
      if (loss.shape[0] !== rows) {
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected a loss of shape [${rows}, ...] or [] but received ${formatShape(loss.shape)}`,
        );
      }
      return loss;
    },
  };
}
