/** conv2d and its gradients: kernel sizes, strides, dilation, uneven padding, bias, relu, shared kernels and inputs. */
import { conv2d, windowOutput, type Window2d } from '../../lib/ops/conv2d.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import type { OpCase } from './op_case.js';

const PLAIN: Window2d = { strideH: 1, strideW: 1, dilationH: 1, dilationW: 1, padTop: 0, padBottom: 0, padLeft: 0, padRight: 0 };

type Four = [number, number, number, number];

function convolve(x: readonly number[], [n, h, w, c]: Four, k: readonly number[], [kh, kw, , o]: Four, g: Window2d): number[] {
  const p = windowOutput(h, kh, g.strideH, g.dilationH, g.padTop + g.padBottom);
  const q = windowOutput(w, kw, g.strideW, g.dilationW, g.padLeft + g.padRight);
  const y: number[] = [];
  for (let b = 0; b < n; b++)
    for (let i = 0; i < p; i++)
      for (let j = 0; j < q; j++)
        for (let f = 0; f < o; f++) {
          let s = 0;
          for (let u = 0; u < kh; u++)
            for (let v = 0; v < kw; v++) {
              const row = i * g.strideH + u * g.dilationH - g.padTop;
              const column = j * g.strideW + v * g.dilationW - g.padLeft;
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              for (let l = 0; l < c; l++) s += x[((b * h + row) * w + column) * c + l]! * k[((u * kw + v) * c + l) * o + f]!;
            }
          y.push(s);
        }
  return y;
}

export function convolution(
  name: string,
  x: Four,
  w: Four,
  geometry: Partial<Window2d> = {},
  bias = false,
  relu = false,
): OpCase {
  const g = { ...PLAIN, ...geometry };
  const o = w[3];
  return {
    name,
    inputs: { x: { shape: x }, w: { shape: w }, ...(bias ? { bias: { shape: [o] } } : {}) },
    build: (v) => {
      const y = conv2d(v.x!, v.w!, g, v.bias);
      return { y: relu ? elementwise('relu', y) : y };
    },
    reference: (v) => {
      const y = convolve(v.x!, x, v.w!, w, g).map((s, i) => s + (bias ? v.bias![i % o]! : 0));
      return { y: relu ? y.map((s) => Math.max(0, s)) : y };
    },
    terms: w[0] * w[1] * w[2] + x[0] * x[1] * x[2],
  };
}

/** Σ g · conv2d(x, w) with its gradients as results, so that larger shapes need no differences: several tiles and slices. */
function larger(name: string, x: Four, w: Four, geometry: Partial<Window2d> = {}): OpCase {
  const g = { ...PLAIN, ...geometry };
  const [n, h, width, c] = x;
  const [kh, kw, , o] = w;
  const p = windowOutput(h, kh, g.strideH, g.dilationH, g.padTop + g.padBottom);
  const q = windowOutput(width, kw, g.strideW, g.dilationW, g.padLeft + g.padRight);
  return {
    name,
    inputs: { x: { shape: x }, w: { shape: w }, g: { shape: [n, p, q, o] } },
    build: (v) => {
      const y = conv2d(v.x!, v.w!, g);
      const [dx, dw] = gradients(elementwise('mul', y, v.g!), [v.x!, v.w!]);
      return { y, dx: dx!, dw: dw! };
    },
    reference: (v) => {
      const dx = new Array<number>(n * h * width * c).fill(0);
      const dw = new Array<number>(kh * kw * c * o).fill(0);
      for (let at = 0; at < n * p * q; at++) {
        const [b, i, j] = [Math.floor(at / (p * q)), Math.floor(at / q) % p, at % q];
        for (let u = 0; u < kh; u++)
          for (let t = 0; t < kw; t++) {
            const row = i * g.strideH + u * g.dilationH - g.padTop;
            const column = j * g.strideW + t * g.dilationW - g.padLeft;
            if (row < 0 || row >= h || column < 0 || column >= width) continue;
            for (let l = 0; l < c; l++)
              for (let f = 0; f < o; f++) {
                const [pixel, weight] = [((b * h + row) * width + column) * c + l, ((u * kw + t) * c + l) * o + f];
                dx[pixel]! += v.g![at * o + f]! * v.w![weight]!;
                dw[weight]! += v.g![at * o + f]! * v.x![pixel]!;
              }
          }
      }
      return { y: convolve(v.x!, x, v.w!, w, g), dx, dw };
    },
    gradients: [],
    terms: Math.max(kh * kw * Math.max(c, o), n * p * q),
  };
}

