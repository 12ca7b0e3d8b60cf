/** gs.recipes.overfitSample and learningRateFinder: what they find out, that models are afterwards as they were, and what they are given wrongly. */
import { expect } from 'chai';
import { loadDigits, slice } from '../examples/mnist_data.js';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers, optimizers, recipes } = gs;
const rows = 400;
const digits = slice(loadDigits(), 0, rows);
const x = gs.tensor(
  Float32Array.from(digits.pixels, (v) => v / 255),
  [rows, 784],
);
const y = digits.labels;

function classifier(compile: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([
    layers.dense({ units: 24, activation: 'relu', inputShape: [784] }),
    layers.dense({ units: 10, activation: 'softmax' }),
  ]);
  const optimizer = optimizers.adam({ learningRate: 0.005 });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], device: 'cpu', seed: 5, ...compile });
  return model;
}

/** Everything that training keeps. */
async function stateOf(model: gs.Model): Promise<unknown> {
  const { weights, training } = await coreOf(model).snapshot();
  return { weights, ...training, slots: [...(training?.slots ?? [])] };
}

/** Calls `body`; the model must be the same before and after. */
async function unchanged<T>(model: gs.Model, body: () => Promise<T>): Promise<T> {
  const before = await stateOf(model);
  const result = await body();
  expect(await stateOf(model)).to.deep.equal(before);
  return result;
}

