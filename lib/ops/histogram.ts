/**
 * histogram: element i adds its weight to one cell of a table of float64 counts [groups, rows, columns] that begins at
 * total[at]: group i mod groups, row[i] (0 without rows), column[i] without its fraction. A row between two whole numbers
 * divides the weight between both (a label of 0.3 is 0.7 negative, 0.3 positive). Weight w[i / (n / size w)], else 1. A
 * column that is NaN counts as 0. Cells outside are left out and set the flag: {code 1, i, row, step} for a row, {code
 * 5 + 256·place, i, 0, step} for a column; `place` tells metrics apart. The order of additions depends on the shapes and the device only.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { checkTotal } from './metric_sum.js';

export const histogramOp = defineOp({
  name: 'histogram',
  inputs: {
    column: { dtypes: ['float32', 'int32'] },
    row: { dtypes: ['float32', 'int32'], optional: true },
    weights: { dtypes: ['float32'], optional: true },
    state: { dtypes: ['int32'] },
    total: { dtypes: ['float64'], mutated: true },
    flag: { dtypes: ['int32'], mutated: true },
  },
  outputs: {},
  attrs: {
    groups: { type: 'i32', default: 1 },
    rows: { type: 'i32', default: 1 },
    columns: { type: 'i32' },
    at: { type: 'i32', default: 0 },
    place: { type: 'u32', default: 0 },
  },
  infer({ column, row, weights, total }, attrs) {
    const { groups, rows, columns, at } = attrs as Record<string, number>;
    const n = sizeOf(column!.shape);
    if (row && sizeOf(row.shape) !== n) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Cannot count rows ${formatShape(row.shape)} with columns ${formatShape(column!.shape)}`,
      );
    }
    if (weights && n % sizeOf(weights.shape) !== 0) {
      throw new GradstepError('ERR_SHAPE', `Cannot weight ${formatShape(column!.shape)} by ${formatShape(weights.shape)}`);
    }
    checkTotal(total!, at!, groups! * rows! * columns!);
    return {};
  },
});

export interface HistogramOptions {
  readonly column: Value;
  readonly row?: Value | undefined;
  readonly weights?: Value | undefined;
  readonly groups?: number;
  readonly rows?: number;
  readonly columns: number;
  /** Position of the first cell in the total. Default 0. */
  readonly at?: number;
  /** The number of the place that the flag tells where a column lies outside. Default 0: no place. */
  readonly place?: number;
}

export function histogram(options: HistogramOptions, total: Value, state: Value, flag: Value): void {
  const { column, row, weights, groups = 1, rows = 1, columns, at = 0, place = 0 } = options;
  column.graph.add(histogramOp, { column, row, weights, state, total, flag }, { groups, rows, columns, at, place });
}