const SAME = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };

export const cases: OpCase[] = [
  larger('many channels', [2, 20, 20, 36], [3, 3, 36, 40], SAME),
  larger('many channels, odd', [1, 21, 20, 35], [2, 2, 35, 37]),
  larger('20 to 28 channels, stride 2', [1, 24, 23, 20], [3, 3, 20, 28], { ...SAME, strideH: 2, strideW: 2 }),
  larger('3 to 30 channels, dilation 2', [2, 11, 11, 3], [3, 3, 3, 30], { dilationH: 2, dilationW: 2 }),
  larger('8 to 16 channels', [2, 13, 12, 8], [3, 3, 8, 16], SAME),
  convolution('3×3', [2, 6, 5, 3], [3, 3, 3, 4]),
  convolution('one channel in, 17 out', [2, 5, 7, 1], [3, 3, 1, 17], {}, true),
  convolution('1×1', [3, 4, 3, 5], [1, 1, 5, 2]),
  convolution('one of everything', [1, 1, 1, 1], [1, 1, 1, 1]),
  convolution('5×2, uneven padding', [1, 6, 5, 2], [5, 2, 2, 3], { padTop: 2, padBottom: 1, padLeft: 0, padRight: 1 }),
  convolution('stride 2 that leaves a row over', [2, 8, 6, 2], [3, 3, 2, 3], { strideH: 2, strideW: 2 }),
  convolution('stride 3, 2', [1, 9, 7, 2], [2, 3, 2, 3], { strideH: 3, strideW: 2, padLeft: 1, padRight: 1 }),
  convolution('stride 3, 4, larger than the kernel', [2, 8, 10, 2], [2, 3, 2, 3], { strideH: 3, strideW: 4, padLeft: 1 }),
  convolution('stride 4, 2 with dilation 2, 3', [1, 12, 9, 2], [3, 3, 2, 2], {
    ...{ strideH: 4, strideW: 2, dilationH: 2, dilationW: 3 },
    ...{ padTop: 1, padBottom: 2, padLeft: 2, padRight: 1 },
  }),
  convolution('dilation 2', [1, 8, 7, 2], [3, 2, 2, 3], { dilationH: 2, dilationW: 3, padTop: 1 }),
  convolution('bias and relu', [2, 5, 5, 2], [3, 3, 2, 5], { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 }, true, true),
  convolution('relu, wide channels', [1, 4, 4, 18], [2, 2, 18, 33], {}, false, true),
  {
    name: 'a kernel used twice and an input used twice: gradients accumulate',
    inputs: { x: { shape: [2, 5, 5, 2] }, z: { shape: [1, 4, 5, 2] }, w: { shape: [3, 3, 2, 3] }, u: { shape: [2, 2, 2, 2] } },
    build: ({ x, z, w, u }) => ({ a: conv2d(x!, w!, PLAIN), b: conv2d(z!, w!, PLAIN), c: conv2d(x!, u!, PLAIN) }),
    reference: ({ x, z, w, u }) => ({
      a: convolve(x!, [2, 5, 5, 2], w!, [3, 3, 2, 3], PLAIN),
      b: convolve(z!, [1, 4, 5, 2], w!, [3, 3, 2, 3], PLAIN),
      c: convolve(x!, [2, 5, 5, 2], u!, [2, 2, 2, 2], PLAIN),
    }),
    terms: 60,
  },
];
