/** perplexity: e to the mean cross-entropy of a class, over the pass: how many equally likely classes the model hesitates between. */
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { normalisedProbabilities, softmaxInput } from '../losses/probabilities.js';
import { elementwise } from '../ops/map.js';
import { metricSum } from '../ops/metric_sum.js';
import { reshape } from '../ops/reshape.js';
import { softmaxCrossEntropy } from '../ops/softmax_cross_entropy.js';
import { boolean, checkOptions, integer, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { classNumbers, numbersLike } from './labels.js';
import { addMean, meanOf, weightsFor } from './mean_metric.js';
import type { Metric, MetricContext } from './metric.js';
import { nameOption } from './options.js';

export interface PerplexityOptions extends NamedOptions {
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
  /** Labels that are this class number do not count: padding. Default: all count. */
  maskTokenId?: number;
}

/** −log p[y] or −Σ y·log p of each place, [rows, …]. */
function crossEntropy(yTrue: Value, yPred: Value, fromLogits: boolean, { state, flag }: MetricContext): Value {
  const logits = fromLogits ? yPred : (softmaxInput(yPred) ?? elementwise('log', normalisedProbabilities(yPred)));
  const classes = logits.shape.at(-1)!;
  const rows = sizeOf(logits.shape) / classes;
  const numbers = classNumbers(yTrue, yPred);
  const y = numbers ? reshape(numbers, [rows]) : reshape(numbersLike(yTrue, yPred, 'metrics.perplexity'), [rows, classes]);
  return reshape(softmaxCrossEntropy(reshape(logits, [rows, classes]), y, state, flag), logits.shape.slice(0, -1));
}

/** e^(Σ w·crossentropy / Σ w), and 0 where nothing counts. Labels: class numbers, or distributions over the last axis. */
export function perplexity(options?: PerplexityOptions): Metric {
  const config = checkOptions('metrics.perplexity', options, {
    fromLogits: optional(boolean, false),
    maskTokenId: optional(integer(0), undefined),
    name: nameOption('perplexity'),
  } satisfies SchemaOf<PerplexityOptions>);
  const { fromLogits, maskTokenId } = config;
  return {
    name: config.name,
    className: 'perplexity',
    config,
    size: () => 2,
    update(yTrue, yPred, context) {
      const loss = crossEntropy(yTrue, yPred, fromLogits, context);
      const numbers = classNumbers(yTrue, yPred);
      if (maskTokenId === undefined || !numbers) return addMean(loss, context);
      const counts = reshape(elementwise('notEqual', numbers, maskTokenId), loss.shape);
      const given = weightsFor(loss.shape, context.weights);
      const ones = loss.shape.slice(given?.shape.length ?? 0).map(() => 1);
      const weights = given ? elementwise('mul', counts, reshape(given, [...given.shape, ...ones])) : counts;
      metricSum(loss, context.total, context.state, context.flag, false, { weights });
    },
    result: (sums) => (sums[1] === 0 ? 0 : Math.exp(meanOf(sums))),
  };
}
