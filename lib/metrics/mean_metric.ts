/** Metrics that are the mean of a value per element: two sums, Σ w·value and Σ w. */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../graph/shape.js';
import type { Loss } from '../losses/loss.js';
import { broadcastTo } from '../ops/map.js';
import { metricSum } from '../ops/metric_sum.js';
import { mean, sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { divide } from './confusion.js';
import { classNumbers, numbersLike } from './labels.js';
import type { Metric, MetricContext } from './metric.js';

const isPrefix = (prefix: Shape, shape: Shape) => sameShape(prefix, shape.slice(0, prefix.length));

/** Weights for values of a shape: a value of the whole sample takes the mean weight of its time steps. */
export function weightsFor(shape: Shape, weights: Value | undefined): Value | undefined {
  if (!weights || isPrefix(weights.shape, shape)) return weights;
  const rows = weights.shape.slice(0, 1);
  if (!isPrefix(rows, shape)) {
    throw new GradstepError('ERR_SHAPE', `Cannot weight ${formatShape(shape)} by ${formatShape(weights.shape)}`);
  }
  const axes = weights.shape.slice(1).map((_, i) => i + 1);
  return reshape(mean(weights, axes), rows);
}

/** Adds Σ w·value and Σ w, over all elements, to the sums at `at`. */
export function addMean(value: Value, context: MetricContext, at = 0): void {
  const weights = weightsFor(value.shape, context.weights);
  const kept = weights?.shape.length ?? 1;
  const lead = value.shape.slice(0, kept);
  // Sums of a sample first: they are fused into the making of the value and run on many threads.
  const sums = value.shape.length > kept ? sum(value, value.shape.map((_, i) => i).slice(kept)) : value;
  const terms = sizeOf(value.shape) / sizeOf(lead);
  metricSum(sums, context.total, context.state, context.flag, false, { weights, terms, at });
}

/** Σ w·value / Σ w; 0 where nothing counts. */
export const meanOf = (sums: Float64Array): number => divide(sums[0]!, sums[1]!);

/** A metric whose value is the mean of `compute`, a float32 value [rows, …]. */
export function meanMetric(
  className: string | undefined,
  config: { readonly name: string } & Metric['config'],
  compute: (yTrue: Value, yPred: Value, context: MetricContext) => Value,
  finish: (mean: number) => number = (m) => m,
): Metric {
  return {
    name: config.name,
    className,
    config,
    size: () => 2,
    update: (yTrue, yPred, context) => addMean(compute(yTrue, yPred, context), context),
    result: (sums) => finish(meanOf(sums)),
  };
}

/** A metric that is the mean of what a loss gives each position. */
export function lossMetric(
  className: string,
  config: { readonly name: string } & Metric['config'],
  loss: Loss,
  finish?: (mean: number) => number,
): Metric {
  const where = `metrics.${className}`;
  return meanMetric(
    className,
    config,
    (yTrue, yPred, { labels, state, flag }) => {
      const numbers = loss.labels === 'int32' ? classNumbers(yTrue, yPred) : undefined;
      if (numbers) return loss.perPosition(numbers, yPred, { state, flag });
      if (labels !== loss.labels) {
        const [wanted, given] = labels === 'int32' ? ['numbers', 'class numbers'] : ['class numbers', 'numbers'];
        throw new GradstepError(
          'ERR_OPTION',
          `Expected a loss that takes ${wanted} as labels for ${where} but it takes ${given}`,
        );
      }
      return loss.perPosition(numbersLike(yTrue, yPred, where), yPred, { state, flag });
    },
    finish,
  );
}

/** A metric from a function of the user's own. */
export function ownMetric(compute: (yTrue: Value, yPred: Value) => Value, name: string): Metric {
  return meanMetric(undefined, { name }, (yTrue, yPred) => valueOf(compute, yTrue, yPred, name));
}

/** What a user's own function makes of a batch: float32, [rows, …] or a scalar, which then holds for every row. */
export function valueOf(compute: (yTrue: Value, yPred: Value) => Value, yTrue: Value, yPred: Value, name: string): Value {
  const rows = yPred.shape[0]!;
  const value = compute(yTrue, yPred);
  if (value?.graph !== yPred.graph) {
    throw new GradstepError('ERR_OPTION', `Expected the metric ${name} to return a value made from yTrue and yPred`);
  }
  if (value.dtype !== 'float32') {
    throw new GradstepError('ERR_DTYPE', `Expected a float32 value of the metric ${name} but received ${value.dtype}`);
  }
  if (sameShape(value.shape, [])) return broadcastTo(value, [rows]);
  if (value.shape[0] !== rows) {
    const received = formatShape(value.shape);
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected the metric ${name} to be of shape [${rows}, ...] or [] but received ${received}`,
    );
  }
  return value;
}
