/**
 * embedding, masking, prelu and the activations that are layers: numbers of PyTorch, every option at another value than
 * its default, first values, saving, indices out of range, and what is refused.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { computeGradients } from '../lib/train/gradients.js';
import { backends } from './helpers/backends.js';
import { expectFailure, failure, wrong } from './helpers/failure.js';
import { expectFixture, floats, readFixtures, type LayerFixture, type Numbers } from './helpers/layer_fixtures.js';

const { dense, elu, embedding, leakyReLU, masking, prelu, reLU, softmax, thresholdedReLU } = gs.layers;

const table = { inputDim: 9, outputDim: 6 };

/** The layers of each fixture, after which (embedding, masking) or before which (the rest) a dense layer stands. */
const LAYERS: Record<string, () => gs.Layer> = {
  embedding: () => embedding(table),
  'embedding, mask zero': () => embedding({ ...table, maskZero: true }),
  masking: () => masking({ maskValue: 0.5 }),
  prelu: () => prelu(),
  'prelu, shared axis': () => prelu({ sharedAxes: 1 }),
  'prelu, shared axes': () => prelu({ sharedAxes: [1, 2] }),
  reLU: () => reLU(),
  'reLU, largest value': () => reLU({ maxValue: 1.25 }),
  'reLU, slope and threshold': () => reLU({ maxValue: 2, negativeSlope: 0.25, threshold: 0.5 }),
  'reLU, threshold': () => reLU({ threshold: 0.5 }),
  leakyReLU: () => leakyReLU(),
  'leakyReLU, slope': () => leakyReLU({ negativeSlope: 0.125 }),
  thresholdedReLU: () => thresholdedReLU(),
  'thresholdedReLU, theta': () => thresholdedReLU({ theta: 0.25 }),
  elu: () => elu(),
  'elu, alpha': () => elu({ alpha: 0.5 }),
  softmax: () => softmax(),
  'softmax, axis 1': () => softmax({ axis: 1 }),
};

const fixtures = readFixtures('embedding');
const integers = ({ shape, data }: Numbers): gs.Tensor => gs.tensor(Int32Array.from(data), shape);

function build(title: string, { inputs, weights }: LayerFixture): gs.Model {
  const layer = LAYERS[title]!();
  const isFirst = title.startsWith('embedding') || title === 'masking';
  const kernel = weights[title.startsWith('embedding') ? 1 : 0]!;
  const projection = dense({ units: kernel.shape[1]!, useBias: false });
  const dtype = title.startsWith('embedding') ? ('int32' as const) : ('float32' as const);
  const x = gs.input({ shape: inputs[0]!.shape.slice(1), dtype });
  const outputs = isFirst ? projection.apply(layer.apply(x)) : layer.apply(projection.apply(x));
  return gs.model({ inputs: x, outputs });
}

const recurrent = { lstm: gs.layers.lstm, gru: gs.layers.gru, simpleRNN: gs.layers.simpleRNN };
/** Steps of two numbers; a negative sum makes both of the dense layer's numbers 0, so that the step is masked. */
const STEPS = [
  [0.5, 0.75],
  [-0.5, -0.25],
  [1, -0.5],
  [0.25, 0.5],
  [-1, 0.5],
  [0.75, 0.25],
].flat();

const indices = (data: number[], shape: number[]): gs.Tensor => gs.tensor(Int32Array.from(data), shape);

