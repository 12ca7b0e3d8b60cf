/** concat: two to seventeen inputs along each axis, widths that divide by four and odd ones, one input twice; integers; bfloat16. */
import { concat } from '../../lib/ops/concat.js';
import { elementwise } from '../../lib/ops/map.js';
import { flat, indices, type OpCase } from './op_case.js';

/** Arrays of shapes that differ along one axis, one behind the other. */
export function joined(arrays: readonly (readonly number[])[], shapes: readonly (readonly number[])[], axis: number): number[] {
  const total = shapes.reduce((n, s) => n + s[axis]!, 0);
  const result = shapes[0]!.map((d, i) => (i === axis ? total : d));
  return indices(result).map((index) => {
    let at = index[axis]!;
    let k = 0;
    while (at >= shapes[k]![axis]!) at -= shapes[k++]![axis]!;
    return arrays[k]![
      flat(
        shapes[k]!,
        index.map((v, i) => (i === axis ? at : v)),
      )
    ]!;
  });
}

function simple(shapes: number[][], axis: number, dtype: 'float32' | 'int32' = 'float32'): OpCase {
  const names = shapes.map((_, i) => `x${i}`);
  return {
    name: `${dtype}, ${shapes.length} along axis ${axis}: ${shapes.map((s) => `[${s.join(', ')}]`).join(' ')}`,
    inputs: Object.fromEntries(shapes.map((shape, i) => [names[i]!, { shape, dtype, range: [-50, 50] as const }])),
    build: (x) => ({
      y: concat(
        names.map((n) => x[n]!),
        axis,
      ),
    }),
    reference: (x) => ({
      y: joined(
        names.map((n) => x[n]!),
        shapes,
        axis,
      ),
    }),
    ...(dtype === 'float32' && { narrow: [[...names, 'y'], ['x0'], [...names.slice(1), 'y'], ['x1']] }),
    ...(dtype === 'int32' || shapes[0]!.reduce((n, d) => n * d, 1) > 600 ? { gradients: [] } : {}),
  };
}

export const cases: OpCase[] = [
  simple(
    [
      [3, 4],
      [3, 5],
    ],
    1,
  ),
  simple(
    [
      [3, 4],
      [3, 8],
    ],
    1,
  ),
  simple(
    [
      [3, 4],
      [2, 4],
    ],
    0,
  ),
  simple([[5], [1]], 0),
  simple(
    [
      [2, 3, 4],
      [2, 1, 4],
      [2, 5, 4],
    ],
    1,
  ),
  simple(
    [
      [2, 3, 2],
      [2, 3, 1],
      [2, 3, 3],
      [2, 3, 1],
    ],
    2,
  ),
  simple(
    Array.from({ length: 5 }, (_, i) => [2, i + 1]),
    1,
  ),
  simple(
    Array.from({ length: 6 }, (_, i) => [i + 1, 2]),
    0,
  ),
  simple(
    Array.from({ length: 7 }, () => [3, 1]),
    1,
  ),
  simple(
    Array.from({ length: 8 }, (_, i) => [2, 4 * (i % 3) + 4]),
    1,
  ),
  simple(
    Array.from({ length: 17 }, (_, i) => [2, (i % 3) + 1, 2]),
    1,
  ),
  simple(
    [
      [100, 200],
      [100, 56],
    ],
    1,
  ),
  simple([[20001], [10003]], 0),
  simple(
    [
      [2, 3],
      [2, 4],
    ],
    1,
    'int32',
  ),
  simple(
    Array.from({ length: 8 }, (_, i) => [2, i + 1]),
    1,
    'int32',
  ),
  {
    name: 'one input twice, among others',
    inputs: { a: { shape: [3, 4] }, b: { shape: [3, 2] } },
    build: ({ a, b }) => ({ y: elementwise('square', concat([a!, b!, a!], 1)) }),
    reference: ({ a, b }) => ({
      y: joined(
        [a!, b!, a!],
        [
          [3, 4],
          [3, 2],
          [3, 4],
        ],
        1,
      ).map((v) => v * v),
    }),
  },
];
