/**
 * Layers against PyTorch's numbers (test/golden/make_attention_fixtures.py): a model with the fixture's weights must give
 * its output, its mean squared error and every gradient.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import * as gs from '../../lib/index.js';
import { computeGradients } from '../../lib/train/gradients.js';

/** Largest difference, relative to the largest magnitude of each tensor. */
const TOLERANCE = 1e-5;
/** The least such magnitude: some gradients (an attention's key bias) are 0 but for rounding. */
const LEAST = 0.01;

export interface Numbers {
  shape: number[];
  data: number[];
}

export interface LayerFixture {
  inputs: Numbers[];
  weights: Numbers[];
  y: Numbers;
  output: Numbers;
  loss: number;
  gradients: Numbers[];
}

export function readFixtures(file: string): Record<string, LayerFixture> {
  const path = new URL(`../golden/attention/${file}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, LayerFixture>;
}

export function floats({ shape, data }: Numbers): gs.Tensor<Float32Array> {
  return gs.tensor(Float32Array.from(data), shape);
}

export function expectClose(what: string, actual: gs.Tensor, expected: Numbers): void {
  expect(actual.shape, what).to.deep.equal(expected.shape);
  const scale = Math.max(LEAST, ...expected.data.map(Math.abs));
  const worst = Math.max(...expected.data.map((e, i) => Math.abs(actual.data[i]! - e) / scale));
  expect(worst, `${what}: largest difference over largest magnitude`).to.be.at.most(TOLERANCE);
}

/** Compares a model made for the fixture; `x` converts an input (to floats by default). */
export async function expectFixture(
  model: gs.Model,
  fixture: LayerFixture,
  device: string,
  x: (numbers: Numbers) => gs.Tensor = floats,
): Promise<void> {
  const inputs = fixture.inputs.map(x);
  const given = inputs.length === 1 ? inputs[0]! : inputs;
  const y = floats(fixture.y);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
  await model.setWeights(fixture.weights.map(floats));
  expectClose('output', await model.predict(given), fixture.output);
  const { loss } = await model.evaluate(given, y, { batchSize: y.shape[0]! });
  expect(Math.abs(loss / fixture.loss - 1), 'loss, relative').to.be.at.most(TOLERANCE);
  const gradients = await computeGradients(model, given, y);
  expect(gradients.length).to.equal(fixture.gradients.length);
  gradients.forEach((g, i) => expectClose(`gradient ${i}`, g, fixture.gradients[i]!));
}
