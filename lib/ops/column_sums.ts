/**
 * columnSums: total[at + c] += Σ_r w[r] · x[r, c] · times[r, c] in float64, with x viewed as [rows, columns]; without
 * `times` or weights those factors are 1. Products are float64 too, so Σ x² keeps the digits that a variance needs.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { checkTotal } from './metric_sum.js';

export const columnSumsOp = defineOp({
  name: 'columnSums',
  inputs: {
    x: { dtypes: ['float32'] },
    times: { dtypes: ['float32'], optional: true },
    weights: { dtypes: ['float32'], optional: true },
    total: { dtypes: ['float64'], mutated: true },
  },
  outputs: {},
  attrs: { columns: { type: 'i32' }, at: { type: 'i32', default: 0 } },
  infer({ x, times, weights, total }, attrs) {
    const columns = attrs.columns as number;
    if (times && !sameShape(times.shape, x!.shape)) {
      throw new GradstepError('ERR_SHAPE', `Cannot multiply ${formatShape(x!.shape)} and ${formatShape(times.shape)}`);
    }
    if (sizeOf(x!.shape) % columns !== 0 || (weights && sizeOf(weights.shape) * columns !== sizeOf(x!.shape))) {
      const by = weights ? ` weighted by ${formatShape(weights.shape)}` : '';
      throw new GradstepError('ERR_SHAPE', `Cannot add up ${columns} columns of ${formatShape(x!.shape)}${by}`);
    }
    checkTotal(total!, attrs.at as number, columns);
    return {};
  },
});

export interface ColumnSumsOptions {
  /** A second factor, of x's shape. */
  readonly times?: Value | undefined;
  /** A weight a row: size(x) / columns of them. */
  readonly weights?: Value | undefined;
  /** Default: the size of x's last axis. */
  readonly columns?: number;
  /** Position of the first sum in the total. Default 0. */
  readonly at?: number;
}

export function columnSums(x: Value, total: Value, options: ColumnSumsOptions = {}): void {
  const { times, weights, columns = x.shape.at(-1) ?? 1, at = 0 } = options;
  x.graph.add(columnSumsOp, { x, times, weights, total }, { columns, at });
}