describe('embedding, masking and activation layers', () => {
  it('every fixture has a layer', () => {
    expect(Object.keys(LAYERS)).to.deep.equal(Object.keys(fixtures));
  });

  for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
    describe(`on ${name}`, () => {
      for (const [title, make] of Object.entries(recurrent)) {
        it(`a mask of what layers before it learned is a constant: ${title}'s gradients are central differences`, async () => {
          using model = gs.sequential([
            dense({ units: 2, activation: 'relu', useBias: false, inputShape: [3, 2] }),
            masking(),
            make({ units: 3 }),
            dense({ units: 1 }),
          ]);
          model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 2 });
          const [, ...rest] = await model.getWeights();
          const [x, y] = [gs.tensor(Float32Array.from(STEPS), [2, 3, 2]), gs.tensor([[0.5], [-0.5]])];
          const kernel = [0.75, 0.5, 0.5, 0.75];
          const lossAt = async (weights: readonly number[]): Promise<number> => {
            await model.setWeights([gs.tensor(Float32Array.from(weights), [2, 2]), ...rest]);
            return (await model.evaluate(x, y)).loss!;
          };
          await lossAt(kernel);
          const [gradient] = await computeGradients(model, x, y);
          const step = 2 ** -7;
          for (let i = 0; i < 4; i++) {
            const moved = (by: number): number[] => kernel.map((w, k) => (k === i ? w + by : w));
            const slope = ((await lossAt(moved(step))) - (await lossAt(moved(-step)))) / (2 * step);
            expect(gradient!.data[i], `weight ${i}`).to.be.closeTo(slope, 1e-4);
            expect(Math.abs(slope), `weight ${i}`).to.be.greaterThan(1e-3);
          }
        });
      }

      for (const [title, fixture] of Object.entries(fixtures)) {
        it(`PyTorch's numbers: ${title}`, async () => {
          using model = build(title, fixture);
          await expectFixture(model, fixture, device, title.startsWith('embedding') ? integers : floats);
        });
      }

      it('an index out of range ends a run, naming layer, index and row; the weights stay those of the last good step', async () => {
        using model = gs.sequential([
          embedding({ inputDim: 5, outputDim: 2, inputShape: [3], name: 'words' }),
          gs.layers.flatten(),
          dense({ units: 1 }),
        ]);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
        const good = indices([0, 1, 2, 3, 4, 0], [2, 3]);
        const bad = indices([0, 1, 2, 3, 4, 0, 1, 1, 1, 0, 5, -1], [4, 3]);
        const y = (rows: number) => gs.tensor(new Float32Array(rows), [rows, 1]);
        const before = await model.getWeights();
        const run = { batchSize: 2, epochs: 1, shuffle: false } as const;
        const error = await failure(model.fit(bad, y(4), run));
        expect(error.code).to.equal('ERR_INDEX_RANGE');
        expect(error.message).to.equal('Expected indices from 0 to 4 but received 5 in row 3 of x (in words)');
        expect(error.layer).to.equal('words');
        // The first step was good and has trained; the second was not.
        await model.setWeights(before);
        await model.fit(good, y(2), run);
        const after = await model.getWeights();
        await model.setWeights(before);
        await failure(model.fit(bad, y(4), run));
        expect((await model.getWeights()).map((w) => [...w.data])).to.deep.equal(after.map((w) => [...w.data]));
        for (const call of [() => model.predict(bad), () => model.evaluate(bad, y(4))]) {
          await expectFailure(call, 'ERR_INDEX_RANGE', /received 5 in row 3 of x \(in words\)/);
        }
        expect((await model.predict(good)).shape).to.deep.equal([2, 1]);
      });

      it('a shuffled row is told by its place in the data', async () => {
        using model = gs.sequential([embedding({ inputDim: 4, outputDim: 1, inputShape: [1] }), gs.layers.flatten()]);
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 3 });
        const x = new Int32Array(50);
        x[37] = -2;
        const fit = model.fit(gs.tensor(x, [50, 1]), gs.tensor(new Float32Array(50), [50, 1]), { batchSize: 8 });
        expect((await failure(fit)).message).to.match(/indices from 0 to 3 but received -2 in row 37 of x/);
      });
    });
  }

  it('begin as Keras begins them', async () => {
    using words = gs.sequential([embedding({ inputDim: 40, outputDim: 50, inputShape: [3] })]);
    const [values] = await words.getWeights();
    expect(values!.shape).to.deep.equal([40, 50]);
    const magnitudes = [...values!.data].map(Math.abs);
    expect(Math.max(...magnitudes)).to.be.within(0.049, 0.05);
    expect(magnitudes.reduce((a, b) => a + b, 0) / magnitudes.length).to.be.within(0.023, 0.027);
    using slopes = gs.sequential([prelu({ inputShape: [4, 3], sharedAxes: [1] })]);
    expect((await slopes.getWeights()).map(({ shape, data }) => [shape, [...data]])).to.deep.equal([
      [
        [1, 3],
        [0, 0, 0],
      ],
    ]);
    using other = gs.sequential([prelu({ inputShape: [2], alphaInitializer: gs.initializers.constant({ value: 0.25 }) })]);
    expect([...(await other.getWeights())[0]!.data]).to.deep.equal([0.25, 0.25]);
  });

  it('are saved with their options and weights', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
    try {
      using model = gs.sequential([
        embedding({ inputDim: 7, outputDim: 4, inputShape: [3], maskZero: true, embeddingsInitializer: 'heNormal' }),
        prelu({ sharedAxes: [1], alphaInitializer: 'ones' }),
        masking({ maskValue: 0.5 }),
        reLU({ maxValue: 3, negativeSlope: 0.5, threshold: 0.125 }),
        leakyReLU({ negativeSlope: 0.7 }),
        elu({ alpha: 0.7 }),
        thresholdedReLU({ theta: 0.01 }),
        softmax({ axis: 1 }),
      ]);
      const x = indices([0, 1, 2, 3, 4, 5], [2, 3]);
      const before = await model.predict(x);
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      using again = await gs.loadModel(path);
      expect([...(await again.predict(x)).data]).to.deep.equal([...before.data]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('regularizers and constraints reach their weights', async () => {
    using model = gs.sequential([
      embedding({
        inputDim: 3,
        outputDim: 2,
        inputShape: [1],
        embeddingsInitializer: 'ones',
        embeddingsRegularizer: gs.regularizers.l2({ l2: 0.5 }),
        embeddingsConstraint: gs.constraints.nonNeg(),
      }),
      prelu({
        alphaInitializer: 'ones',
        alphaRegularizer: gs.regularizers.l1({ l1: 0.25 }),
        alphaConstraint: gs.constraints.nonNeg(),
      }),
    ]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 10 }), loss: 'meanSquaredError' });
    const y = gs.tensor(Float32Array.of(1, 1), [1, 1, 2]);
    const { loss } = await model.fit(indices([0], [1, 1]), y, { epochs: 1, batchSize: 1 });
    // The prediction is right: what is left is 0.5 · 6 and 0.25 · 2.
    expect(loss[0]!).to.be.closeTo(3.5, 1e-6);
    expect(
      (await model.getWeights()).every((w) => w.data.every((v) => v === 0)),
      'steps past 0 end at 0',
    ).to.equal(true);
  });

  const after = (layer: gs.Layer, shape: number[]) => () => layer.apply(gs.input({ shape }));
  const refused: [what: string, make: () => unknown, code: gs.ErrorCode, message: RegExp][] = [
    ['an embedding of nothing', () => embedding({ inputDim: 0, outputDim: 1 }), 'ERR_OPTION', /layers\.embedding\.inputDim/],
    ['rows of nothing', () => embedding({ inputDim: 1, outputDim: 0 }), 'ERR_OPTION', /layers\.embedding\.outputDim/],
    ['maskZero', () => embedding({ ...table, maskZero: wrong(1) }), 'ERR_OPTION', /boolean for layers\.embedding\.maskZero/],
    ['an initializer', () => embedding({ ...table, embeddingsInitializer: wrong('x') }), 'ERR_OPTION', /embeddingsInitializer/],
    ['a regularizer', () => embedding({ ...table, embeddingsRegularizer: wrong(1) }), 'ERR_OPTION', /embeddingsRegularizer/],
    ['a constraint', () => embedding({ ...table, embeddingsConstraint: wrong(1) }), 'ERR_OPTION', /embeddingsConstraint/],
    ['an unknown option', () => embedding(wrong({ ...table, inputLength: 3 })), 'ERR_OPTION', /Unknown option "inputLength"/],
    ['a mask value', () => masking({ maskValue: wrong('0') }), 'ERR_OPTION', /layers\.masking\.maskValue/],
    ['masking of samples without steps', after(masking(), [4]), 'ERR_SHAPE', /\[time, \.\.\., features\] but received \[4\]/],
    ['shared axis 0', () => prelu({ sharedAxes: 0 }), 'ERR_OPTION', /integer > 0 or array of them for layers\.prelu\.sharedAxes/],
    ['a shared axis that is not there', after(prelu({ sharedAxes: [3] }), [4, 5]), 'ERR_SHAPE', /Shared axis 3 .* 2 axes/],
    ['slopes', () => prelu({ alphaInitializer: wrong(0) }), 'ERR_OPTION', /layers\.prelu\.alphaInitializer/],
    ['a regularizer of slopes', () => prelu({ alphaRegularizer: wrong(0) }), 'ERR_OPTION', /alphaRegularizer/],
    ['a constraint of slopes', () => prelu({ alphaConstraint: wrong(0) }), 'ERR_OPTION', /alphaConstraint/],
    ['a largest value below 0', () => reLU({ maxValue: -1 }), 'ERR_OPTION', /number >= 0 for layers\.reLU\.maxValue/],
    ['a slope below 0', () => reLU({ negativeSlope: -1 }), 'ERR_OPTION', /layers\.reLU\.negativeSlope/],
    ['a threshold below 0', () => reLU({ threshold: -1 }), 'ERR_OPTION', /layers\.reLU\.threshold/],
    ['a leak below 0', () => leakyReLU({ negativeSlope: -1 }), 'ERR_OPTION', /layers\.leakyReLU\.negativeSlope/],
    ['theta below 0', () => thresholdedReLU({ theta: -1 }), 'ERR_OPTION', /layers\.thresholdedReLU\.theta/],
    ['alpha', () => elu({ alpha: wrong('1') }), 'ERR_OPTION', /layers\.elu\.alpha/],
    ['a softmax over the batch', () => softmax({ axis: 0 }), 'ERR_OPTION', /other than 0, the batch for layers\.softmax\.axis/],
    ['an axis that is not there', after(softmax({ axis: 3 }), [4, 5]), 'ERR_SHAPE', /Axis 3 is outside samples of 2 axes/],
    ['an axis before the first', after(softmax({ axis: -3 }), [4, 5]), 'ERR_SHAPE', /Axis -3 is outside/],
  ];
  for (const [what, make, code, message] of refused) {
    it(`refuse ${what}`, async () => {
      await expectFailure(make, code, message);
    });
  }
});