describe('recipes.overfitSample', () => {
  it('a sound model learns 32 rows by heart, and is afterwards as it was', async () => {
    const model = classifier();
    await model.fit(x, y, { epochs: 1 });
    const { succeeded, losses, reasons } = await unchanged(model, () => recipes.overfitSample(model, x, y));
    expect(succeeded).to.equal(true);
    expect(reasons).to.deep.equal([]);
    expect(losses.length).to.be.within(2, 499);
    expect(losses.at(-1)!).to.be.at.most(0.05 * losses[0]!);
    // The first loss is that of the first 32 rows before any step.
    const { loss } = await model.evaluate(gs.tensor(x.data.subarray(0, 32 * 784), [32, 784]), y.subarray(0, 32));
    expect(losses[0]).to.be.closeTo(loss, 1e-5);
    await model.dispose();
  });

  it('a model that was never used gets the first weights that it would have got', async () => {
    const [tried, plain] = [classifier(), classifier()];
    await recipes.overfitSample(tried, x, y, { steps: 3 });
    const [a, b] = [await tried.fit(x, y, { epochs: 1 }), await plain.fit(x, y, { epochs: 1 })];
    expect(a.loss).to.deep.equal(b.loss);
    await tried.dispose();
    await plain.dispose();
  });

  it('datasets, samples and steps', async () => {
    const model = classifier();
    const data = gs.data.dataset({ x, y }).batch(10);
    const few = await unchanged(model, () => recipes.overfitSample(model, data, { samples: 25, steps: 10, target: 0.001 }));
    expect(few.losses.length).to.equal(10);
    const { loss } = await model.evaluate(gs.tensor(x.data.subarray(0, 25 * 784), [25, 784]), y.subarray(0, 25));
    expect(few.losses[0]).to.be.closeTo(loss, 1e-5);
    expect(few.succeeded).to.equal(false);
    expect(few.reasons.join()).to.match(/still falling/);
    await model.dispose();
  });

  const one = (last: gs.Layer, loss: gs.LossName = 'meanSquaredError', compile: Partial<gs.CompileOptions> = {}) => {
    const model = gs.sequential([layers.dense({ units: 16, activation: 'tanh', inputShape: [2], name: 'first' }), last]);
    model.compile({ optimizer: optimizers.adam({ learningRate: 0.01 }), loss, device: 'cpu', seed: 2, ...compile });
    return model;
  };
  const points = gs.tensor(
    Array.from({ length: 40 }, (_, i) => Math.sin(i * i)),
    [20, 2],
  );
  const values = gs.tensor(
    Array.from({ length: 20 }, (_, i) => 3 * Math.cos(7 * i)),
    [20, 1],
  );
  const linear = () => layers.dense({ units: 1, name: 'last' });
  const cases: [string, () => gs.Sequential, gs.DataLike, gs.DataLike, RegExp][] = [
    [
      'a last activation that cannot reach the labels',
      () => one(layers.dense({ units: 1, activation: 'sigmoid', name: 'last' })),
      points,
      values,
      /^last ends with sigmoid, which gives numbers from 0 to 1, but y holds 3: use a linear last layer/,
    ],
    [
      'softmax of one unit',
      () => one(layers.dense({ units: 1, activation: 'softmax', name: 'last' }), 'binaryCrossentropy'),
      points,
      gs.tensor(
        Array.from({ length: 20 }, (_, i) => i % 2),
        [20, 1],
      ),
      /^last applies softmax to a single unit/,
    ],
    [
      'rows that contradict one another',
      () => one(linear()),
      gs.tensor(new Float32Array(40), [20, 2]),
      values,
      /^Rows 0 and 1 have the same x but different labels/,
    ],
    [
      'NaN in the data',
      () => one(linear()),
      gs.tensor(
        Float32Array.from(points.data, (v, i) => (i === 7 ? NaN : v)),
        [20, 2],
      ),
      values,
      /^The data holds NaN or infinity in x/,
    ],
    [
      'a rate that is far too low',
      () => one(linear(), 'meanSquaredError', { optimizer: optimizers.adam({ learningRate: 1e-9 }) }),
      points,
      values,
      /^Learning rate too low/,
    ],
    [
      'a rate that is far too high',
      () => one(linear(), 'meanSquaredError', { optimizer: optimizers.sgd({ learningRate: 1e4 }) }),
      points,
      values,
      /Learning rate too high/,
    ],
    [
      'dropout',
      () => one(layers.dropout({ rate: 0.9, name: 'drop' })),
      points,
      gs.tensor(
        new Float32Array(20 * 16).map((_, i) => Math.sin(i * i)),
        [20, 16],
      ),
      /drop: what is random in each step/,
    ],
    [
      'regularizers',
      () => one(layers.dense({ units: 1, kernelRegularizer: gs.regularizers.l2({ l2: 1 }) })),
      points,
      values,
      /Regularizers add to the loss/,
    ],
  ];
  for (const [name, make, inputs, labels, message] of cases) {
    it(`says why not: ${name}`, async () => {
      const model = make();
      const { succeeded, reasons } = await unchanged(model, () => recipes.overfitSample(model, inputs, labels, { steps: 60 }));
      expect(succeeded).to.equal(false);
      expect(reasons.join('\n')).to.match(message);
      await model.dispose();
    });
  }

  it('says why not: frozen layers', async () => {
    const model = one(linear());
    for (const layer of model.layers) layer.trainable = false;
    const frozen = gs.sequential([...model.layers]);
    frozen.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
    const { reasons } = await recipes.overfitSample(frozen, points, values, { steps: 4 });
    expect(reasons[0]).to.match(/^Nothing is trained/);
    await frozen.dispose();
  });

  it('a failure inside leaves the model as it was', async () => {
    const model = classifier();
    await model.fit(x, y, { epochs: 1 });
    const bad = y.slice();
    bad[3] = 10;
    await unchanged(model, () =>
      expectFailure(() => recipes.overfitSample(model, x, bad), 'ERR_LABEL_RANGE', /received 10 in row 3/),
    );
    const signal = AbortSignal.abort();
    await unchanged(model, () => expectFailure(() => recipes.overfitSample(model, x, y, { signal }), 'ERR_ABORTED', /aborted/));
    // Also while a dataset that never yields is read.
    const silent = gs.data.dataset(async function* () {
      await new Promise(() => undefined);
      yield { x: [0], y: 0 };
    });
    const soon = AbortSignal.timeout(20);
    await expectFailure(() => recipes.overfitSample(model, silent.batch(2), { signal: soon }), 'ERR_ABORTED', /aborted/);
    await model.dispose();
  });

  it('wrong options, a model that is busy or not compiled', async () => {
    const model = classifier();
    const of = (options: unknown) => () => recipes.overfitSample(model, x, y, wrong(options));
    await expectFailure(of({ samples: 0 }), 'ERR_OPTION', /integer > 0 for recipes.overfitSample.samples/);
    await expectFailure(of({ steps: 1.5 }), 'ERR_OPTION', /recipes.overfitSample.steps/);
    await expectFailure(of({ target: 1 }), 'ERR_OPTION', /number in \(0, 1\) for recipes.overfitSample.target/);
    await expectFailure(of({ signal: 1 }), 'ERR_OPTION', /recipes.overfitSample.signal/);
    await expectFailure(of({ step: 1 }), 'ERR_OPTION', /did you mean "steps"/);
    await expectFailure(() => recipes.overfitSample(model, x, wrong(undefined)), 'ERR_OPTION', /recipes.overfitSample.y/);
    const end = new AbortController();
    const running = recipes.overfitSample(model, x, y, { steps: 1e6, target: 1e-12, signal: end.signal });
    await new Promise((resolve) => setTimeout(resolve, 30));
    await expectFailure(() => model.fit(x, y), 'ERR_BUSY', /being trained/);
    end.abort();
    await expectFailure(() => running, 'ERR_ABORTED', /aborted/);
    const plain = gs.sequential([layers.dense({ units: 1, inputShape: [2] })]);
    await expectFailure(() => recipes.overfitSample(plain, points, values), 'ERR_NOT_COMPILED', /call compile first/);
    await model.dispose();
  });
});

