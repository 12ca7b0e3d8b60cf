/**
 * Whole models against PyTorch in float64 (test/golden/make_fixtures.py wrote the fixtures): same weights, same batches;
 * the output, every gradient, and for each optimizer ten losses and the weights after them.
 */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import * as gs from '../lib/index.js';
import { computeGradients } from '../lib/train/gradients.js';
import { backends } from './helpers/backends.js';

/** Largest difference, relative to the largest magnitude of each tensor. */
const TOLERANCE = 1e-5;

interface Numbers {
  shape: number[];
  data: number[];
}

interface Fixture {
  inputShape: number[];
  /** Whether the inputs are bytes. */
  bytes?: boolean;
  layers: [factory: keyof typeof gs.layers, options: Record<string, unknown>][];
  loss: 'meanSquaredError' | 'binaryCrossentropy' | 'categoricalCrossentropy' | 'sparseCategoricalCrossentropy';
  batches: { x: Numbers; y: Numbers }[];
  weights: Numbers[];
  output: Numbers;
  lossValue: number;
  gradients: Numbers[];
  optimizers: Record<
    string,
    { factory: keyof typeof gs.optimizers; options: Record<string, unknown>; losses: number[]; weights: Numbers[] }
  >;
}

const folder = new URL('./golden/', import.meta.url);
const fixtures = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file): [string, Fixture] => [
    file.replace('.json', ''),
    JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as Fixture,
  ])
  // Other files of the folder hold what other tests compare with.
  .filter(([, fixture]) => 'optimizers' in fixture);

function build({ inputShape, layers }: Fixture): gs.Sequential {
  return gs.sequential(
    layers.map(([factory, options], i) => {
      const make = gs.layers[factory] as (options: Record<string, unknown>) => gs.Layer;
      return make(i === 0 ? { ...options, inputShape } : options);
    }),
  );
}

function floats({ shape, data }: Numbers): gs.Tensor {
  return gs.tensor(Float32Array.from(data), shape);
}

function batch(fixture: Fixture, index: number): { x: gs.Tensor; y: gs.Tensor } {
  const { x, y } = fixture.batches[index % fixture.batches.length]!;
  const labels = fixture.loss === 'sparseCategoricalCrossentropy' ? gs.tensor(Int32Array.from(y.data), y.shape) : floats(y);
  return { x: fixture.bytes ? gs.tensor(Uint8Array.from(x.data), x.shape) : floats(x), y: labels };
}

function expectClose(what: string, actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual.length, what).to.equal(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((e, i) => Math.abs(actual[i]! - e) / scale));
  expect(worst, `${what}: largest difference over largest magnitude`).to.be.at.most(TOLERANCE);
}

function expectTensors(what: string, actual: readonly gs.Tensor[], expected: readonly Numbers[]): void {
  expect(
    actual.map((t) => t.shape),
    what,
  ).to.deep.equal(expected.map((e) => e.shape));
  expected.forEach((e, i) => expectClose(`${what} ${i}`, actual[i]!.data, e.data));
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`golden: PyTorch's numbers on ${name}`, () => {
    for (const [title, fixture] of fixtures) {
      describe(title, () => {
        let model: gs.Sequential;
        beforeEach(async () => {
          model = build(fixture);
          await model.setWeights(fixture.weights.map(floats));
        });
        afterEach(() => model.dispose());

        it('output and loss', async () => {
          const { x, y } = batch(fixture, 0);
          model.compile({ optimizer: 'sgd', loss: fixture.loss, device });
          const output = await model.predict(x);
          expect(output.shape).to.deep.equal(fixture.output.shape);
          expectClose('output', output.data, fixture.output.data);
          const { loss } = await model.evaluate(x, y, { batchSize: x.shape[0]! });
          expectClose('loss', [loss], [fixture.lossValue]);
        });

        it('every gradient', async () => {
          const { x, y } = batch(fixture, 0);
          model.compile({ optimizer: 'sgd', loss: fixture.loss, device });
          expectTensors('gradient', await computeGradients(model, x, y), fixture.gradients);
        });

        for (const [optimizer, golden] of Object.entries(fixture.optimizers)) {
          it(`ten losses: ${optimizer}`, async () => {
            const make = gs.optimizers[golden.factory] as (options: Record<string, unknown>) => gs.Optimizer;
            model.compile({ optimizer: make(golden.options), loss: fixture.loss, device });
            const losses: number[] = [];
            for (let step = 0; step < golden.losses.length; step++) {
              const { x, y } = batch(fixture, step);
              const { loss } = await model.fit(x, y, { epochs: 1, batchSize: x.shape[0]!, shuffle: false });
              losses.push(loss[0]!);
            }
            golden.losses.forEach((wanted, i) => expectClose(`loss ${i}`, [losses[i]!], [wanted]));
            expectTensors('weight', await model.getWeights(), golden.weights);
          });
        }
      });
    }
  });
}
