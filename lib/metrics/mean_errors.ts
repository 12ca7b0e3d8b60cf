/** Metrics that are the mean of what a loss of the same name gives each sample, and roots and powers of such means. */
import {
  binaryCrossentropy as binaryCrossentropyLoss,
  categoricalCrossentropy as categoricalCrossentropyLoss,
  categoricalHinge as categoricalHingeLoss,
  cosineSimilarity as cosineSimilarityLoss,
  hinge as hingeLoss,
  kullbackLeiblerDivergence as kullbackLeiblerDivergenceLoss,
  logCosh as logCoshLoss,
  meanAbsoluteError as meanAbsoluteErrorLoss,
  meanAbsolutePercentageError as meanAbsolutePercentageErrorLoss,
  meanSquaredError as meanSquaredErrorLoss,
  meanSquaredLogarithmicError as meanSquaredLogarithmicErrorLoss,
  poisson as poissonLoss,
  sparseCategoricalCrossentropy as sparseCategoricalCrossentropyLoss,
  squaredHinge as squaredHingeLoss,
} from '../losses/index.js';
import type { Loss } from '../losses/loss.js';
import { boolean, checkOptions, number, optional, type Schema, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { lossMetric } from './mean_metric.js';
import type { Metric } from './metric.js';
import { nameOption } from './options.js';

export interface CrossentropyOptions extends NamedOptions {
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
}

export interface SmoothedCrossentropyOptions extends CrossentropyOptions {
  /** Part from 0 to 1 by which labels are drawn towards the same for all. Default 0. */
  labelSmoothing?: number;
}

/** A factory for the metric of a loss without options. */
function plain(className: string, loss: () => Loss, finish?: (mean: number) => number): (options?: NamedOptions) => Metric {
  return (options) => {
    const config = checkOptions(`metrics.${className}`, options, { name: nameOption(className) });
    return lossMetric(className, config, loss(), finish);
  };
}

const crossentropySchema = (name: string) =>
  ({ fromLogits: optional(boolean, false), name: nameOption(name) }) satisfies SchemaOf<CrossentropyOptions> & Schema;

const smoothedSchema = (name: string) =>
  ({
    ...crossentropySchema(name),
    labelSmoothing: optional(
      number('number from 0 to 1', (v) => v >= 0 && v <= 1),
      0,
    ),
  }) satisfies SchemaOf<SmoothedCrossentropyOptions>;

/** The mean of (y − ŷ)². */
export const meanSquaredError = plain('meanSquaredError', meanSquaredErrorLoss);

/** The root of the mean of (y − ŷ)² over the whole pass. */
export const rootMeanSquaredError = plain('rootMeanSquaredError', meanSquaredErrorLoss, Math.sqrt);

/** The mean of |y − ŷ|. */
export const meanAbsoluteError = plain('meanAbsoluteError', meanAbsoluteErrorLoss);

/** The mean of 100·|y − ŷ| / max(|y|, 1e-7). */
export const meanAbsolutePercentageError = plain('meanAbsolutePercentageError', meanAbsolutePercentageErrorLoss);

/** The mean of (log(1 + y) − log(1 + ŷ))², both limited to at least 1e-7 first. */
export const meanSquaredLogarithmicError = plain('meanSquaredLogarithmicError', meanSquaredLogarithmicErrorLoss);

/** The mean of log cosh(ŷ − y). */
export const logCoshError = plain('logCoshError', logCoshLoss);

/** The mean over samples of y·ŷ / (|y|·|ŷ|), along the last axis: 1 where directions agree, −1 where they are opposite. */
export const cosineSimilarity = plain('cosineSimilarity', cosineSimilarityLoss, (mean) => -mean);

/** The mean of Σ y·log(y/ŷ) over the last axis. */
export const kullbackLeiblerDivergence = plain('kullbackLeiblerDivergence', kullbackLeiblerDivergenceLoss);

/** The mean of ŷ − y·log ŷ. */
export const poisson = plain('poisson', poissonLoss);

/** The mean of max(1 − y·ŷ, 0), labels −1 or 1; 0 stands for −1. */
export const hinge = plain('hinge', hingeLoss);

/** The mean of max(1 − y·ŷ, 0)², labels −1 or 1; 0 stands for −1. */
export const squaredHinge = plain('squaredHinge', squaredHingeLoss);

/** The mean of max(0, 1 + the largest wrong output − the right one), labels as distributions. */
export const categoricalHinge = plain('categoricalHinge', categoricalHingeLoss);

/** The mean of −y·log p − (1−y)·log(1−p). */
export function binaryCrossentropy(options?: SmoothedCrossentropyOptions): Metric {
  const config = checkOptions('metrics.binaryCrossentropy', options, smoothedSchema('binaryCrossentropy'));
  const { fromLogits, labelSmoothing } = config;
  return lossMetric('binaryCrossentropy', config, binaryCrossentropyLoss({ fromLogits, labelSmoothing }));
}

/** The mean of −Σ y·log p, labels as distributions. */
export function categoricalCrossentropy(options?: SmoothedCrossentropyOptions): Metric {
  const config = checkOptions('metrics.categoricalCrossentropy', options, smoothedSchema('categoricalCrossentropy'));
  const { fromLogits, labelSmoothing } = config;
  return lossMetric('categoricalCrossentropy', config, categoricalCrossentropyLoss({ fromLogits, labelSmoothing }));
}

/** The mean of −log p[y], labels as class numbers. */
export function sparseCategoricalCrossentropy(options?: CrossentropyOptions): Metric {
  const config = checkOptions(
    'metrics.sparseCategoricalCrossentropy',
    options,
    crossentropySchema('sparseCategoricalCrossentropy'),
  );
  return lossMetric(
    'sparseCategoricalCrossentropy',
    config,
    sparseCategoricalCrossentropyLoss({ fromLogits: config.fromLogits }),
  );
}
