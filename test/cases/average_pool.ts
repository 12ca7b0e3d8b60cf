/**
 * averagePool over two and three axes: padding is not counted; windows that overlap or leave gaps. averagePoolDx by itself, as
 * numbers in bfloat16 reach it.
 */
import { averagePool, averagePoolDxOp } from '../../lib/ops/average_pool.js';
import type { PoolWindow } from '../../lib/ops/max_pool.js';
import { POOL, pool, pooledShape, windowsOf } from './max_pool.js';
import type { OpCase } from './op_case.js';

function simple(name: string, shape: readonly number[], g: PoolWindow = POOL): OpCase {
  return {
    name,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: averagePool(x!, g) }),
    reference: ({ x }) => ({ y: pool(x!, shape, g, (window) => window.reduce((s, v) => s + v, 0) / window.length) }),
    terms: 9,
    narrow: [['x', 'y'], ['x'], ['y']],
  };
}

function slope(name: string, shape: readonly number[], g: PoolWindow = POOL): OpCase {
  return {
    name: `the gradient by itself: ${name}`,
    inputs: { dy: { shape: pooledShape(shape, g) } },
    build: ({ dy }) => ({ dx: dy!.graph.add(averagePoolDxOp, { dy: dy! }, { ...g, shape: [...shape] }).outputs.dx! }),
    reference: ({ dy }) => {
      const dx = new Array<number>(shape.reduce((n, d) => n * d, 1)).fill(0);
      windowsOf(shape, g).forEach((window, i) => window.forEach(([, at]) => (dx[at]! += dy![i]! / window.length)));
      return { dx };
    },
    gradients: [],
    narrow: [['dy', 'dx'], ['dy'], ['dx']],
  };
}

const overlapping = { poolH: 3, poolW: 3, padTop: 1, padRight: 1 };

export const cases: OpCase[] = [
  simple('2×2', [2, 4, 6, 3]),
  simple('an odd row left over', [1, 5, 7, 2]),
  simple('3×3 overlapping, padded on every side', [1, 5, 4, 2], {
    poolH: 3,
    poolW: 3,
    padTop: 1,
    padBottom: 1,
    padLeft: 1,
    padRight: 1,
  }),
  simple('stride larger than the window', [1, 7, 7, 2], { ...POOL, strideH: 3, strideW: 3 }),
  simple('many channels', [1, 3, 3, 67], { ...POOL, poolH: 3, poolW: 3 }),
  simple('whole vectors of channels', [2, 4, 6, 8]),
  simple('whole vectors of channels, overlapping, padded', [1, 5, 4, 12], {
    poolH: 3,
    poolW: 3,
    padTop: 1,
    padLeft: 1,
    padRight: 1,
  }),
  simple('one element', [1, 1, 1, 1], {}),
  simple('three axes', [2, 4, 5, 6, 3], { ...POOL, poolD: 2, strideD: 3 }),
  simple('three axes, whole vectors of channels', [1, 4, 5, 3, 4], { ...POOL, poolD: 2, strideD: 1 }),
  simple('three axes, overlapping, uneven padding', [1, 4, 3, 5, 2], {
    ...{ poolD: 3, poolH: 2, poolW: 3, strideD: 2, strideW: 2 },
    ...{ padFront: 1, padBack: 1, padTop: 1, padLeft: 1, padRight: 1 },
  }),
  slope('three channels', [2, 4, 6, 3]),
  slope('vectors of four channels', [1, 6, 5, 12], overlapping),
  slope('vectors of eight channels', [1, 6, 5, 40], overlapping),
  slope('gaps between windows', [1, 7, 7, 8], { ...POOL, strideH: 3, strideW: 3 }),
  slope('more channels than a block', [1, 2, 3, 1030], { poolW: 2 }),
];
