/**
 * The best of one rate while another is held: sensitivity at a specificity, specificity at a sensitivity, precision at a
 * recall, recall at a precision. The best is taken over thresholds that divide [0, 1] evenly, which outputs must exceed.
 */
import { optionError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { checkOptions, integer, optional, type Check } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { addBuckets, bucketOf, countsOf, curveOf, divide, evenBucketOf, type Counts } from './confusion.js';
import { numbersLike, THRESHOLD } from './labels.js';
import type { Metric } from './metric.js';
import { fraction, nameOption } from './options.js';

interface AtOptions extends NamedOptions {
  /** How many thresholds between 0 and 1 are tried. Default 200. */
  numThresholds?: number;
}

export interface SensitivityAtSpecificityOptions extends AtOptions {
  /** The least specificity, from 0 to 1. */
  specificity: number;
}

export interface SpecificityAtSensitivityOptions extends AtOptions {
  /** The least sensitivity, from 0 to 1. */
  sensitivity: number;
}

export interface PrecisionAtRecallOptions extends AtOptions {
  /** The least recall, from 0 to 1. */
  recall: number;
}

export interface RecallAtPrecisionOptions extends AtOptions {
  /** The least precision, from 0 to 1. */
  precision: number;
}

const recallOf = ({ tp, fn }: Counts) => divide(tp, tp + fn);
const precisionOf = ({ tp, fp }: Counts) => divide(tp, tp + fp);
const specificityOf = ({ tn, fp }: Counts) => divide(tn, tn + fp);

const required: Check<number> = (value, name) => {
  if (value === undefined) throw optionError(name, 'number from 0 to 1', value);
  return fraction(value, name);
};

function bestAt(
  className: string,
  option: string,
  options: unknown,
  held: (counts: Counts) => number,
  wanted: (counts: Counts) => number,
): Metric {
  const config = checkOptions(`metrics.${className}`, options, {
    [option]: required as Check<unknown>,
    numThresholds: optional(integer(1, 1 << 20), 200) as Check<unknown>,
    name: nameOption(className) as Check<unknown>,
  }) as Readonly<Record<string, unknown>> & { readonly name: string; readonly numThresholds: number };
  const least = config[option] as number;
  // Keras: one threshold is 0.5; more are from 0, which outputs of 0 do not exceed, to 1, which none does.
  const single = config.numThresholds === 1;
  const buckets = single ? 2 : config.numThresholds;
  return {
    name: config.name,
    className,
    config,
    labelRange: 'shares',
    size: () => 2 * buckets,
    update(yTrue, yPred, context) {
      const label = numbersLike(yTrue, yPred, `metrics.${className}`);
      const above = elementwise('greater', yPred, 0);
      const bucket = single ? bucketOf(yPred, [THRESHOLD]) : elementwise('add', evenBucketOf(yPred, buckets), above);
      addBuckets(label, bucket, 1, buckets, context, `outputs from 0 to 1 for metrics.${className}`);
    },
    result(sums) {
      const counts = single ? countsOf(sums, buckets) : curveOf(sums, buckets).slice(1);
      return counts.filter((c) => held(c) >= least).reduce((best, c) => Math.max(best, wanted(c)), 0);
    },
  };
}

/** The largest tp / (tp + fn) at thresholds where tn / (tn + fp) is at least `specificity`; 0 where there is none. */
export function sensitivityAtSpecificity(options: SensitivityAtSpecificityOptions): Metric {
  return bestAt('sensitivityAtSpecificity', 'specificity', options, specificityOf, recallOf);
}

/** The largest tn / (tn + fp) at thresholds where tp / (tp + fn) is at least `sensitivity`; 0 where there is none. */
export function specificityAtSensitivity(options: SpecificityAtSensitivityOptions): Metric {
  return bestAt('specificityAtSensitivity', 'sensitivity', options, recallOf, specificityOf);
}

/** The largest tp / (tp + fp) at thresholds where tp / (tp + fn) is at least `recall`; 0 where there is none. */
export function precisionAtRecall(options: PrecisionAtRecallOptions): Metric {
  return bestAt('precisionAtRecall', 'recall', options, recallOf, precisionOf);
}

/** The largest tp / (tp + fn) at thresholds where tp / (tp + fp) is at least `precision`; 0 where there is none. */
export function recallAtPrecision(options: RecallAtPrecisionOptions): Metric {
  return bestAt('recallAtPrecision', 'precision', options, precisionOf, recallOf);
}
