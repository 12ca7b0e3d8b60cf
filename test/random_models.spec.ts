/**
 * Models of random layers (test/helpers/random_model.ts): after a few steps of gradient descent their weights are the same on the
 * CPU and on CUDA, whose kernels have nothing in common; and what was saved in between goes on to the same bits.
 *
 *     GRADSTEP_TEST_MODELS=1000 GRADSTEP_TEST_FIRST_MODEL=5000 npx mocha test/random_models.spec.ts     more of them, and others
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { randomModel, type RandomModel } from './helpers/random_model.js';

const COUNT = Number(process.env.GRADSTEP_TEST_MODELS || 60);
const FIRST = Number(process.env.GRADSTEP_TEST_FIRST_MODEL || 0);
/** Of a result, relative to the largest number of its tensor (or to 0.02 where all are smaller). */
const TOLERANCE = 1e-3;

function compiled({ make, loss }: RandomModel, device: string): gs.Model {
  const model = make();
  model.compile({
    optimizer: gs.optimizers.sgd({ learningRate: 0.02, momentum: 0.5, globalClipNorm: 1 }),
    loss,
    device,
    seed: 5,
  });
  return model;
}

/** Losses, weights and outputs after two epochs. */
async function trained(random: RandomModel, device: string): Promise<Float32Array[]> {
  using model = compiled(random, device);
  const { loss } = await model.fit(random.x, random.y, { epochs: 2, batchSize: random.batchSize });
  const weights = (await model.getWeights()).map(({ data }) => data as Float32Array);
  const { data } = await model.predict(random.x);
  return [Float32Array.from(loss), ...weights, data];
}

function expectAlike(actual: readonly Float32Array[], expected: readonly Float32Array[]): void {
  expect(actual.length).to.equal(expected.length);
  expected.forEach((tensor, t) => {
    const scale = tensor.reduce((most, v) => Math.max(most, Math.abs(v)), 0.02);
    tensor.forEach((v, i) => expect(actual[t]![i], `tensor ${t}, number ${i}`).to.be.closeTo(v, TOLERANCE * scale));
  });
}

const numbers = Array.from({ length: COUNT }, (_, i) => FIRST + i);
const devices = [...new Set(backends().map(({ device }) => device))].filter((device) => device !== 'cpu');

for (const device of devices) {
  describe(`random models: the CPU's numbers on ${device}`, () => {
    for (const number of numbers) {
      const random = randomModel(number);
      it(`${number}: ${random.text}`, async () => expectAlike(await trained(random, device), await trained(random, 'cpu')));
    }
  });
}

describe('random models, saved in between', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-random-'))));
  after(() => rmSync(folder, { recursive: true }));

  for (const number of numbers) {
    const random = randomModel(number);
    it(`${number}: ${random.text}`, async () => {
      const { x, y, batchSize } = random;
      const path = join(folder, 'model.safetensors');
      using model = compiled(random, 'cpu');
      await model.fit(x, y, { epochs: 1, batchSize });
      await model.save(path);
      using again = await gs.loadModel(path, { device: 'cpu' });
      const losses = [model, again].map(async (m) => (await m.fit(x, y, { epochs: 2, batchSize })).loss);
      const [expected, actual] = await Promise.all(losses);
      expect(actual).to.deep.equal(expected);
      const weights = [model, again].map(async (m) => (await m.getWeights()).map(({ data }) => data));
      const [before, after] = await Promise.all(weights);
      expect(after).to.deep.equal(before);
    });
  }
});
