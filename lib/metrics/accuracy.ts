/**
 * Accuracies: the part of predictions that are right. What right means follows, for `accuracy`, from the output and the
 * loss, as in Keras: one output or a binary cross-entropy: round(p) = y; class numbers: argmax p = y; distributions:
 * argmax p = argmax y. The others say which.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { argmax } from '../ops/argmax.js';
import { elementwise } from '../ops/map.js';
import { targetRank } from '../ops/target_rank.js';
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import { choice, classNumbers, numbersLike, ranked, THRESHOLD, trueClasses } from './labels.js';
import { meanMetric } from './mean_metric.js';
import type { Metric } from './metric.js';
import { fraction, nameOption } from './options.js';

/** Options of metrics that have none of their own. */
export interface NamedOptions {
  /** The key in histories. Default: the metric's name. */
  name?: string;
}

export interface BinaryAccuracyOptions extends NamedOptions {
  /** An output above it counts as 1. Default 0.5. */
  threshold?: number;
}

export interface TopKOptions extends NamedOptions {
  /** How many of the largest outputs count. Default 5. */
  k?: number;
}

/** Losses that take each output for a decision of its own. */
const BINARY: readonly (string | undefined)[] = ['binaryCrossentropy', 'binaryFocalCrossentropy'];

function binary(yTrue: Value, yPred: Value, threshold: number, where: string): Value {
  return elementwise('equal', elementwise('greater', yPred, threshold), numbersLike(yTrue, yPred, where));
}

function labelsError(where: string, wanted: string, given: string, instead: string): GradstepError {
  return new GradstepError(
    'ERR_OPTION',
    `Expected labels that are ${wanted} for metrics.${where} but they are ${given}: use ${instead}`,
  );
}

/** ERR_OPTION where labels are class numbers by their type. */
function expectDistributions(yTrue: Value, where: string, instead: string): void {
  if (yTrue.dtype === 'int32') throw labelsError(where, 'distributions', 'class numbers', instead);
}

/** ERR_OPTION where labels are not class numbers. */
function expectClasses(yTrue: Value, yPred: Value, where: string, instead: string): Value {
  const numbers = classNumbers(yTrue, yPred);
  if (!numbers) throw labelsError(where, 'class numbers', 'distributions', instead);
  return numbers;
}

/** The part of predictions that are right, in [0, 1]. */
export function accuracy(options?: NamedOptions): Metric {
  const config = checkOptions('metrics.accuracy', options, { name: nameOption('accuracy') });
  return meanMetric('accuracy', config, (yTrue, yPred, { labels, loss }) => {
    if (labels === 'int32') return elementwise('equal', choice(yPred), yTrue);
    if (yPred.shape.at(-1) === 1 || BINARY.includes(loss)) return binary(yTrue, yPred, THRESHOLD, 'metrics.accuracy');
    return elementwise('equal', choice(yPred), trueClasses(yTrue, yPred, 'metrics.accuracy'));
  });
}

/** The part of outputs that are on the label's side of the threshold: (p > threshold) = y. */
export function binaryAccuracy(options?: BinaryAccuracyOptions): Metric {
  const config = checkOptions('metrics.binaryAccuracy', options, {
    threshold: optional(fraction, THRESHOLD),
    name: nameOption('binaryAccuracy'),
  } satisfies SchemaOf<BinaryAccuracyOptions>);
  return meanMetric('binaryAccuracy', config, (yTrue, yPred) => binary(yTrue, yPred, config.threshold, 'metrics.binaryAccuracy'));
}

/** argmax p = argmax y, labels as distributions. */
export function categoricalAccuracy(options?: NamedOptions): Metric {
  const config = checkOptions('metrics.categoricalAccuracy', options, { name: nameOption('categoricalAccuracy') });
  return meanMetric('categoricalAccuracy', config, (yTrue, yPred) => {
    expectDistributions(yTrue, 'categoricalAccuracy', 'sparseCategoricalAccuracy');
    return elementwise('equal', choice(yPred), argmax(numbersLike(yTrue, yPred, 'metrics.categoricalAccuracy')));
  });
}

/** argmax p = y, labels as class numbers. */
export function sparseCategoricalAccuracy(options?: NamedOptions): Metric {
  const config = checkOptions('metrics.sparseCategoricalAccuracy', options, { name: nameOption('sparseCategoricalAccuracy') });
  return meanMetric('sparseCategoricalAccuracy', config, (yTrue, yPred) => {
    const numbers = expectClasses(yTrue, yPred, 'sparseCategoricalAccuracy', 'categoricalAccuracy');
    return elementwise('equal', choice(yPred), numbers);
  });
}

const topKSchema = (name: string) => ({ k: optional(integer(1), 5), name: nameOption(name) }) satisfies SchemaOf<TopKOptions>;

/** The part of samples whose class is among the k largest outputs: fewer than k are larger. Labels as distributions. */
export function topKCategoricalAccuracy(options?: TopKOptions): Metric {
  const config = checkOptions('metrics.topKCategoricalAccuracy', options, topKSchema('topKCategoricalAccuracy'));
  return meanMetric('topKCategoricalAccuracy', config, (yTrue, yPred) => {
    expectDistributions(yTrue, 'topKCategoricalAccuracy', 'sparseTopKCategoricalAccuracy');
    const target = argmax(numbersLike(yTrue, yPred, 'metrics.topKCategoricalAccuracy'));
    return elementwise('less', targetRank(ranked(yPred), target), config.k);
  });
}

/** The part of samples whose class is among the k largest outputs: fewer than k are larger. Labels as class numbers. */
export function sparseTopKCategoricalAccuracy(options?: TopKOptions): Metric {
  const config = checkOptions('metrics.sparseTopKCategoricalAccuracy', options, topKSchema('sparseTopKCategoricalAccuracy'));
  return meanMetric('sparseTopKCategoricalAccuracy', config, (yTrue, yPred) => {
    const numbers = expectClasses(yTrue, yPred, 'sparseTopKCategoricalAccuracy', 'topKCategoricalAccuracy');
    return elementwise('less', targetRank(ranked(yPred), numbers), config.k);
  });
}
