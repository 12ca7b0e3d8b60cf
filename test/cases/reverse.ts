/** reverse along every axis: rows of one number and of several, odd and even lengths, whole numbers, several threads. */
import { reverse } from '../../lib/ops/reverse.js';
import type { DType } from '../../lib/graph/dtype.js';
import { flat, indices, type OpCase } from './op_case.js';

/** x with the elements along an axis from the last to the first. */
export function reversed(x: readonly number[], shape: readonly number[], axis: number): number[] {
  return indices(shape).map((index) => x[flat(shape, index.with(axis, shape[axis]! - 1 - index[axis]!))]!);
}

function simple(shape: number[], axis: number, dtype: DType = 'float32'): OpCase {
  const size = shape.reduce((n, d) => n * d, 1);
  return {
    name: `[${shape.join(', ')}] along ${axis}${dtype === 'float32' ? '' : `, ${dtype}`}`,
    inputs: { x: { shape, dtype, ...(dtype === 'int32' ? { range: [-(2 ** 31), 2 ** 31] as const } : {}) } },
    build: ({ x }) => ({ y: reverse(x!, axis) }),
    reference: ({ x }) => ({ y: reversed(x!, shape, axis) }),
    ...(size > 300 || dtype === 'int32' ? { gradients: [] } : {}),
    rtol: 0,
  };
}

export const cases: OpCase[] = [
  simple([7], 0),
  simple([3, 8], 1),
  simple([3, 5, 4], 1),
  simple([3, 5, 4], 0),
  simple([2, 3, 5], 1),
  simple([2, 2, 3, 2], 2),
  simple([4, 6], 0, 'int32'),
  simple([4, 7], 1, 'int32'),
  simple([9, 700, 3], 1),
  simple([40, 1001], 1),
  simple([3, 30, 260], 1),
];
