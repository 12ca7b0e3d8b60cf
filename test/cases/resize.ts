/** resize: up, down, by odd ratios, one axis alone; both interpolations, few channels and many. */
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { resize, resizeDxOp, type Interpolation } from '../../lib/ops/resize.js';
import type { OpCase } from './op_case.js';

type Four = [number, number, number, number];

/** Shares of source positions in result `i` of `out`, half-pixel centres. */
function taps(size: number, out: number, i: number, how: Interpolation): [at: number, share: number][] {
  if (how === 'nearest') return [[Math.min(Math.floor(((i + 0.5) * size) / out), size - 1), 1]];
  const at = Math.min(Math.max(((i + 0.5) * size) / out - 0.5, 0), size - 1);
  const low = Math.floor(at);
  return [
    [low, 1 - (at - low)],
    [Math.min(low + 1, size - 1), at - low],
  ];
}

export function resized(x: readonly number[], [n, h, w, c]: Four, height: number, width: number, how: Interpolation): number[] {
  const y: number[] = [];
  for (let image = 0; image < n; image++)
    for (let p = 0; p < height; p++)
      for (let q = 0; q < width; q++)
        for (let f = 0; f < c; f++) {
          let sum = 0;
          for (const [row, high] of taps(h, height, p, how))
            for (const [column, wide] of taps(w, width, q, how))
              sum += high * wide * x[((image * h + row) * w + column) * c + f]!;
          y.push(sum);
        }
  return y;
}

/** Both images in bfloat16, or one of them. */
const STORED = [['x', 'y'], ['x'], ['y']];

function simple(shape: Four, height: number, width: number, { big = false, narrow = [] as OpCase['narrow'] } = {}): OpCase[] {
  return (['nearest', 'bilinear'] as const).map((how) => ({
    name: `${how} [${shape.join(', ')}] to ${height} × ${width}`,
    inputs: { x: { shape } },
    build: ({ x }) => ({ y: resize(x!, height, width, how) }),
    reference: ({ x }) => ({ y: resized(x!, shape, height, width, how) }),
    terms: 16,
    ...(big ? { gradients: [] } : {}),
    narrow,
  }));
}

/** The gradient where rows are shared out among threads: too large for differences, so its transpose is written out. */
function transposed(shape: Four, height: number, width: number, how: Interpolation): OpCase {
  const [n, h, w, c] = shape;
  return {
    name: `${how}, gradient of [${shape.join(', ')}] to ${height} × ${width}`,
    inputs: { x: { shape }, g: { shape: [n, height, width, c] } },
    build: ({ x, g }) => ({ dx: gradients(elementwise('mul', resize(x!, height, width, how), g!), [x!])[0]! }),
    reference: ({ g }) => {
      const dx = new Array<number>(n * h * w * c).fill(0);
      g!.forEach((v, i) => {
        const [f, q, p] = [i % c, Math.floor(i / c) % width, Math.floor(i / c / width) % height];
        const image = Math.floor(i / c / width / height);
        for (const [row, high] of taps(h, height, p, how))
          for (const [column, wide] of taps(w, width, q, how)) dx[((image * h + row) * w + column) * c + f]! += high * wide * v;
      });
      return { dx };
    },
    gradients: n * h * w * c > 400 ? [] : ['g'],
    terms: 16,
  };
}

/** The gradient alone, with each of its images in either type. */
function stored(of: OpCase, shape: Four, interpolation: Interpolation): OpCase {
  return {
    ...of,
    name: `${of.name}, stored in bfloat16`,
    build: ({ g }) => ({ dx: g!.graph.add(resizeDxOp, { dy: g }, { interpolation, shape }).outputs.dx! }),
    narrow: [['g', 'dx'], ['g'], ['dx']],
  };
}

export const cases: OpCase[] = [
  ...simple([2, 3, 4, 3], 6, 8, { narrow: STORED }),
  ...simple([1, 4, 3, 1], 12, 15),
  ...simple([1, 7, 9, 2], 3, 4),
  ...simple([1, 5, 4, 1], 7, 3),
  ...simple([1, 4, 4, 8], 7, 7, { narrow: STORED }),
  ...simple([1, 3, 4, 8], 6, 4, { narrow: [['x', 'y']] }),
  ...simple([1, 3, 2, 67], 2, 5),
  ...simple([2, 3, 5, 4], 3, 7),
  ...simple([2, 5, 3, 9], 2, 3),
  ...simple([1, 9, 8, 1], 1, 1),
  ...simple([1, 1, 1, 1], 3, 2),
  ...simple([3, 61, 67, 3], 128, 50, { big: true }),
  transposed([3, 61, 67, 3], 128, 50, 'bilinear'),
  transposed([3, 61, 67, 3], 122, 134, 'nearest'),
  transposed([2, 40, 30, 10], 27, 45, 'bilinear'),
  ...(['nearest', 'bilinear'] as const).map((how) => stored(transposed([2, 3, 4, 3], 5, 8, how), [2, 3, 4, 3], how)),
  ...(['nearest', 'bilinear'] as const).map((how) => stored(transposed([1, 4, 4, 8], 8, 4, how), [1, 4, 4, 8], how)),
];
