/**
 * Convolutions by a kernel of one pixel with strides, trained for some steps against gradient descent in float64. On the CPU
 * their kernel gradients must not be oneDNN's where channels do not fill its vectors (see native/cpu/conv_shape.h): those were
 * wrong from the second step on, or never came.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';

interface Sizes {
  /** Height, width and channels of an image. */
  readonly image: readonly [number, number, number];
  readonly filters: number;
  readonly strides: readonly [number, number];
}

const [ROWS, BATCH, EPOCHS, RATE] = [5, 2, 6, 0.25];
const TARGET = 0.3;

const CASES: Sizes[] = [
  { image: [8, 16, 1], filters: 1, strides: [1, 2] },
  { image: [8, 16, 4], filters: 2, strides: [2, 2] },
  { image: [8, 16, 4], filters: 8, strides: [2, 2] },
  { image: [9, 7, 3], filters: 16, strides: [3, 2] },
  { image: [8, 8, 12], filters: 16, strides: [2, 2] },
];

const pixel = (i: number): number => Math.fround(Math.sin(i * 1.7));
const firstWeight = (i: number): number => Math.fround(Math.cos(i * 2.3) / 2);

/** Kernel and bias after training on the mean squared distance of all results to the target, batches in order. */
function trained({ image: [h, w, c], filters, strides: [sh, sw] }: Sizes): number[] {
  const kernel = Array.from({ length: c * filters }, (_, i) => firstWeight(i));
  const bias = new Array<number>(filters).fill(0);
  const [height, width] = [Math.ceil(h / sh), Math.ceil(w / sw)];
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    for (let begin = 0; begin < ROWS; begin += BATCH) {
      const rows = Math.min(BATCH, ROWS - begin);
      const dk = kernel.map(() => 0);
      const db = bias.map(() => 0);
      for (let place = 0; place < rows * height * width; place++) {
        const [row, y, x] = [Math.floor(place / (height * width)), Math.floor(place / width) % height, place % width];
        const at = (((begin + row) * h + y * sh) * w + x * sw) * c;
        for (let f = 0; f < filters; f++) {
          let sum = bias[f]!;
          for (let i = 0; i < c; i++) sum += pixel(at + i) * kernel[i * filters + f]!;
          const slope = (2 * (sum - TARGET)) / (rows * height * width * filters);
          db[f]! += slope;
          for (let i = 0; i < c; i++) dk[i * filters + f]! += slope * pixel(at + i);
        }
      }
      dk.forEach((d, i) => (kernel[i]! -= RATE * d));
      db.forEach((d, i) => (bias[i]! -= RATE * d));
    }
  }
  return [...kernel, ...bias];
}

for (const { name: on, device } of backends()) {
  describe(`kernels of one pixel with strides on ${on}`, () => {
    for (const sizes of CASES) {
      const { image, filters, strides } = sizes;
      it(`${image.join('×')} to ${filters} filters by strides of ${strides.join(' and ')}`, async () => {
        const x = Float32Array.from({ length: ROWS * image.reduce((n, d) => n * d, 1) }, (_, i) => pixel(i));
        const expected = trained(sizes);
        // The second model's step finds what the first one's left in memory.
        for (let time = 0; time < 2; time++) {
          using model = gs.sequential([
            gs.layers.conv2d({ filters, kernelSize: 1, strides: [...strides], padding: 'same', inputShape: [...image] }),
          ]);
          model.compile({ optimizer: gs.optimizers.sgd({ learningRate: RATE }), loss: 'meanSquaredError', device, seed: 1 });
          const kernel = Float32Array.from({ length: image[2] * filters }, (_, i) => firstWeight(i));
          await model.setWeights([gs.tensor(kernel, [1, 1, image[2], filters]), gs.tensor(new Float32Array(filters), [filters])]);
          const shape = [ROWS, Math.ceil(image[0] / strides[0]), Math.ceil(image[1] / strides[1]), filters];
          const y = gs.tensor(new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(TARGET), shape);
          await model.fit(gs.tensor(x, [ROWS, ...image]), y, { epochs: EPOCHS, batchSize: BATCH, shuffle: false });
          const weights = (await model.getWeights()).flatMap(({ data }) => [...data]);
          weights.forEach((weight, i) => expect(weight, `weight ${i}, time ${time}`).to.be.closeTo(expected[i]!, 2e-6));
        }
      });
    }
  });
}
