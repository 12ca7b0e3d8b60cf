/**
 * maxPool over two and three axes: overlapping windows, padding, windows over 256 elements, ties, NaN, and behind a relu'd
 * convolution; maxPoolDx by itself, as numbers in bfloat16 reach it.
 */
import { conv } from '../../lib/ops/conv.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { maxPool, maxPoolAtOp, maxPoolDxOp, maxPoolOp, type PoolWindow } from '../../lib/ops/max_pool.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { reshape } from '../../lib/ops/reshape.js';
import { windowOutput } from '../../lib/ops/window.js';
import { flat, indices, remembered, type CaseInput, type OpCase } from './op_case.js';

export const POOL: PoolWindow = { poolH: 2, poolW: 2, strideH: 2, strideW: 2 };

interface PooledAxis {
  pool: number;
  stride: number;
  before: number;
  after: number;
}

function pooledAxes(shape: readonly number[], g: PoolWindow): PooledAxis[] {
  return [
    { pool: g.poolD ?? 1, stride: g.strideD ?? 1, before: g.padFront ?? 0, after: g.padBack ?? 0 },
    { pool: g.poolH ?? 1, stride: g.strideH ?? 1, before: g.padTop ?? 0, after: g.padBottom ?? 0 },
    { pool: g.poolW ?? 1, stride: g.strideW ?? 1, before: g.padLeft ?? 0, after: g.padRight ?? 0 },
  ].slice(5 - shape.length);
}

/** Shape of the pooled value. */
export function pooledShape(shape: readonly number[], g: PoolWindow): number[] {
  const windows = pooledAxes(shape, g).map((a, i) => windowOutput(shape[i + 1]!, a.pool, a.stride, 1, a.before + a.after));
  return [shape[0]!, ...windows, shape.at(-1)!];
}

/** For each window of a value [N, (D,) H, W, C]: the elements inside, as [place in the window, place in the value]. */
export const windowsOf = remembered((shape: readonly number[], g: PoolWindow): [number, number][][] => {
  const axes = pooledAxes(shape, g);
  return indices(pooledShape(shape, g)).map((index) => {
    const window: [number, number][] = [];
    indices(axes.map((a) => a.pool)).forEach((tap, place) => {
      const position = axes.map((a, i) => index[i + 1]! * a.stride + tap[i]! - a.before);
      if (position.some((p, i) => p < 0 || p >= shape[i + 1]!)) return;
      window.push([place, flat(shape, [index[0]!, ...position, index.at(-1)!])]);
    });
    return window;
  });
});

/** Folds each window of `x` [N, (D,) H, W, C] with `fold` over the elements inside the tensor. */
export function pool(
  x: readonly number[],
  shape: readonly number[],
  g: PoolWindow,
  fold: (window: number[]) => number,
): number[] {
  return windowsOf(shape, g).map((window) => fold(window.map(([, at]) => x[at]!)));
}

const NARROW = [['x', 'y'], ['x'], ['y']] as const;

function simple(name: string, shape: readonly number[], g: PoolWindow = POOL, data?: number[]): OpCase {
  return {
    narrow: NARROW,
    name,
    inputs: { x: { shape, ...(data ? { data } : {}) } },
    build: ({ x }) => ({ y: maxPool(x!, g) }),
    reference: ({ x }) => ({ y: pool(x!, shape, g, (window) => Math.max(...window)) }),
    terms: 4,
    ...(data ? { gradients: [] } : {}),
  };
}

/** The first NaN of a window wins, else the first of the largest, to which 0 and −0 are equal. */
function winners(name: string, channels: number): OpCase {
  const shape = [1, 4, 8, channels];
  const some = [NaN, 0, -0, -1, 1, Infinity, -Infinity, 1];
  const data = Array.from({ length: 32 * channels }, (_, i) => some[(i * 7 + (i >> 3) * 5 + (i >> 6)) % 8]!);
  return {
    name,
    inputs: { x: { shape, data }, dy: { shape: pooledShape(shape, POOL) } },
    build: ({ x, dy }) => {
      const { y, argmax } = x!.graph.add(maxPoolOp, { x: x! }, { ...POOL }).outputs;
      return { y: y!, dx: x!.graph.add(maxPoolDxOp, { dy: dy!, argmax: argmax! }, { ...POOL, shape }).outputs.dx! };
    },
    reference: ({ x, dy }) => {
      const leads = windowsOf(shape, POOL).map((window) => {
        const most = Math.max(...window.map(([, at]) => x![at]!));
        return (window.find(([, at]) => Number.isNaN(x![at])) ?? window.find(([, at]) => x![at] === most)!)[1];
      });
      return { y: leads.map((at) => x![at]!), dx: x!.map((_, at) => dy![leads.indexOf(at)] ?? 0) };
    },
    gradients: [],
    narrow: [...NARROW, ['x', 'y', 'dy', 'dx']],
  };
}

