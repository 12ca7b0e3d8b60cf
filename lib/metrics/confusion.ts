/**
 * Counts of true and false positives at thresholds, for metrics that compare outputs with thresholds. A step sorts each
 * output into the bucket between two thresholds, in one table [groups, label 0 or 1, buckets]; the counts at every threshold
 * follow from sums over buckets. A label between 0 and 1 counts for both sides, each with its share.
 */
import type { Value } from '../graph/graph.js';
import { placeNumber } from '../graph/places.js';
import { histogram } from '../ops/histogram.js';
import { elementwise } from '../ops/map.js';
import { weightsFor } from './mean_metric.js';
import type { MetricContext } from './metric.js';

/** What outputs above a threshold come to. */
export interface Counts {
  readonly tp: number;
  readonly fp: number;
  readonly fn: number;
  readonly tn: number;
}

/** a / b, and 0 where b is 0: the convention of Keras. */
export const divide = (a: number, b: number): number => (b === 0 ? 0 : a / b);

/** Outputs are allowed to leave [0, 1] by this much, which is rounding. */
const SLACK = 1e-4;

/** The bucket of p: how many of the ascending thresholds it exceeds. */
export function bucketOf(p: Value, thresholds: readonly number[]): Value {
  const above = thresholds.map((t) => elementwise('greater', p, t));
  return above.reduce((a, b) => elementwise('add', a, b));
}

/**
 * The bucket of p among count − 2 thresholds i / (count − 1) that divide [0, 1] evenly: ⌈p·(count − 1)⌉ − 1, and 0 for p = 0.
 * An output outside [0, 1] has a bucket outside the table, which raises the error flag.
 */
export function evenBucketOf(p: Value, count: number): Value {
  const ceil = elementwise('neg', elementwise('floor', elementwise('neg', elementwise('mul', p, count - 1))));
  const bucket = elementwise('sub', ceil, elementwise('greater', p, 0));
  return elementwise('where', elementwise('lessEqual', p, 1 + SLACK), elementwise('minimum', bucket, count - 2), bucket);
}

/**
 * Adds a batch to the table; `label` and `bucket` have the same shape, [rows, …, groups] where there are groups. `expected`
 * says what outputs should be where a bucket may lie outside the table.
 */
export function addBuckets(
  label: Value,
  bucket: Value,
  groups: number,
  buckets: number,
  context: MetricContext,
  expected?: string,
): void {
  const weights = weightsFor(label.shape, context.weights);
  const { total, state, flag } = context;
  const place = expected === undefined ? 0 : placeNumber({ layer: label.graph.scope, expected });
  histogram({ row: label, column: bucket, weights, groups, rows: 2, columns: buckets, place }, total, state, flag);
}

/** Counts at each boundary between buckets, `first` to the last, of one group: an output in bucket b exceeds boundaries 0 … b − 1. */
export function countsOf(sums: Float64Array, buckets: number, group = 0): Counts[] {
  const at = group * 2 * buckets;
  const negative = sums.subarray(at, at + buckets);
  const positive = sums.subarray(at + buckets, at + 2 * buckets);
  // Running sums from both ends: each count adds up what it counts, so a count of nothing is exactly 0.
  const above = (values: Float64Array): Float64Array => {
    const sums = Float64Array.from(values);
    for (let b = buckets - 2; b >= 0; b--) sums[b]! += sums[b + 1]!;
    return sums;
  };
  const below = (values: Float64Array): Float64Array => {
    const sums = Float64Array.from(values);
    for (let b = 1; b < buckets; b++) sums[b]! += sums[b - 1]!;
    return sums;
  };
  const [tp, fp, fn, tn] = [above(positive), above(negative), below(positive), below(negative)];
  return Array.from({ length: buckets - 1 }, (_, k) => ({ tp: tp[k + 1]!, fp: fp[k + 1]!, fn: fn[k]!, tn: tn[k]! }));
}

/** Counts at the ends of a curve as well: first where every output passes, last where none does. */
export function curveOf(sums: Float64Array, buckets: number, group = 0): Counts[] {
  const inner = countsOf(sums, buckets, group);
  const at = group * 2 * buckets;
  const all = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
  const fp = all(sums.subarray(at, at + buckets));
  const tp = all(sums.subarray(at + buckets, at + 2 * buckets));
  return [{ tp, fp, fn: 0, tn: 0 }, ...inner, { tp: 0, fp: 0, fn: tp, tn: fp }];
}
