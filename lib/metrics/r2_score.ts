/** r2Score: the coefficient of determination, 1 − Σ (y − ŷ)² / Σ (y − mean y)², from sums over the pass. */
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { columnSums } from '../ops/column_sums.js';
import { broadcastTo, elementwise } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import { checkOptions, integer, oneOf, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { numbersLike } from './labels.js';
import { addMean, weightsFor } from './mean_metric.js';
import type { Metric } from './metric.js';
import { nameOption, wordOrNull } from './options.js';

export interface R2ScoreOptions extends NamedOptions {
  /**
   * How several outputs become one number: the mean, or the mean weighted by the variance of each; null gives a list.
   * Default `uniformAverage`.
   */
  classAggregation?: 'uniformAverage' | 'varianceWeightedAverage' | null;
  /**
   * Independent variables p, for the adjusted score 1 − (1 − R²)(n − 1)/(n − p − 1), n the samples, or the sum of their weights; R²
   * itself where n is not above p + 1. Default 0: not adjusted.
   */
  numRegressors?: number;
}

/** Spreads a weight a sample over its time steps, for rows [rows · time]. */
function rowWeights(weights: Value | undefined, shape: readonly number[]): Value | undefined {
  const fitting = weightsFor(shape, weights);
  const rest = shape.slice(fitting?.shape.length ?? shape.length);
  if (!fitting || sizeOf(rest) === 1) return fitting;
  return broadcastTo(reshape(fitting, [...fitting.shape, ...rest.map(() => 1)]), shape);
}

/** Of Σ y², less than which Σ y² − (Σ y)²/n is what rounding left of labels that do not vary. */
const ROUNDING = 1e-13;

/** R² of one output; for labels that do not vary 1 where every prediction is exact, else 0. */
function score(error: number, variation: number): number {
  if (variation <= 0) return error === 0 ? 1 : 0;
  return 1 - error / variation;
}

const total = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** 1 for exact predictions, 0 for those no better than the mean, negative for worse. Labels of the output's shape. */
export function r2Score(options?: R2ScoreOptions): Metric {
  const config = checkOptions('metrics.r2Score', options, {
    classAggregation: optional(wordOrNull(oneOf(['uniformAverage', 'varianceWeightedAverage'])), 'uniformAverage' as const),
    numRegressors: optional(integer(0), 0),
    name: nameOption('r2Score'),
  } satisfies SchemaOf<R2ScoreOptions>);
  const { classAggregation, numRegressors } = config;
  return {
    name: config.name,
    className: 'r2Score',
    config,
    // Error and count over all, then for each output Σ y, Σ y², Σ (y − ŷ)².
    size: ({ output }) => 2 + 3 * (output.at(-1) ?? 1),
    update(yTrue, yPred, context) {
      const y = numbersLike(yTrue, yPred, 'metrics.r2Score');
      const error = elementwise('sub', y, yPred);
      const columns = y.shape.at(-1)!;
      const weights = rowWeights(context.weights, y.shape.slice(0, -1));
      addMean(elementwise('square', error), context);
      columnSums(y, context.total, { columns, weights, at: 2 });
      columnSums(y, context.total, { columns, weights, times: y, at: 2 + columns });
      columnSums(error, context.total, { columns, weights, times: error, at: 2 + 2 * columns });
    },
    result(sums) {
      const columns = (sums.length - 2) / 3;
      const n = sums[1]! / columns;
      const variations = Array.from({ length: columns }, (_, c) => {
        const squares = sums[2 + columns + c]!;
        const variation = squares - sums[2 + c]! ** 2 / n;
        return variation > ROUNDING * squares ? variation : 0;
      });
      const scores = variations.map((v, c) => score(sums[2 + 2 * columns + c]!, v));
      if (classAggregation === null) return scores.length === 1 ? scores[0]! : scores;
      // Where no output varies, as in scikit-learn, all count alike.
      const isUniform = classAggregation === 'uniformAverage' || total(variations) === 0;
      const weights = isUniform ? scores.map(() => 1) : variations;
      const r2 = total(scores.map((s, c) => s * weights[c]!)) / total(weights);
      const isAdjusted = numRegressors > 0 && n > numRegressors + 1;
      return isAdjusted ? 1 - ((1 - r2) * (n - 1)) / (n - numRegressors - 1) : r2;
    },
  };
}