/** maxPoolDx by itself: where windows overlap, whatever won them. */
function slope(name: string, shape: readonly number[], g: PoolWindow = POOL): OpCase {
  const elements = (g.poolD ?? 1) * (g.poolH ?? 1) * (g.poolW ?? 1);
  const pooled = pooledShape(shape, g);
  const channels = shape.at(-1)!;
  return {
    name: `the gradient by itself: ${name}`,
    inputs: {
      dy: { shape: pooled },
      argmax: { shape: pooled, dtype: elements <= 256 ? 'uint8' : 'int32', range: [0, elements] },
    },
    build: ({ dy, argmax }) => ({
      dx: dy!.graph.add(maxPoolDxOp, { dy: dy!, argmax: argmax! }, { ...g, shape: [...shape] }).outputs.dx!,
    }),
    reference: ({ dy, argmax }) => {
      const dx = new Array<number>(shape.reduce((n, d) => n * d, 1)).fill(0);
      windowsOf(shape, g).forEach((window, i) => {
        const won = window.find(([place]) => place === argmax![i]);
        if (won) dx[won[1]]! += dy![i]!;
      });
      return { dx };
    },
    gradients: channels > 100 ? [] : ['dy'],
    narrow: [['dy', 'dx'], ['dy'], ['dx']],
  };
}

/** maxPoolAt: of any x, what stands where the windows were won; nothing where that is padding. */
function at(name: string, shape: readonly number[], g: PoolWindow = POOL): OpCase {
  const { argmax } = slope(name, shape, g).inputs as { argmax: CaseInput };
  return {
    name: `what stands where a window was won: ${name}`,
    inputs: { x: { shape }, argmax },
    build: ({ x, argmax: won }) => ({ y: x!.graph.add(maxPoolAtOp, { x: x!, argmax: won! }, { ...g }).outputs.y! }),
    reference: ({ x, argmax: won }) => ({
      y: windowsOf(shape, g).map((window, i) => {
        const found = window.find(([place]) => place === won![i]);
        return found ? x![found[1]]! : 0;
      }),
    }),
    gradients: shape.at(-1)! > 100 ? [] : ['x'],
    narrow: NARROW,
  };
}

const ALONG: PoolWindow = { poolW: 3, strideW: 2, padLeft: 1 };
const overlapping = { poolH: 3, poolW: 3, padTop: 1, padRight: 1 };
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
  simple('vectors of four channels, overlapping, padding', [1, 6, 5, 12], { poolH: 3, poolW: 2, padTop: 1, padRight: 1 }),
  simple('whole vectors of channels, overlapping, padding', [1, 6, 5, 16], overlapping),
  simple('vectors of eight channels, overlapping, padding', [1, 6, 5, 24], overlapping),
  simple('one element', [1, 1, 1, 1], {}),
  simple('ties and negative numbers', [1, 2, 4, 1], POOL, [-1, -1, -3, -2, -1, -1, -2, -2]),
  simple('ties in whole vectors of channels', [1, 1, 2, 4], { poolW: 2 }, [1, 2, -1, 0, 1, 3, -2, 0]),
  simple('a window of 272 elements', [1, 17, 16, 1], big),
  simple('a window of 272 elements, four channels', [1, 17, 16, 4], big),
  simple('three axes', [1, 4, 5, 6, 3], { ...POOL, poolD: 2, strideD: 2 }),
  simple('three axes, whole vectors of channels', [1, 4, 5, 3, 16], { ...POOL, poolD: 3, strideD: 1 }),
  simple('three axes, overlapping, uneven padding', [2, 4, 3, 5, 2], {
    ...{ poolD: 3, poolH: 2, poolW: 3, strideD: 1, strideH: 2, strideW: 2 },
    ...{ padFront: 1, padBack: 1, padBottom: 1, padLeft: 1, padRight: 1 },
  }),
  simple('three axes, a window of 360 elements', [1, 9, 9, 5, 2], { poolD: 9, poolH: 8, poolW: 5 }),
  winners('who wins, three channels', 3),
  winners('who wins, whole vectors of channels', 16),
  slope('2×2', [2, 4, 6, 3]),
  slope('whole vectors of channels', [2, 4, 6, 32]),
  slope('overlapping', [1, 6, 5, 3], overlapping),
  slope('overlapping, vectors of four channels', [1, 6, 5, 12], overlapping),
  slope('overlapping, whole vectors of channels', [1, 6, 5, 48], overlapping),
  slope('gaps between windows, vectors of eight channels', [1, 7, 7, 8], { ...POOL, strideH: 3, strideW: 3 }),
  slope('more channels than a block', [1, 2, 3, 1030], { poolW: 2 }),
  slope('windows of 272 elements', [1, 18, 17, 4], { poolH: 17, poolW: 16 }),
  at('2×2', [2, 4, 6, 3]),
  at('whole vectors of channels', [2, 4, 6, 32]),
  at('overlapping', [1, 6, 5, 3], overlapping),
  at('overlapping, whole vectors of channels', [1, 6, 5, 48], overlapping),
  at('gaps between windows, vectors of eight channels', [1, 7, 7, 8], { ...POOL, strideH: 3, strideW: 3 }),
  at('more channels than a block', [1, 2, 3, 1030], { poolW: 2 }),
  at('three axes', [1, 4, 5, 6, 3], { ...POOL, poolD: 2, strideD: 2 }),
  at('windows of 272 elements', [1, 18, 17, 4], { poolH: 17, poolW: 16 }),
  at('windows that are padding alone', [1, 2, 2, 3], { poolW: 2, strideW: 2, padLeft: 2 }),
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
    name: 'relu and another shape before pooling: its backward moves, and the pool keeps its shape',
    inputs: { x: { shape: [2, 6, 3] } },
    build: ({ x }) => ({ y: maxPool(reshape(elementwise('relu', x!), [2, 1, 6, 3]), ALONG) }),
    reference: ({ x }) => {
      const y = x!.map((v) => Math.max(0, v));
      return { y: pool(y, [2, 1, 6, 3], ALONG, (window) => Math.max(...window)) };
    },
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
