/** pad: zeros added to and elements taken from every axis, both at once, slices whose gradients meet; integers; bfloat16. */
import { elementwise } from '../../lib/ops/map.js';
import { pad, slice } from '../../lib/ops/pad.js';
import { flat, indices, type OpCase } from './op_case.js';

/** x of a shape with zeros added to, or elements taken from, each axis. */
export function padded(
  x: readonly number[],
  shape: readonly number[],
  before: readonly number[],
  after: readonly number[],
): number[] {
  const result = shape.map((d, i) => d + before[i]! + after[i]!);
  return indices(result).map((index) => {
    const from = index.map((at, i) => at - before[i]!);
    return from.every((at, i) => at >= 0 && at < shape[i]!) ? x[flat(shape, from)]! : 0;
  });
}

function simple(shape: number[], before: number[], after: number[], extra: Partial<OpCase> = {}): OpCase {
  return {
    name: `[${shape.join(', ')}] with [${before.join(', ')}] before and [${after.join(', ')}] after`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: pad(x!, before, after) }),
    reference: ({ x }) => ({ y: padded(x!, shape, before, after) }),
    narrow: [['x', 'y'], ['x'], ['y']],
    ...(shape.reduce((n, d) => n * d, 1) > 600 ? { gradients: [] } : {}),
    ...extra,
  };
}

const whole = (size: number, step: number): number[] => Array.from({ length: size }, (_, i) => ((i * step) % 17) - 8);

export const cases: OpCase[] = [
  simple([5], [2], [3]),
  simple([9], [-2], [-3]),
  simple([9], [-2], [3]),
  simple([1], [0], [1]),
  simple([4, 8], [0, 4], [0, 8]),
  simple([4, 16], [0, -4], [0, -8]),
  simple([4, 6], [1, 0], [2, 0]),
  simple([4, 6], [-1, 2], [2, -1]),
  simple([4, 6], [-5, 0], [2, 0], { name: 'nothing of x is left, [4, 6] shifted out of sight' }),
  simple([2, 5, 7, 3], [0, 1, 2, 0], [0, 3, 1, 0]),
  simple([2, 5, 7, 3], [0, -1, -2, 0], [0, -1, -3, 0]),
  simple([2, 3, 4, 5, 4], [0, 1, 0, 2, 0], [0, 1, 2, 0, 0]),
  simple([2, 3, 2, 3, 2, 3], [1, -1, 1, 0, 1, -1], [0, 1, -1, 2, 0, 1]),
  simple([2, 3, 2, 3, 2, 3], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], { gradients: [] }),
  simple([3, 50, 70], [0, 3, 5], [0, 4, 7]),
  simple([20000], [7], [9000]),
  {
    ...simple([3, 4], [1, 2], [0, -1]),
    name: 'int32',
    inputs: { x: { shape: [3, 4], dtype: 'int32', range: [-9e8, 9e8] } },
    narrow: [],
    gradients: [],
  },
  {
    // Of whole numbers, whose sums bfloat16 holds.
    name: 'a sum of long padded rows adds to what is there',
    inputs: { a: { shape: [2, 300], data: whole(600, 3) }, b: { shape: [3, 304], data: whole(912, 5) } },
    build: ({ a, b }) => ({ y: elementwise('add', pad(a!, [1, 4], [0, 4]), pad(b!, [0, 4], [0, 0])) }),
    reference: ({ a, b }) => {
      const q = padded(b!, [3, 304], [0, 4], [0, 0]);
      return { y: padded(a!, [2, 300], [1, 4], [0, 4]).map((v, i) => v + q[i]!) };
    },
    narrow: [['a', 'b', 'y'], ['a', 'b'], ['y']],
    gradients: [],
  },
  {
    name: 'a sum of padded values adds to what is there',
    inputs: { a: { shape: [2, 3] }, b: { shape: [3, 2] }, c: { shape: [1, 8] } },
    build: ({ a, b, c }) => ({
      y: elementwise('add', elementwise('add', pad(a!, [1, 0], [1, 1]), pad(b!, [1, 1], [0, 1])), pad(c!, [1, -2], [2, -2])),
    }),
    reference: ({ a, b, c }) => {
      const [p, q, r] = [
        padded(a!, [2, 3], [1, 0], [1, 1]),
        padded(b!, [3, 2], [1, 1], [0, 1]),
        padded(c!, [1, 8], [1, -2], [2, -2]),
      ];
      return { y: p.map((v, i) => v + q[i]! + r[i]!) };
    },
  },
  {
    name: 'slices that overlap and share an input',
    inputs: { x: { shape: [3, 8] } },
    build: ({ x }) => ({
      y: elementwise('mul', slice(x!, [0, 0], [3, 4]), slice(x!, [0, 2], [3, 4])),
      z: elementwise('square', slice(x!, [1, 4], [2, 4])),
    }),
    reference: ({ x }) => {
      const part = (begin: number[], end: number[]) => padded(x!, [3, 8], begin, end);
      const [a, b, c] = [part([0, 0], [0, -4]), part([0, -2], [0, -2]), part([-1, -4], [0, 0])];
      return { y: a.map((v, i) => v * b[i]!), z: c.map((v) => v * v) };
    },
  },
];
