/**
 * auc: the area under a curve that thresholds trace, from counts at a fixed number of them: the receiver operating
 * characteristic (recall over false positive rate) or precision over recall. The formulas are Keras's; those of the
 * precision-recall curve interpolate true positives as Davis and Goadrich (2006).
 */
import { GradstepError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { boolean, checkOptions, integer, number, oneOf, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { addBuckets, bucketOf, curveOf, divide, evenBucketOf, type Counts } from './confusion.js';
import { numbersLike } from './labels.js';
import type { Metric } from './metric.js';
import { fraction, listOf, nameOption } from './options.js';

export interface AucOptions extends NamedOptions {
  /** Default `ROC`. */
  curve?: 'ROC' | 'PR';
  /** How many thresholds, evenly in [0, 1]; > 1. More come closer to the exact area. Default 200. */
  numThresholds?: number;
  /** Thresholds of your own inside [0, 1], beside 0 and 1; then numThresholds has no effect. */
  thresholds?: readonly number[];
  /** Height between two thresholds: interpolated, or the lower or higher of both ends. Default `interpolation`. */
  summationMethod?: 'interpolation' | 'minoring' | 'majoring';
  /** Whether each output has a curve of its own, whose areas are averaged; else all outputs share one. Default false. */
  multiLabel?: boolean;
  /** With multiLabel: the weight of each output in the average. Default: all alike. */
  labelWeights?: readonly number[];
  /** Whether the model yields logits: they go through a sigmoid first. Default false. */
  fromLogits?: boolean;
}

const schema = {
  curve: optional(oneOf(['ROC', 'PR']), 'ROC' as const),
  numThresholds: optional(integer(2, 1 << 20), 200),
  thresholds: optional(listOf(fraction), undefined),
  summationMethod: optional(oneOf(['interpolation', 'minoring', 'majoring']), 'interpolation' as const),
  multiLabel: optional(boolean, false),
  labelWeights: optional(listOf(number('number >= 0', (v) => v >= 0)), undefined),
  fromLogits: optional(boolean, false),
  name: nameOption('auc'),
} satisfies SchemaOf<AucOptions>;

/** Areas between neighbours of a curve, from the threshold that all outputs pass to the one that none does. */
function area(counts: readonly Counts[], heights: (a: number, b: number) => number, isRoc: boolean): number {
  const x = counts.map(({ tp, fp, fn, tn }) => (isRoc ? divide(fp, fp + tn) : divide(tp, tp + fn)));
  const y = counts.map(({ tp, fp, fn }) => (isRoc ? divide(tp, tp + fn) : divide(tp, tp + fp)));
  return x.slice(1).reduce((sum, _, i) => sum + (x[i]! - x[i + 1]!) * heights(y[i]!, y[i + 1]!), 0);
}

/** The precision-recall area with true positives linear in positives between two thresholds: ∫ dtp · tp/p. */
function interpolatedPr(counts: readonly Counts[]): number {
  return counts.slice(1).reduce((sum, next, i) => {
    const here = counts[i]!;
    const [p0, p1] = [here.tp + here.fp, next.tp + next.fp];
    const slope = divide(here.tp - next.tp, Math.max(p0 - p1, 0));
    const intercept = next.tp - slope * p1;
    const ratio = p0 > 0 && p1 > 0 ? p0 / p1 : 1;
    return sum + divide(slope * (here.tp - next.tp + intercept * Math.log(ratio)), Math.max(next.tp + next.fn, 0));
  }, 0);
}

const HEIGHTS = { interpolation: (a: number, b: number) => (a + b) / 2, minoring: Math.min, majoring: Math.max } as const;

/**
 * The area under the curve, in [0, 1]; 0 where labels are all of one kind. Labels 0 or 1, of the output's shape; outputs
 * in [0, 1], or logits with `fromLogits`.
 */
export function auc(options?: AucOptions): Metric {
  const config = checkOptions('metrics.auc', options, schema);
  const { curve, numThresholds, thresholds, summationMethod, multiLabel, labelWeights, fromLogits } = config;
  const own = thresholds && [...new Set(thresholds)].sort((a, b) => a - b);
  const buckets = own ? own.length + 1 : numThresholds - 1;
  return {
    name: config.name,
    className: 'auc',
    config,
    labelRange: 'shares',
    size({ output }) {
      const outputs = output.at(-1) ?? 1;
      if (labelWeights && (!multiLabel || labelWeights.length !== outputs)) {
        const wanted = multiLabel ? `${outputs} numbers, one an output,` : 'nothing without multiLabel';
        throw new GradstepError(
          'ERR_OPTION',
          `Expected ${wanted} for metrics.auc.labelWeights but received ${labelWeights.length} numbers`,
        );
      }
      return (multiLabel ? outputs : 1) * 2 * buckets;
    },
    update(yTrue, yPred, context) {
      const label = numbersLike(yTrue, yPred, 'metrics.auc');
      const p = fromLogits ? elementwise('sigmoid', yPred) : yPred;
      const bucket = own ? bucketOf(p, own) : evenBucketOf(p, numThresholds);
      addBuckets(
        label,
        bucket,
        multiLabel ? yPred.shape.at(-1)! : 1,
        buckets,
        context,
        'outputs from 0 to 1 for metrics.auc, or logits with fromLogits,',
      );
    },
    result(sums) {
      const areas = Array.from({ length: sums.length / (2 * buckets) }, (_, g) => {
        const counts = curveOf(sums, buckets, g);
        if (curve === 'PR' && summationMethod === 'interpolation') return interpolatedPr(counts);
        return area(counts, HEIGHTS[summationMethod], curve === 'ROC');
      });
      const weights = labelWeights ?? areas.map(() => 1);
      const add = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
      return divide(add(areas.map((a, i) => a * weights[i]!)), add(weights));
    },
  };
}
