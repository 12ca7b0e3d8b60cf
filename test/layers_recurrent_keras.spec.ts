/**
 * Recurrent layers against Keras in float64 (test/golden/make_recurrent_fixtures.py wrote the fixtures): same options, inputs,
 * initial states, masks and weights; every result, the error of all of them, and its gradient by every weight.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import * as gs from '../lib/index.js';
import { computeGradients } from '../lib/train/gradients.js';
import { backends } from './helpers/backends.js';
import { expectClose, floats, type Numbers } from './helpers/layer_fixtures.js';

interface Described {
  factory: string;
  options: Record<string, unknown>;
}

interface Fixture {
  layer: Described;
  mask?: number[][];
  inputs: Numbers[];
  weights: Numbers[];
  labels: Numbers[];
  outputs: Numbers[];
  loss: number;
  gradients: Numbers[];
}

const path = new URL('./golden/keras/recurrent.json', import.meta.url);
const fixtures = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Fixture>;

const isDescribed = (value: unknown): value is Described => typeof value === 'object' && value !== null && 'factory' in value;

/** A described layer, with the layers in its options. */
function build({ factory, options }: Described): gs.Layer {
  const make = (gs.layers as unknown as Record<string, (o: object) => gs.Layer>)[factory]!;
  const built = (value: unknown): unknown => {
    if (isDescribed(value)) return build(value);
    return Array.isArray(value) ? value.map(built) : value;
  };
  return make(Object.fromEntries(Object.entries(options).map(([key, value]) => [key, built(value)])));
}

/** The fixture's layer on its inputs, the steps of the first left out where they are 0 in all features. */
function modelOf({ layer, inputs, mask }: Fixture): gs.Model {
  const given = inputs.map(({ shape }, i) => gs.input({ shape: shape.slice(1), name: `x${i}` }));
  const [x, ...states] = given;
  const seen = mask ? maskSteps(x!) : x!;
  return gs.model({ inputs: given, outputs: [...build(layer).applyAll([seen, ...states])] });
}

/** Masks steps of any rank that are 0 in all features. */
function maskSteps(x: gs.SymbolicTensor): gs.SymbolicTensor {
  if (x.shape.length === 2) return gs.layers.masking().apply(x);
  const flat = gs.layers.reshape({ targetShape: [x.shape[0]!, -1] }).apply(x);
  return unflatten({ shape: x.shape.map((d) => d!) }).apply(gs.layers.masking().apply(flat));
}

/** A reshape of steps, which keeps their mask. */
const unflatten = gs.layers.defineLayer({
  className: 'TestUnflatten',
  options: { shape: gs.layers.options.shape() },
  mask: 'pass',
  outputShape: ({ shape }) => shape,
  call: ({ shape }, x) => gs.ops.reshape(x, [x.shape[0]!, ...shape]),
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`recurrent layers: Keras's numbers on ${name}`, () => {
    for (const [title, fixture] of Object.entries(fixtures)) {
      it(title, async () => {
        using model = modelOf(fixture);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
        expect((await model.getWeights()).map((w) => w.shape)).to.deep.equal(fixture.weights.map((w) => w.shape));
        await model.setWeights(fixture.weights.map(floats));
        const [inputs, labels] = [fixture.inputs.map(floats), fixture.labels.map(floats)];
        const x = inputs.length === 1 ? inputs[0]! : inputs;
        const y = labels.length === 1 ? labels[0]! : labels;
        const outputs = await model.predictAll(x);
        fixture.outputs.forEach((expected, i) => expectClose(`result ${i}`, outputs[i]!, expected));
        const { loss } = await model.evaluate(x, y, { batchSize: inputs[0]!.shape[0]! });
        expect(Math.abs(loss / fixture.loss - 1), 'loss, relative').to.be.at.most(1e-5);
        const gradients = await computeGradients(model, x, y);
        fixture.gradients.forEach((expected, i) => expectClose(`gradient ${i}`, gradients[i]!, expected));
      });
    }
  });
}
