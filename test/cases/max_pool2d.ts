/** maxPool2d: overlapping windows, padding, windows over 256 elements, ties, and behind a relu'd convolution. */
import { conv2d, windowOutput } from '../../lib/ops/conv2d.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { maxPool2d, type Pool2d } from '../../lib/ops/max_pool2d.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { OpCase } from './op_case.js';

export const POOL: Pool2d = { poolH: 2, poolW: 2, strideH: 2, strideW: 2, padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

type Four = [number, number, number, number];

/** Folds each window with `fold` over the elements inside the tensor. */
export function pool(x: readonly number[], [n, h, w, c]: Four, g: Pool2d, fold: (window: number[]) => number): number[] {
  const p = windowOutput(h, g.poolH, g.strideH, 1, g.padTop + g.padBottom);
  const q = windowOutput(w, g.poolW, g.strideW, 1, g.padLeft + g.padRight);
  const y: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = 0; i < p; i++)
      for (let j = 0; j < q; j++)
        for (let f = 0; f < c; f++) {
          const window: number[] = [];
          for (let u = 0; u < g.poolH; u++)
            for (let v = 0; v < g.poolW; v++) {
              const row = i * g.strideH + u - g.padTop;
              const column = j * g.strideW + v - g.padLeft;
              if (row >= 0 && row < h && column >= 0 && column < w) window.push(x[((b * h + row) * w + column) * c + f]!);
            }
          y.push(fold(window));
        }
  return y;
}

function simple(name: string, shape: Four, geometry: Partial<Pool2d> = {}, data?: number[]): OpCase {
  const g = { ...POOL, ...geometry };
  return {
    name,
    inputs: { x: { shape, ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: maxPool2d(x!, g) }),
    reference: ({ x }) => ({ y: pool(x!, shape, g, (window) => Math.max(...window)) }),
    terms: 4,
    ...(data ? { gradients: [] } : {}),
  };
}

const big = { poolH: 17, poolW: 16, strideH: 17, strideW: 16 };

export const cases: OpCase[] = [
  simple('2×2', [2, 4, 6, 3]),
  simple('an odd row left over', [1, 5, 7, 2]),
  simple('3×2 overlapping, uneven padding', [1, 6, 5, 3], { poolH: 3, strideH: 1, strideW: 1, padTop: 1, padRight: 1 }),
  simple('stride larger than the window', [1, 7, 7, 2], { strideH: 3, strideW: 3 }),
  simple('channels beyond one block', [1, 2, 4, 70]),
  simple('one element', [1, 1, 1, 1], { poolH: 1, poolW: 1, strideH: 1, strideW: 1 }),
  simple('ties and negative numbers', [1, 2, 4, 1], {}, [-1, -1, -3, -2, -1, -1, -2, -2]),
  simple('a window of 272 elements', [1, 17, 16, 1], big),
  {
    name: 'the first of equals gets the gradient',
    inputs: { x: { shape: [1, 2, 4, 1], data: [1, 1, 0, 2, 1, 1, 2, 2] }, g: { shape: [1, 1, 2, 1], data: [5, 7] } },
    // d/dg of Σ g·maxPool(x) is the pooled value: two derivatives in one graph show where the gradient went.
    build: ({ x, g }) => ({ y: elementwise('mul', maxPool2d(x!, POOL), g!) }),
    reference: ({ g }) => ({ y: [g![0]!, 2 * g![1]!] }),
    gradients: ['g'],
  },
  {
    name: 'a gradient masked by another tensor than the pooled one stays where it is',
    inputs: {
      x: { shape: [1, 2, 4, 1], data: [1, 2, 5, 0, 3, 0, 4, 9] },
      m: { shape: [1, 2, 4, 1], data: [1, 1, 1, 1, 1, 1, 1, -1] },
    },
    build: ({ x, m }) => ({ y: elementwise('mul', gradients(sum(maxPool2d(x!, POOL)), [x!])[0]!, elementwise('step', m!)) }),
    // 3 and 9 win their windows; the mask is 0 where the 9 is.
    reference: () => ({ y: [0, 0, 0, 0, 1, 0, 0, 0] }),
    gradients: [],
  },
  {
    name: 'relu before pooling: its backward moves behind the pooling',
    inputs: { x: { shape: [2, 5, 5, 2] }, w: { shape: [2, 2, 2, 3] }, b: { shape: [3] } },
    build: ({ x, w, b }) => {
      const geometry = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };
      return { y: maxPool2d(elementwise('relu', conv2d(x!, w!, geometry, b)), POOL) };
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