describe('recipes.learningRateFinder', () => {
  it('rates grow exponentially; the suggestion learns, and the model is as it was', async () => {
    const model = classifier({ optimizer: 'sgd' });
    await model.fit(x, y, { epochs: 1 });
    const options = { from: 1e-4, to: 100, steps: 61, batchSize: 64 };
    const { rates, losses, smoothed, suggestion } = await unchanged(model, () =>
      recipes.learningRateFinder(model, x, y, options),
    );
    expect(losses.length).to.equal(rates.length);
    expect(rates.length).to.be.within(20, 61);
    rates.forEach((rate, i) => expect(rate).to.be.closeTo(1e-4 * 10 ** (i / 10), 1e-9 * rate + 1e-12));
    let average = 0;
    losses.forEach((loss, i) => {
      average = 0.9 * average + 0.1 * loss;
      expect(smoothed[i]).to.be.closeTo(average / (1 - 0.9 ** (i + 1)), 1e-9);
    });
    expect(suggestion).to.equal(rates[smoothed.indexOf(Math.min(...smoothed))]! / 10);
    expect(suggestion).to.be.within(1e-3, 1);
    await model.dispose();
  });

  it('the rates are those of the steps: weights move as in descent written out here', async () => {
    // One weight, loss (w·x − y)² with x = 1, y = 0: each step multiplies w by 1 − 2·rate.
    const model = gs.sequential([layers.dense({ units: 1, useBias: false, kernelInitializer: 'ones', inputShape: [1] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
    const [ones, zeros] = [gs.tensor(new Float32Array(4).fill(1), [4, 1]), gs.tensor(new Float32Array(4), [4, 1])];
    const options = { from: 0.01, to: 0.4, steps: 6, batchSize: 2 };
    const { losses } = await recipes.learningRateFinder(model, ones, zeros, options);
    let w = 1;
    losses.forEach((loss, i) => {
      expect(loss).to.be.closeTo(w * w, 1e-5 * w * w);
      w *= 1 - 2 * (0.01 * 40 ** (i / 5));
    });
    expect(losses.length).to.equal(6);
    // It ends where the loss explodes: beyond a rate of 1.
    const { rates } = await recipes.learningRateFinder(model, ones, zeros, { from: 0.1, to: 100, steps: 40, batchSize: 2 });
    expect(rates.at(-1)).to.be.within(1, 10);
    expect(Array.from((await model.getWeights())[0]!.data)).to.deep.equal([1]);
    await model.dispose();
  });

  it('datasets are passed over again and again; no suggestion where the loss never falls', async () => {
    const model = classifier({ optimizer: 'sgd' });
    const data = gs.data.dataset({ x, y }).batch(100);
    const options = { from: 1e-12, to: 1e-11, steps: 10 };
    const { rates, suggestion } = await unchanged(model, () => recipes.learningRateFinder(model, data, options));
    expect(rates.length).to.equal(10);
    expect(suggestion).to.equal(undefined);
    await model.dispose();
  });

  it('wrong options', async () => {
    const model = classifier();
    const of = (options: unknown) => () => recipes.learningRateFinder(model, x, y, wrong(options));
    await expectFailure(of({ from: 0 }), 'ERR_OPTION', /number > 0 for recipes.learningRateFinder.from/);
    await expectFailure(of({ to: -1 }), 'ERR_OPTION', /recipes.learningRateFinder.to/);
    await expectFailure(of({ from: 1, to: 0.1 }), 'ERR_OPTION', /to be larger than from 1 but received 0.1/);
    await expectFailure(of({ steps: 1 }), 'ERR_OPTION', /recipes.learningRateFinder.steps/);
    await expectFailure(of({ batchSize: 0 }), 'ERR_OPTION', /recipes.learningRateFinder.batchSize/);
    await expectFailure(of({ signal: AbortSignal.abort() }), 'ERR_ABORTED', /aborted/);
    await expectFailure(of({ form: 1 }), 'ERR_OPTION', /did you mean "from"/);
    await model.dispose();
  });
});
