/**
 * metricSum: total[at] += Σ w·x, total[at + 1] += terms · Σ w, in float64, so a mean over the whole pass is exact. x and w
 * are of one size; without weights every w is 1. `terms` says how many numbers each element of x already adds up.
 * With `guard` a sum that is not finite sets the error flag {code 2, 0, 0, step}: updates stop from this step on.
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';

export const metricSumOp = defineOp({
  name: 'metricSum',
  inputs: {
    x: { dtypes: ['float32'] },
    weights: { dtypes: ['float32'], optional: true },
    state: { dtypes: ['int32'] },
    total: { dtypes: ['float64'], mutated: true },
    flag: { dtypes: ['int32'], mutated: true },
  },
  outputs: {},
  attrs: {
    guard: { type: 'enum', values: ['no', 'yes'], default: 'no' },
    terms: { type: 'i32', default: 1 },
    at: { type: 'i32', default: 0 },
  },
  infer({ x, weights, total }, attrs) {
    if (weights && sizeOf(weights.shape) !== sizeOf(x!.shape)) {
      throw new GradstepError('ERR_SHAPE', `Cannot weight ${formatShape(x!.shape)} by ${formatShape(weights.shape)}`);
    }
    checkTotal(total!, attrs.at as number, 2);
    return {};
  },
});

/** Checks that `total` has room for `size` sums from `at` on. */
export function checkTotal(total: TensorType, at: number, size: number): void {
  if (at < 0 || at + size > sizeOf(total.shape)) {
    throw new GradstepError('ERR_INTERNAL', `Sums ${at} to ${at + size - 1} lie outside a total of ${formatShape(total.shape)}`);
  }
}

export interface MetricSumOptions {
  readonly weights?: Value | undefined;
  /** Numbers that each element of x already adds up. Default 1. */
  readonly terms?: number;
  /** Position of the two sums in the total. Default 0. */
  readonly at?: number;
}

export function metricSum(
  x: Value,
  total: Value,
  state: Value,
  flag: Value,
  guard: boolean,
  options: MetricSumOptions = {},
): void {
  const { weights, terms = 1, at = 0 } = options;
  x.graph.add(metricSumOp, { x, weights, state, total, flag }, { guard: guard ? 'yes' : 'no', terms, at });
}
