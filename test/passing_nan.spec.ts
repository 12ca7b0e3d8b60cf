/**
 * A NaN passes every activation, and a relu behind a product, whatever computes the two: so the loss becomes NaN, and training
 * ends before the weights do. (oneDNN's own relu would make it 0, and the network would go on with weights that are NaN and a
 * loss that looks like one.)
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';

const { activation, conv2d, dense, elu, leakyReLU, prelu, reLU, softmax, thresholdedReLU } = gs.layers;

/** By what the CPU computes them with: see native/ops/conv.cc and matmul.cc. */
const CASES = [
  {
    name: '3×3, whole vectors of channels',
    shape: [8, 8, 16],
    layer: conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }),
  },
  { name: 'one channel', shape: [8, 8, 1], layer: conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }) },
  { name: '2×2', shape: [8, 8, 3], layer: conv2d({ filters: 5, kernelSize: 2, activation: 'relu' }) },
  { name: '2×2, two groups', shape: [8, 8, 4], layer: conv2d({ filters: 6, kernelSize: 2, groups: 2, activation: 'relu' }) },
  { name: 'dense', shape: [40], layer: dense({ units: 20, activation: 'relu' }) },
  { name: 'dense, wide', shape: [256], layer: dense({ units: 512, activation: 'relu' }) },
] as const;

const ACTIVATIONS = [
  ...Object.keys(gs.activations).map((name) => ({ name, layer: activation({ activation: name as gs.ActivationName }) })),
  { name: 'layer elu', layer: elu() },
  { name: 'layer leakyReLU', layer: leakyReLU() },
  { name: 'layer prelu', layer: prelu() },
  { name: 'layer reLU', layer: reLU() },
  { name: 'layer reLU up to 6', layer: reLU({ maxValue: 6 }) },
  { name: 'layer reLU from a threshold on', layer: reLU({ threshold: 0.5 }) },
  { name: 'layer reLU with a slope', layer: reLU({ threshold: 0.5, negativeSlope: 0.1, maxValue: 2 }) },
  { name: 'layer softmax', layer: softmax() },
  { name: 'layer thresholdedReLU', layer: thresholdedReLU() },
];

const PRECISIONS = ['float32', 'bfloat16'] as const;

for (const { name: on, device } of backends()) {
  describe(`activations on ${on}`, () => {
    for (const { name, layer } of ACTIVATIONS) {
      it(`let NaN through: ${name}`, async () => {
        const x0 = gs.input({ shape: [6] });
        using model = gs.model({ inputs: x0, outputs: layer.apply(x0) });
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 1 });
        const { data } = await model.predict([[1, -1, NaN, 0.25, 3, -2]]);
        expect(data[2]).to.be.NaN;
      });
    }
  });

  describe(`relu behind a product on ${on}`, () => {
    for (const { name, shape, layer } of CASES) {
      for (const precision of PRECISIONS) {
        it(`lets NaN through: ${name}, ${precision}`, async () => {
          const x0 = gs.input({ shape });
          using model = gs.model({ inputs: x0, outputs: layer.apply(x0) });
          model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, precision, seed: 1 });
          const x = new Float32Array(2 * shape.reduce((n: number, d) => n * d, 1)).fill(NaN);
          const { data } = await model.predict(gs.tensor(x, [2, ...shape]));
          expect([...data].filter((v) => !Number.isNaN(v))).to.deep.equal([]);
        });
      }
    }

    for (const precision of PRECISIONS) {
      it(`a NaN among the data ends training, with the weights as they were: ${precision}`, async () => {
        using model = gs.sequential([
          dense({ units: 4, activation: 'relu', inputShape: [3] }),
          dense({ units: 2, activation: 'softmax' }),
        ]);
        model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
        const before = await model.getWeights();
        const x = Float32Array.from({ length: 30 }, (_, i) => (i === 4 ? NaN : Math.sin(i)));
        const labels = Int32Array.from({ length: 10 }, (_, i) => i % 2);
        await expectFailure(() => model.fit(x, labels, { epochs: 3 }), 'ERR_NAN', /NaN/);
        const after = await model.getWeights();
        expect(after.map(({ data }) => [...data])).to.deep.equal(before.map(({ data }) => [...data]));
      });
    }
  });
}
