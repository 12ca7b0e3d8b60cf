/**
 * Kernel gradients of convolutions whose weights meet little but padding, or that have three axes, in both precisions, against sums in
 * float64. In bfloat16 oneDNN's were wrong on CPUs that multiply its pairs (see native/ops/conv_dw.cc).
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';

interface Sizes {
  readonly x: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly groups?: number;
}

const CASES: readonly Sizes[] = [
  { x: [5, 1, 32], kernel: [2, 32, 16], strides: [2] },
  { x: [1, 9, 2, 16], kernel: [5, 3, 16, 3], strides: [2, 3] },
  { x: [5, 9, 1, 17], kernel: [2, 2, 17, 16], strides: [1, 2] },
  { x: [2, 7, 7, 16], kernel: [3, 3, 16, 8], strides: [2, 2] },
  { x: [2, 2, 2, 2, 2], kernel: [3, 3, 3, 2, 2], strides: [1, 1, 1] },
  { x: [2, 5, 5, 9, 3], kernel: [5, 5, 5, 3, 1], strides: [3, 2, 1] },
  { x: [5, 2, 1, 9, 8], kernel: [3, 3, 5, 8, 1], strides: [1, 3, 3] },
  { x: [3, 9, 2, 16], kernel: [3, 3, 8, 16], strides: [1, 3], groups: 2 },
  { x: [2, 6, 2, 64], kernel: [3, 3, 32, 64], strides: [2, 3], groups: 2 },
  { x: [3, 1, 64], kernel: [2, 16, 60], strides: [2], groups: 4 },
  { x: [1, 4, 4, 2, 68], kernel: [5, 5, 2, 17, 16], strides: [3, 3, 1], groups: 4 },
];

/** Numbers that bfloat16 holds. */
const input = (i: number): number => ((7 * i) % 9) - 4;
const weight = (i: number): number => ((5 * i) % 7) - 3;

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every index of a shape, in order. */
function* indices(shape: readonly number[]): Generator<number[]> {
  for (let i = 0; i < size(shape); i++) {
    let left = i;
    yield shape.map((_, axis) => {
      const inner = size(shape.slice(axis + 1));
      const at = Math.floor(left / inner);
      left %= inner;
      return at;
    });
  }
}

/** The gradient of the sum of squares of the results, padded as "same" is, by the kernel. */
function reference({ x, kernel, strides, groups = 1 }: Sizes): number[] {
  const [rows, channels, filters] = [x[0]!, kernel.at(-2)!, kernel.at(-1)!];
  const axes = x.slice(1, -1);
  const taps = kernel.slice(0, -2);
  const results = axes.map((n, i) => Math.ceil(n / strides[i]!));
  const before = axes.map((n, i) => Math.floor(Math.max((results[i]! - 1) * strides[i]! + taps[i]! - n, 0) / 2));
  const gradient = new Array<number>(size(kernel)).fill(0);
  for (let row = 0; row < rows; row++) {
    for (const place of indices(results)) {
      const met: [pixel: number, tap: number][] = [];
      let tap = 0;
      for (const offset of indices(taps)) {
        const at = place.map((p, i) => p * strides[i]! + offset[i]! - before[i]!);
        if (at.every((a, i) => a >= 0 && a < axes[i]!)) met.push([at.reduce((n, a, i) => n * axes[i]! + a, row), tap]);
        tap++;
      }
      for (let f = 0; f < filters; f++) {
        const group = Math.floor((f * groups) / filters);
        const value = (pixel: number, c: number): number => input((pixel * groups + group) * channels + c);
        let y = 0;
        for (const [pixel, t] of met) {
          for (let c = 0; c < channels; c++) y += value(pixel, c) * weight((t * channels + c) * filters + f);
        }
        for (const [pixel, t] of met) {
          for (let c = 0; c < channels; c++) gradient[(t * channels + c) * filters + f]! += 2 * y * value(pixel, c);
        }
      }
    }
  }
  return gradient;
}

const CONVOLUTIONS = [gs.ops.conv1d, gs.ops.conv2d, gs.ops.conv3d] as const;

for (const { name, device } of backends()) {
  describe(`kernel gradients on ${name}`, () => {
    for (const sizes of CASES) {
      for (const precision of ['float32', 'bfloat16'] as const) {
        it(`of ${sizes.kernel.join('×')} over ${sizes.x.join('×')}${sizes.groups ? ` in ${sizes.groups} groups` : ''}, ${precision}`, async () => {
          const { x, kernel, strides, groups = 1 } = sizes;
          const convolve = CONVOLUTIONS[strides.length - 1] as typeof gs.ops.conv2d;
          using f = gs.compile(
            (given) => {
              const y = convolve(given.x, given.w, {
                strides: (strides.length === 1 ? strides[0] : strides) as number,
                padding: 'same',
                groups,
              });
              return { dw: gs.grad(gs.ops.sum(gs.ops.square(y)), [given.w])[0]! };
            },
            { inputs: { x: { shape: x }, w: { shape: kernel } }, device, precision },
          );
          const data = (shape: readonly number[], value: (i: number) => number): gs.Tensor =>
            gs.tensor(
              Float32Array.from({ length: size(shape) }, (_, i) => value(i)),
              shape,
            );
          const expected = reference(sizes);
          const largest = Math.max(...expected.map(Math.abs));
          const tolerance = largest * (precision === 'float32' ? 1e-5 : 0.02);
          // Memory that an earlier run has left must not show.
          for (let run = 0; run < 2; run++) {
            const { dw } = await f({ x: data(x, input), w: data(kernel, weight) });
            expected.forEach((v, i) => expect(dw.data[i], `${i}`).to.be.closeTo(v, tolerance));
          }
        });
      }
    }
  });
}
