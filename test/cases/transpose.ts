/** transpose: every order of three axes, up to six axes, planes of whole blocks, of odd edges and narrow ones; integers. */
import { elementwise } from '../../lib/ops/map.js';
import { transpose } from '../../lib/ops/transpose.js';
import { flat, indices, type OpCase } from './op_case.js';

/** x of a shape with its axes in another order. */
export function transposed(x: readonly number[], shape: readonly number[], order: readonly number[]): number[] {
  const result = order.map((axis) => shape[axis]!);
  return indices(result).map(
    (index) =>
      x[
        flat(
          shape,
          shape.map((_, axis) => index[order.indexOf(axis)]!),
        )
      ]!,
  );
}

function simple(shape: number[], order: number[], extra: Partial<OpCase> = {}): OpCase {
  return {
    name: `[${shape.join(', ')}] by ${order.join(', ')}`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: transpose(x!, order) }),
    reference: ({ x }) => ({ y: transposed(x!, shape, order) }),
    ...(shape.reduce((n, d) => n * d, 1) > 600 ? { gradients: [] } : {}),
    ...extra,
  };
}

function int32(shape: number[], order: number[]): OpCase {
  const plain = simple(shape, order);
  return { ...plain, name: `int32 ${plain.name}`, inputs: { x: { shape, dtype: 'int32', range: [-9e8, 9e8] } }, gradients: [] };
}

/** Both sides in bfloat16, or one of them. */
const STORED = [['x', 'y'], ['x'], ['y']];

const orders = [
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

export const cases: OpCase[] = [
  ...orders.map((order) => simple([3, 4, 5], order, { narrow: [['x', 'y']] })),
  ...orders.map((order) => simple([19, 40, 33], order, { narrow: STORED })),
  simple([64, 64], [1, 0], { narrow: STORED }),
  simple([130, 71], [1, 0]),
  simple([2, 300], [1, 0]),
  simple([300, 2], [1, 0]),
  simple([8, 8], [1, 0]),
  simple([1, 7], [1, 0]),
  simple([1, 1, 1], [2, 0, 1]),
  simple([2, 1, 3, 1, 4], [4, 3, 2, 1, 0]),
  simple([2, 5, 3, 8], [0, 2, 1, 3], { narrow: STORED }),
  simple([2, 3, 4, 5], [0, 3, 1, 2]),
  simple([3, 2, 20, 2, 18], [1, 4, 0, 2, 3]),
  simple([2, 3, 2, 3, 4, 2], [5, 3, 1, 4, 2, 0]),
  simple([2, 3, 2, 2, 4, 3], [1, 0, 3, 2, 5, 4]),
  int32([5, 6], [1, 0]),
  int32([17, 3, 8], [1, 0, 2]),
  int32([40, 33], [1, 0]),
  {
    name: 'back and forth between other work',
    inputs: { x: { shape: [4, 6, 5] } },
    build: ({ x }) => ({ y: transpose(elementwise('square', transpose(x!, [2, 0, 1])), [1, 2, 0]) }),
    reference: ({ x }) => ({ y: x!.map((v) => v * v) }),
  },
  {
    name: 'the default is all axes in reverse',
    inputs: { x: { shape: [2, 3, 4] } },
    build: ({ x }) => ({ y: transpose(x!) }),
    reference: ({ x }) => ({ y: transposed(x!, [2, 3, 4], [2, 1, 0]) }),
  },
];
