/** maxPool over two and three axes: overlapping windows, padding, windows over 256 elements, ties, and behind a relu'd convolution. */
import { conv } from '../../lib/ops/conv.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { maxPool, type PoolWindow } from '../../lib/ops/max_pool.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { windowOutput } from '../../lib/ops/window.js';
import { flat, indices, type OpCase } from './op_case.js';

export const POOL: PoolWindow = { poolH: 2, poolW: 2, strideH: 2, strideW: 2 };

/** Folds each window of `x` [N, (D,) H, W, C] with `fold` over the elements inside the tensor. */
export function pool(
  x: readonly number[],
  shape: readonly number[],
  g: PoolWindow,
  fold: (window: number[]) => number,
): number[] {
  const axes = [
    { pool: g.poolD ?? 1, stride: g.strideD ?? 1, before: g.padFront ?? 0, after: g.padBack ?? 0 },
    { pool: g.poolH ?? 1, stride: g.strideH ?? 1, before: g.padTop ?? 0, after: g.padBottom ?? 0 },
    { pool: g.poolW ?? 1, stride: g.strideW ?? 1, before: g.padLeft ?? 0, after: g.padRight ?? 0 },
  ].slice(5 - shape.length);
  const windows = axes.map((a, i) => windowOutput(shape[i + 1]!, a.pool, a.stride, 1, a.before + a.after));
  return [...indices([shape[0]!, ...windows, shape.at(-1)!])].map((index) => {
    const window: number[] = [];
    for (const tap of indices(axes.map((a) => a.pool))) {
      const position = axes.map((a, i) => index[i + 1]! * a.stride + tap[i]! - a.before);
      if (position.some((p, i) => p < 0 || p >= shape[i + 1]!)) continue;
      window.push(x[flat(shape, [index[0]!, ...position, index.at(-1)!])]!);
    }
    return fold(window);
  });
}

function simple(name: string, shape: readonly number[], g: PoolWindow = POOL, data?: number[]): OpCase {
  return {
    name,
    inputs: { x: { shape, ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: maxPool(x!, g) }),
    reference: ({ x }) => ({ y: pool(x!, shape, g, (window) => Math.max(...window)) }),
    terms: 4,
    ...(data ? { gradients: [] } : {}),
  };
}

const big = { poolH: 17, poolW: 16, strideH: 17, strideW: 16 };

export const cases: OpCase[] = [
  simple('2×2', [2, 4, 6, 3]),
  simple('an odd row left over', [1, 5, 7, 2]),
  simple('3×2 overlapping, uneven padding', [1, 6, 5, 3], { poolH: 3, poolW: 2, padTop: 1, padRight: 1 }),
  simple('stride larger than the window', [1, 7, 7, 2], { ...POOL, strideH: 3, strideW: 3 }),
  simple('channels beyond one block', [1, 2, 4, 70]),
  simple('whole vectors of channels', [2, 4, 6, 32]),
  simple('whole vectors of channels, 3×1', [2, 6, 2, 16], { poolH: 3, poolW: 1, strideH: 3, strideW: 1 }),
  simple('whole vectors of channels, a row and a column left over', [1, 5, 5, 16]),
  simple('whole vectors of channels, overlapping, padding', [1, 6, 5, 12], { poolH: 3, poolW: 2, padTop: 1, padRight: 1 }),
  simple('one element', [1, 1, 1, 1], {}),
  simple('ties and negative numbers', [1, 2, 4, 1], POOL, [-1, -1, -3, -2, -1, -1, -2, -2]),
  simple('ties in whole vectors of channels', [1, 1, 2, 4], { poolW: 2 }, [1, 2, -1, 0, 1, 3, -2, 0]),
  simple('a window of 272 elements', [1, 17, 16, 1], big),
  simple('a window of 272 elements, four channels', [1, 17, 16, 4], big),
  simple('three axes', [1, 4, 5, 6, 3], { ...POOL, poolD: 2, strideD: 2 }),
  simple('three axes, whole vectors of channels', [1, 4, 5, 3, 8], { ...POOL, poolD: 3, strideD: 1 }),
  simple('three axes, overlapping, uneven padding', [2, 4, 3, 5, 2], {
    ...{ poolD: 3, poolH: 2, poolW: 3, strideD: 1, strideH: 2, strideW: 2 },
    ...{ padFront: 1, padBack: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  }),
  simple('three axes, a window of 360 elements', [1, 9, 9, 5, 2], { poolD: 9, poolH: 8, poolW: 5 }),
  {
    name: 'the first of equals gets the gradient',
    inputs: { x: { shape: [1, 2, 4, 1], data: [1, 1, 0, 2, 1, 1, 2, 2] }, g: { shape: [1, 1, 2, 1], data: [5, 7] } },
    // d/dg of Σ g·maxPool(x) is the pooled value: two derivatives in one graph show where the gradient went.
    build: ({ x, g }) => ({ y: elementwise('mul', maxPool(x!, POOL), g!) }),
    reference: ({ g }) => ({ y: [g![0]!, 2 * g![1]!] }),
    gradients: ['g'],
  },
  {
    name: 'a gradient masked by another tensor than the pooled one stays where it is',
    inputs: {
      x: { shape: [1, 2, 4, 1], data: [1, 2, 5, 0, 3, 0, 4, 9] },
      m: { shape: [1, 2, 4, 1], data: [1, 1, 1, 1, 1, 1, 1, -1] },
    },
    build: ({ x, m }) => ({ y: elementwise('mul', gradients(sum(maxPool(x!, POOL)), [x!])[0]!, elementwise('step', m!)) }),
    // 3 and 9 win their windows; the mask is 0 where the 9 is.
    reference: () => ({ y: [0, 0, 0, 0, 1, 0, 0, 0] }),
    gradients: [],
  },
  {
    name: 'relu before pooling: its backward moves behind the pooling',
    inputs: { x: { shape: [2, 5, 5, 2] }, w: { shape: [2, 2, 2, 3] }, b: { shape: [3] } },
    build: ({ x, w, b }) => {
      return { y: maxPool(elementwise('relu', conv(x!, w!, {}, b)), POOL) };
    },
    reference: ({ x, w, b }) => {
      const y: number[] = [];
      for (let n = 0; n < 2; n++)
        for (let i = 0; i < 4; i++)
          for (let j = 0; j < 4; j++)
            for (let o = 0; o < 3; o++) {
              let s = b![o]!;
              for (let u = 0; u < 2; u++)
                for (let v = 0; v < 2; v++)
                  for (let c = 0; c < 2; c++)
                    s += x![((n * 5 + i + u) * 5 + j + v) * 2 + c]! * w![((u * 2 + v) * 2 + c) * 3 + o]!;
              y.push(Math.max(0, s));
            }
      return { y: pool(y, [2, 4, 4, 3], POOL, (window) => Math.max(...window)) };
    },
    terms: 40,
  },
];
