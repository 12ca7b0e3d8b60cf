/**
 * A NaN passes a relu that a product of ours applies, so that training finds it. (oneDNN's relu makes it 0: its float32
 * products are not here.)
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';

const { conv2d, dense } = gs.layers;

/** By what the CPU computes them with: see native/ops/conv.cc and matmul.cc. */
const CASES = [
  {
    name: '3×3, whole vectors of channels',
    own: true,
    shape: [8, 8, 16],
    layer: conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }),
  },
  { name: 'one channel', own: true, shape: [8, 8, 1], layer: conv2d({ filters: 16, kernelSize: 3, activation: 'relu' }) },
  { name: '2×2', own: false, shape: [8, 8, 3], layer: conv2d({ filters: 5, kernelSize: 2, activation: 'relu' }) },
  { name: 'dense', own: false, shape: [40], layer: dense({ units: 20, activation: 'relu' }) },
];

describe('relu behind a product', () => {
  // Only processors with these units run those kernels.
  before(async function () {
    const [cpu] = await gs.devices();
    if (cpu!.bfloat16 !== 'native') this.skip();
  });

  for (const { name, shape, layer, own } of CASES) {
    for (const precision of ['float32', 'bfloat16'] as const) {
      if (precision === 'float32' && !own) continue;
      it(`lets NaN through: ${name}, ${precision}`, async () => {
        const x0 = gs.input({ shape });
        using model = gs.model({ inputs: x0, outputs: layer.apply(x0) });
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', precision, seed: 1 });
        const x = new Float32Array(2 * shape.reduce((n, d) => n * d, 1)).fill(NaN);
        const { data } = await model.predict(gs.tensor(x, [2, ...shape]));
        expect([...data].filter((v) => !Number.isNaN(v))).to.deep.equal([]);
      });
    }
  }
});
