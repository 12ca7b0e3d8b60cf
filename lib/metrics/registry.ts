/** Metrics by name: what `compile` takes as strings, and what saved models name. */
import { GradstepError, optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import * as all from './index.js';
import { ownMetric } from './mean_metric.js';
import type { Metric, MetricFunction } from './metric.js';
import { historyKey } from './options.js';

/** Those that a name alone can mean: all of their options have defaults. */
const METRICS = {
  accuracy: all.accuracy,
  binaryAccuracy: all.binaryAccuracy,
  categoricalAccuracy: all.categoricalAccuracy,
  sparseCategoricalAccuracy: all.sparseCategoricalAccuracy,
  topKCategoricalAccuracy: all.topKCategoricalAccuracy,
  sparseTopKCategoricalAccuracy: all.sparseTopKCategoricalAccuracy,
  precision: all.precision,
  recall: all.recall,
  f1Score: all.f1Score,
  fBetaScore: all.fBetaScore,
  truePositives: all.truePositives,
  trueNegatives: all.trueNegatives,
  falsePositives: all.falsePositives,
  falseNegatives: all.falseNegatives,
  auc: all.auc,
  confusionMatrix: all.confusionMatrix,
  meanIoU: all.meanIoU,
  iou: all.iou,
  binaryIoU: all.binaryIoU,
  dice: all.dice,
  meanSquaredError: all.meanSquaredError,
  rootMeanSquaredError: all.rootMeanSquaredError,
  meanAbsoluteError: all.meanAbsoluteError,
  meanAbsolutePercentageError: all.meanAbsolutePercentageError,
  meanSquaredLogarithmicError: all.meanSquaredLogarithmicError,
  logCoshError: all.logCoshError,
  cosineSimilarity: all.cosineSimilarity,
  r2Score: all.r2Score,
  binaryCrossentropy: all.binaryCrossentropy,
  categoricalCrossentropy: all.categoricalCrossentropy,
  sparseCategoricalCrossentropy: all.sparseCategoricalCrossentropy,
  perplexity: all.perplexity,
  kullbackLeiblerDivergence: all.kullbackLeiblerDivergence,
  poisson: all.poisson,
  hinge: all.hinge,
  squaredHinge: all.squaredHinge,
  categoricalHinge: all.categoricalHinge,
} as const;

/** Keras's short names, of metrics and of the losses that they are; each is the key in histories as well. */
const ALIASES = {
  acc: all.accuracy,
  mse: all.meanSquaredError,
  mae: all.meanAbsoluteError,
  mape: all.meanAbsolutePercentageError,
  msle: all.meanSquaredLogarithmicError,
  bce: all.binaryCrossentropy,
  kld: all.kullbackLeiblerDivergence,
} as const;

export type MetricName = keyof typeof METRICS | keyof typeof ALIASES;

/** Those that a saved model may name. */
const SAVED = {
  ...METRICS,
  sensitivityAtSpecificity: all.sensitivityAtSpecificity,
  specificityAtSensitivity: all.specificityAtSensitivity,
  precisionAtRecall: all.precisionAtRecall,
  recallAtPrecision: all.recallAtPrecision,
} as const;

export function isMetric(value: unknown): value is Metric {
  if (typeof value !== 'object' || value === null) return false;
  const { name, size, update, result } = value as Partial<Metric>;
  return typeof name === 'string' && [size, update, result].every((f) => typeof f === 'function');
}

function metricOf(value: unknown, name: string): Metric {
  if (typeof value === 'function') {
    if (!value.name) throw optionError(name, 'function with a name, which becomes its key in the history', value);
    return ownMetric(value as MetricFunction, historyKey(value.name, `${name}.name`));
  }
  if (isMetric(value)) {
    historyKey(value.name, `${name}.name`);
    return value;
  }
  if (typeof value !== 'string') throw optionError(name, 'name of a metric, a metric or a function', value);
  if (Object.hasOwn(ALIASES, value)) return ALIASES[value as keyof typeof ALIASES]({ name: value });
  if (!Object.hasOwn(METRICS, value))
    throw unknownName('metric', value, name, [...Object.keys(METRICS), ...Object.keys(ALIASES)]);
  return METRICS[value as keyof typeof METRICS]();
}

/** The metric of a saved form: its name, or its factory's name and options. */
export function restoreMetric(saved: unknown, where: string): Metric {
  if (typeof saved !== 'object' || saved === null) return metricOf(saved, where);
  const { name, config } = saved as Record<string, unknown>;
  if (typeof name !== 'string') throw optionError(`${where}.name`, 'string', name);
  if (!Object.hasOwn(SAVED, name)) throw unknownName('metric', name, where, Object.keys(SAVED));
  return SAVED[name as keyof typeof SAVED](config as never);
}

/** Names that a history uses itself. */
const TAKEN = ['epoch', 'loss', 'learning_rate', 'epochs', 'step', 'steps', 'samplesPerSecond', 'secondsLeft'];

/** What the keys of validation begin with. */
const VALIDATION = 'val_';

/** ERR_OPTION where one of `metrics`, from `first` on, has a name that histories or another use; `name` is what they are called. */
export function checkNames(metrics: readonly Metric[], name: string, first = 0): void {
  metrics.forEach((m, i) => {
    if (m.name.startsWith(VALIDATION)) {
      throw optionError(
        `${name}[${i - first}]`,
        `name that does not begin with "${VALIDATION}", as those of validation do,`,
        m.name,
      );
    }
    if (TAKEN.includes(m.name) || metrics.findIndex((other) => other.name === m.name) !== i) {
      throw new GradstepError('ERR_OPTION', `Expected a name of its own for ${name}[${i - first}] but "${m.name}" is taken`);
    }
  });
}

/** ERR_OPTION where two of the keys of a history, or one of them and one of validation, are the same. */
export function checkKeys(keys: readonly string[]): void {
  const all = [...keys, ...keys.map((key) => `${VALIDATION}${key}`)];
  const twice = all.find((key, i) => all.indexOf(key) !== i);
  if (twice === undefined) return;
  throw new GradstepError(
    'ERR_OPTION',
    `Expected a key of its own in histories for each loss and metric but "${twice}" is that of two: name outputs or metrics otherwise`,
  );
}

/** Reads a metric, or a list of them, given by name, made by a factory, or written as a function. */
export const metricsOption: Check<readonly Metric[]> = (value, name) => {
  const metrics = Array.isArray(value) ? [...value].map((m, i) => metricOf(m, `${name}[${i}]`)) : [metricOf(value, name)];
  checkNames(metrics, name);
  return metrics;
};
