/**
 * precision: 'bfloat16' and 'tf32' in models: predictions against float64 with rounded operands, training beside float32, and
 * what a saved model keeps of it. The products themselves are cases of the op walk.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';

/** The nearest number of 8 bits, of two equally near the even one. */
function rounded(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const up = bits + 0x7fff + ((bits >>> 16) & 1);
  return new Float32Array(Uint32Array.of((up & 0xffff0000) >>> 0).buffer)[0]!;
}

/** The nearest number of 11 bits: float64 rounds in the 42nd behind. */
function roundedToTf32(value: number): number {
  const shift = value * (2 ** 42 + 1);
  return shift - (shift - value);
}

const numbers = (n: number, shift: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + shift));

const DEVICES = [...new Set(backends().map((b) => b.device))];

for (const device of DEVICES) {
  describe(`precision on ${device}`, () => {
    it('bfloat16 rounds what a dense layer multiplies, and nothing else', async () => {
      const model = gs.sequential([gs.layers.dense({ units: 3, inputShape: [20] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', precision: 'bfloat16', device, seed: 1 });
      const [x, w, b] = [numbers(5 * 20, 0), numbers(20 * 3, 1), numbers(3, 2)];
      await model.setWeights([gs.tensor(w, [20, 3]), gs.tensor(b, [3])]);
      const { data } = await model.predict(gs.tensor(x, [5, 20]));
      for (let row = 0; row < 5; row++) {
        for (let unit = 0; unit < 3; unit++) {
          let sum = b[unit]!;
          for (let k = 0; k < 20; k++) sum += rounded(x[row * 20 + k]!) * rounded(w[k * 3 + unit]!);
          expect(data[row * 3 + unit], `row ${row}, unit ${unit}`).to.be.closeTo(sum, 1e-5);
        }
      }
      await model.dispose();
    });

    it('tf32 rounds on CUDA, and computes in float32 on the CPU', async () => {
      const model = gs.sequential([gs.layers.dense({ units: 3, inputShape: [20] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', precision: 'tf32', device, seed: 1 });
      const [x, w, b] = [numbers(5 * 20, 0), numbers(20 * 3, 1), numbers(3, 2)];
      await model.setWeights([gs.tensor(w, [20, 3]), gs.tensor(b, [3])]);
      const { data } = await model.predict(gs.tensor(x, [5, 20]));
      const operand = device === 'cpu' ? (value: number): number => value : roundedToTf32;
      for (let row = 0; row < 5; row++) {
        for (let unit = 0; unit < 3; unit++) {
          let sum = b[unit]!;
          for (let k = 0; k < 20; k++) sum += operand(x[row * 20 + k]!) * operand(w[k * 3 + unit]!);
          expect(data[row * 3 + unit], `row ${row}, unit ${unit}`).to.be.closeTo(sum, 1e-5);
        }
      }
      await model.dispose();
    });

    it('bfloat16 rounds what a convolution multiplies, and not its bias', async () => {
      const model = gs.sequential([gs.layers.conv2d({ filters: 2, kernelSize: [1, 2], inputShape: [1, 4, 3] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', precision: 'bfloat16', device, seed: 1 });
      const [x, w, b] = [numbers(12, 0), numbers(12, 1), numbers(2, 2)];
      await model.setWeights([gs.tensor(w, [1, 2, 3, 2]), gs.tensor(b, [2])]);
      const { data } = await model.predict(gs.tensor(x, [1, 1, 4, 3]));
      for (let column = 0; column < 3; column++) {
        for (let filter = 0; filter < 2; filter++) {
          let sum = b[filter]!;
          for (let k = 0; k < 6; k++) sum += rounded(x[column * 3 + k]!) * rounded(w[k * 2 + filter]!);
          expect(data[column * 2 + filter], `column ${column}, filter ${filter}`).to.be.closeTo(sum, 1e-5);
        }
      }
      await model.dispose();
    });

    it('bfloat16 rounds what a recurrent layer multiplies, and the products of its inputs', async () => {
      const model = gs.sequential([gs.layers.simpleRNN({ units: 2, activation: 'relu', inputShape: [2, 3] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', precision: 'bfloat16', device, seed: 1 });
      const [x, w, u, b] = [numbers(6, 0), numbers(6, 1), numbers(4, 2), Float32Array.of(1, 1.5)];
      await model.setWeights([gs.tensor(w, [3, 2]), gs.tensor(u, [2, 2]), gs.tensor(b, [2])]);
      let h = [0, 0];
      for (const step of [0, 1]) {
        h = [0, 1].map((unit) => {
          let sum = b[unit]!;
          for (let k = 0; k < 3; k++) sum += rounded(x[step * 3 + k]!) * rounded(w[k * 2 + unit]!);
          sum = rounded(sum);
          for (let k = 0; k < 2; k++) sum += rounded(h[k]!) * rounded(u[k * 2 + unit]!);
          return Math.max(0, sum);
        });
      }
      expect(Math.max(...h), 'a state that is not cut off').to.be.greaterThan(0.1);
      const { data } = await model.predict(gs.tensor(x, [1, 2, 3]));
      h.forEach((value, unit) => expect(data[unit], `unit ${unit}`).to.be.closeTo(value, 1e-5));
      await model.dispose();
    });
  });
}

describe('training in bfloat16', () => {
  const data = () => {
    const x = numbers(64 * 10 * 4, 0);
    const y = Float32Array.from({ length: 64 }, (_, i) => Math.tanh(x[i * 40]! + x[i * 40 + 39]!));
    return [gs.tensor(x, [64, 10, 4]), gs.tensor(y, [64, 1])] as const;
  };
  const build = (precision: 'float32' | 'bfloat16') => {
    const model = gs.sequential([gs.layers.lstm({ units: 24, inputShape: [10, 4] }), gs.layers.dense({ units: 1 })]);
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', precision, device: 'cpu', seed: 3 });
    return model;
  };

  it('follows float32 closely, not exactly', async () => {
    const [x, y] = data();
    const losses = await Promise.all(
      (['float32', 'bfloat16'] as const).map(async (precision) => (await build(precision).fit(x, y, { epochs: 15 })).loss),
    );
    const [exact, rough] = losses as [number[], number[]];
    expect(rough).to.not.deep.equal(exact);
    expect(rough.at(-1)! / rough[0]!, 'it learns').to.be.lessThan(0.7);
    rough.forEach((loss, epoch) => expect(loss / exact[epoch]!, `epoch ${epoch}`).to.be.closeTo(1, 0.02));
  });

  it('is kept in saved models', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-precision-'));
    try {
      const [x, y] = data();
      const model = build('bfloat16');
      await model.fit(x, y, { epochs: 1 });
      await model.save(join(folder, 'model.safetensors'));
      const again = await gs.loadModel(join(folder, 'model.safetensors'), { device: 'cpu' });
      expect([...(await again.predict(x)).data]).to.deep.equal([...(await model.predict(x)).data]);
      again.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu' });
      expect([...(await again.predict(x)).data], 'in float32').to.not.deep.equal([...(await model.predict(x)).data]);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
