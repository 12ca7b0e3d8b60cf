/**
 * Stateful recurrent layers: rows go on from batch to batch, in training as PyTorch does it with detached states, in evaluation
 * and prediction; training, validation and inference keep states of their own; checkpoints; what is refused before it runs.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';
import { expectClose, floats, type Numbers } from './helpers/layer_fixtures.js';
import { runCell } from './helpers/recurrent_reference.js';

const L = gs.layers;
const device = 'cpu';

interface Fixture {
  rows: number;
  x: Numbers;
  y: Numbers;
  weights: Numbers[];
  losses: number[];
  trained: Numbers[];
  states: Numbers[];
}

const fixture = JSON.parse(readFileSync(new URL('./golden/stateful.json', import.meta.url), 'utf8')) as Fixture;
const PATHS = ['gru/h', 'lstm/h', 'lstm/c'];

/** The fixture's model, with its first weights. */
async function fixtureModel(on: string, options: Partial<gs.CompileOptions> = {}): Promise<gs.Sequential> {
  const model = gs.sequential([
    L.gru({ units: 5, returnSequences: true, stateful: true, inputShape: fixture.x.shape.slice(1) }),
    L.lstm({ units: 4, stateful: true }),
    L.dense({ units: 2 }),
  ]);
  const optimizer = gs.optimizers.sgd({ learningRate: 0.25 });
  model.compile({ optimizer, loss: 'meanSquaredError', device: on, ...options });
  await model.setWeights(fixture.weights.map(floats));
  return model;
}

/** Rows of a tensor. */
function rowsFrom({ shape, data }: Numbers, begin: number, end: number): gs.Tensor {
  const size = data.length / shape[0]!;
  return gs.tensor(Float32Array.from(data.slice(begin * size, end * size)), [end - begin, ...shape.slice(1)]);
}

const batchOf = (i: number) => {
  const { rows, x, y } = fixture;
  const at = (i * rows) % x.shape[0]!;
  return { x: rowsFrom(x, at, at + rows), y: rowsFrom(y, at, at + rows) };
};

async function statesOf(model: gs.Model): Promise<Record<string, Numbers>> {
  const { training } = await coreOf(model).snapshot();
  const entries = [...(training?.carried ?? [])];
  return Object.fromEntries(entries.map(([path, { shape, data }]) => [path, { shape: [...shape], data: [...data] }]));
}

async function expectTrained(model: gs.Model): Promise<void> {
  const weights = await model.getWeights();
  fixture.trained.forEach((w, i) => expectClose(`weight ${i}`, weights[i]!, w));
  const states = await statesOf(model);
  expect(Object.keys(states)).to.have.members(PATHS);
  PATHS.forEach((path, i) => expectClose(path, floats(states[path]!), fixture.states[i]!));
}

const wave = (shape: number[], step = 0.7): gs.Tensor<Float32Array> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return gs.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * step)),
    shape,
  );
};

const temporary = () => join(mkdtempSync(join(tmpdir(), 'gradstep-')), 'model.safetensors');

for (const { device: on, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`stateful layers: PyTorch's numbers on ${name}`, () => {
    it('batch by batch: every loss, the weights and the states after them', async () => {
      using model = await fixtureModel(on);
      for (const [i, expected] of fixture.losses.entries()) {
        const { x, y } = batchOf(i);
        const { loss } = await model.trainOnBatch(x, y);
        expect(Math.abs(loss / expected - 1), `loss ${i}, relative`).to.be.at.most(1e-5);
      }
      await expectTrained(model);
    });

    it('fit, over two epochs without a break, with evaluation and prediction in between that change nothing', async () => {
      using model = await fixtureModel(on);
      const [x, y] = [floats(fixture.x), floats(fixture.y)];
      const options = { batchSize: fixture.rows, shuffle: false, validationData: [x, y] as [gs.Tensor, gs.Tensor] };
      const first = await model.fit(x, y, { ...options, epochs: 1 });
      await model.evaluate(x, y, { batchSize: 2 });
      await model.predict(x, { batchSize: 2 });
      const second = await model.fit(x, y, { ...options, epochs: 1 });
      const mean = (from: number, to: number) => fixture.losses.slice(from, to).reduce((a, b) => a + b) / (to - from);
      expect(first.loss[0]).to.be.closeTo(mean(0, 6), 1e-5);
      expect(second.loss[0]).to.be.closeTo(mean(6, 12), 1e-5);
      await expectTrained(model);
    });
  });
}

/** A recurrent layer over a sequence of several batches' length, against which halves are compared. */
function lstmOver(time: number, stateful: boolean): gs.Sequential {
  return gs.sequential([L.lstm({ units: 3, returnSequences: true, stateful, inputShape: [time, 2] })]);
}

describe('stateful layers', () => {
  it('predict goes on where the call before has ended, and from zeros after resetStates', async () => {
    using model = lstmOver(2, true);
    const weights = [wave([2, 12], 0.3), wave([3, 12], 0.5), wave([12], 0.9)];
    await model.setWeights(weights);
    const x = wave([2, 6, 2]);
    const [kernel, recurrent, bias] = weights.map((w) => [...w.data]) as [number[], number[], number[]];
    const { y } = runCell({ kind: 'lstm', units: 3, kernel, recurrent, bias }, { rows: 2, time: 6, x: [...x.data] });
    for (let pass = 0; pass < 2; pass++) {
      for (let part = 0; part < 3; part++) {
        const steps = [0, 1].flatMap((row) => [...x.data.slice(row * 12 + part * 4, row * 12 + part * 4 + 4)]);
        const made = await model.predict(gs.tensor(Float32Array.from(steps), [2, 2, 2]));
        const expected = [0, 1].flatMap((row) => y.slice(row * 18 + part * 6, row * 18 + part * 6 + 6));
        expectClose(`part ${part}`, made, { shape: [2, 2, 3], data: expected });
      }
      await model.resetStates();
    }
  });

  it('batches of one call go on from one another', async () => {
    using model = lstmOver(2, true);
    using whole = lstmOver(4, false);
    await whole.setWeights(await model.getWeights());
    const x = wave([1, 4, 2]);
    const halves = await model.predict(gs.tensor(x.data, [2, 2, 2]), { batchSize: 1 });
    expectClose('halves', gs.tensor(halves.data, [1, 4, 3]), { shape: [1, 4, 3], data: [...(await whole.predict(x)).data] });
  });

  const wrappers: Record<string, (inner: gs.Layer) => gs.Layer> = {
    'in a nested model': (inner) => gs.sequential([inner]),
    'in a nested model of a nested model': (inner) => gs.sequential([gs.sequential([inner])]),
  };
  for (const [title, wrap] of Object.entries(wrappers)) {
    it(`${title}: go on as they do outside`, async () => {
      using model = gs.sequential([wrap(L.lstm({ units: 3, stateful: true, inputShape: [2, 2] }))]);
      using plain = gs.sequential([L.lstm({ units: 3, stateful: true, inputShape: [2, 2] })]);
      await plain.setWeights(await model.getWeights());
      for (let i = 0; i < 3; i++) {
        const x = wave([2, 2, 2], 0.3 + i);
        expect([...(await model.predict(x)).data]).to.deep.equal([...(await plain.predict(x)).data]);
      }
    });
  }

  it('of stacked cells carry the states of all cells', async () => {
    const cell = () => [L.lstmCell({ units: 3 }), L.gruCell({ units: 2 })];
    using model = gs.sequential([L.rnn({ cell: cell(), stateful: true, returnSequences: true, inputShape: [2, 2] })]);
    using whole = gs.sequential([L.rnn({ cell: cell(), returnSequences: true, inputShape: [4, 2] })]);
    await whole.setWeights(await model.getWeights());
    const x = wave([1, 4, 2]);
    const halves = await model.predict(gs.tensor(x.data, [2, 2, 2]), { batchSize: 1 });
    expectClose('halves', gs.tensor(halves.data, [1, 4, 2]), { shape: [1, 4, 2], data: [...(await whole.predict(x)).data] });
  });

  it('of both directions carry the states of each, as layers with initial states', async () => {
    const both = (stateful: boolean) =>
      L.bidirectional({ layer: L.gru({ units: 3, stateful, returnState: true }), mergeMode: null });
    const x = gs.input({ shape: [2, 2] });
    using model = gs.model({ inputs: x, outputs: [...both(true).applyAll(x)] });
    const given = [
      gs.input({ shape: [2, 2], name: 'x' }),
      gs.input({ shape: [3], name: 'h' }),
      gs.input({ shape: [3], name: 'g' }),
    ];
    using stateless = gs.model({ inputs: given, outputs: [...both(false).applyAll(given)] });
    await stateless.setWeights(await model.getWeights());
    let states: gs.Tensor<Float32Array>[] = [gs.tensor(new Float32Array(6), [2, 3]), gs.tensor(new Float32Array(6), [2, 3])];
    for (let i = 0; i < 3; i++) {
      const batch = wave([2, 2, 2], 0.3 + i);
      const expected = await stateless.predictAll([batch, ...states]);
      const made = await model.predictAll(batch);
      made.forEach((m, k) => expect([...m.data]).to.deep.equal([...expected[k]!.data]));
      states = expected.slice(2);
    }
  });

  it('given initial states begin with those, and carry over what they end with', async () => {
    const layer = L.simpleRNN({ units: 2, stateful: true });
    const [x, h] = [gs.input({ shape: [2, 2], name: 'x' }), gs.input({ shape: [2], name: 'h' })];
    using model = gs.model({ inputs: [x, h], outputs: layer.apply([x, h]) });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
    const [kernel, recurrent, bias] = [wave([2, 2], 0.3), wave([2, 2], 0.5), wave([2], 0.9)];
    await model.setWeights([kernel, recurrent, bias]);
    const numbers = { kernel: [...kernel.data], recurrent: [...recurrent.data], bias: [...bias.data] };
    const [steps, begin] = [wave([1, 2, 2]), wave([1, 2], 0.4)];
    await model.trainOnBatch([steps, begin], wave([1, 2]));
    const sequence = { rows: 1, time: 2, x: [...steps.data], states: [[...begin.data]] };
    const { states } = runCell({ kind: 'simpleRNN', units: 2, ...numbers }, sequence);
    const carried = await statesOf(model);
    expectClose('h', floats(carried['simple_rnn/h']!), { shape: [1, 2], data: states[0]! });
  });

  it('that are applied twice carry a state for each application', async () => {
    const [a, b] = [gs.input({ shape: [2, 1] }), gs.input({ shape: [2, 1] })];
    const rnn = L.simpleRNN({ units: 1, stateful: true, activation: 'linear', useBias: false, name: 'rnn' });
    using model = gs.model({ inputs: [a, b], outputs: [rnn.apply(a), rnn.apply(b)] });
    await model.setWeights([[[1]], [[0.5]]]);
    // h ← x + h / 2
    const steps = (h: number, xs: readonly number[]) => xs.reduce((state, x) => x + state / 2, h);
    let [first, second] = [0, 0];
    const batches = [
      { xs: [1, -2], ys: [4, 3] },
      { xs: [0.5, 1], ys: [-1, 2] },
    ];
    for (const { xs, ys } of batches) {
      [first, second] = [steps(first, xs), steps(second, ys)];
      const outputs = await model.predictAll([[xs.map((x) => [x])], [ys.map((y) => [y])]]);
      expect(outputs.map((t) => t.data[0])).to.deep.equal([first, second]);
    }
  });

  it('validation begins with zeros each time, and leaves training and inference alone', async () => {
    using model = await fixtureModel(device);
    const [x, y] = [floats(fixture.x), floats(fixture.y)];
    const validationData: [gs.Tensor, gs.Tensor] = [rowsFrom(fixture.x, 0, 6), rowsFrom(fixture.y, 0, 6)];
    const found: number[] = [];
    await model.evaluate(...validationData, { batchSize: 2 });
    const history = await model.fit(x, y, {
      epochs: 2,
      batchSize: fixture.rows,
      shuffle: false,
      validationData,
      validationBatchSize: 2,
      onEpochEnd: async () => {
        using fresh = await fixtureModel(device);
        await fresh.setWeights(await model.getWeights());
        found.push((await fresh.evaluate(...validationData, { batchSize: 2 })).loss);
      },
    });
    history.val_loss!.forEach((v, i) => expect(v).to.equal(found[i]));
  });

  it('batches whose gradients are added up go on from one another', async () => {
    const optimizer = gs.optimizers.sgd({ learningRate: 0.25, gradientAccumulationSteps: 6 });
    using model = await fixtureModel(device, { optimizer });
    using one = await fixtureModel(device, { optimizer: gs.optimizers.sgd({ learningRate: 0 }) });
    const { loss } = await model.fit(floats(fixture.x), floats(fixture.y), {
      epochs: 1,
      batchSize: fixture.rows,
      shuffle: false,
    });
    const options = { epochs: 1, batchSize: fixture.rows, shuffle: false };
    const still = await one.fit(floats(fixture.x), floats(fixture.y), options);
    expect(loss[0]).to.be.closeTo(still.loss[0]!, 1e-6);
    const [a, b] = [await statesOf(model), await statesOf(one)];
    for (const path of PATHS) expectClose(path, floats(a[path]!), b[path]!);
  });

  it('a checkpoint holds the states: training goes on with the same bits', async () => {
    using model = await fixtureModel(device, { seed: 3 });
    const options = { batchSize: fixture.rows, shuffle: false };
    const [x, y] = [floats(fixture.x), floats(fixture.y)];
    await model.fit(x, y, { ...options, epochs: 1 });
    const path = temporary();
    await model.save(path);
    const { loss } = await model.fit(x, y, { ...options, epochs: 1 });
    using again = await gs.loadModel(path, { device });
    const resumed = await again.fit(x, y, { ...options, epochs: 1 });
    expect(resumed.loss).to.deep.equal(loss);
    const [a, b] = [await model.getWeights(), await again.getWeights()];
    a.forEach((w, i) => expect([...w.data]).to.deep.equal([...b[i]!.data]));
    expect(await statesOf(again)).to.deep.equal(await statesOf(model));
    // Saved before the engine opens again, they are still there; resetStates drops them.
    using third = await gs.loadModel(path, { device });
    await third.save(path);
    using fourth = await gs.loadModel(path, { device });
    expect(await statesOf(fourth)).to.not.deep.equal({});
    await fourth.resetStates();
    expect(await statesOf(fourth)).to.deep.equal({});
  });

  it('a checkpoint is loaded where layers of one’s own draw numbers', async () => {
    const noisy = L.defineLayer({ className: 'TestStatefulNoise', call: (_, x) => gs.ops.add(x, gs.ops.randomNormal(x)) });
    using model = gs.sequential([noisy({ inputShape: [3, 2] }), L.lstm({ units: 2, stateful: true })]);
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed: 3 });
    const [x, y] = [wave([6, 3, 2]), wave([6, 2], 0.4)];
    await model.fit(x, y, { batchSize: 2, shuffle: false });
    const path = temporary();
    await model.save(path);
    using again = await gs.loadModel(path, { device });
    const { loss } = await model.fit(x, y, { batchSize: 2, shuffle: false });
    expect((await again.fit(x, y, { batchSize: 2, shuffle: false })).loss).to.deep.equal(loss);
    expect(await statesOf(again)).to.deep.equal(await statesOf(model));
  });

  it('a checkpoint in the middle of an epoch holds them too', async () => {
    using model = await fixtureModel(device, { seed: 3 });
    const options = { epochs: 2, batchSize: fixture.rows, shuffle: false };
    const [x, y] = [floats(fixture.x), floats(fixture.y)];
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
    const checkpoint = gs.callbacks.modelCheckpoint({ path: join(folder, '{step}.safetensors'), saveFreq: 4 });
    await model.fit(x, y, { ...options, callbacks: [checkpoint] });
    for (const step of [4, 8]) {
      using again = await gs.loadModel(join(folder, `${step}.safetensors`), { device });
      await again.fit(x, y, { ...options, resume: true });
      const [a, b] = [await model.getWeights(), await again.getWeights()];
      a.forEach((w, i) => expect([...w.data]).to.deep.equal([...b[i]!.data]));
      expect(await statesOf(again)).to.deep.equal(await statesOf(model));
    }
  });

  it('a checkpoint made after resetStates lets the next batch have any number of rows', async () => {
    using model = await fixtureModel(device, { seed: 3 });
    const [x, y] = [floats(fixture.x), floats(fixture.y)];
    await model.fit(x, y, { batchSize: 3, shuffle: false });
    await model.resetStates();
    const path = temporary();
    await model.save(path);
    using again = await gs.loadModel(path, { device });
    const { loss } = await model.fit(x, y, { batchSize: 6, shuffle: false });
    expect((await again.fit(x, y, { batchSize: 6, shuffle: false })).loss).to.deep.equal(loss);
    expect(await statesOf(again)).to.deep.equal(await statesOf(model));
  });

  it('resetStates between epochs, as a callback does it, begins every epoch with zeros', async () => {
    const options = { optimizer: gs.optimizers.sgd({ learningRate: 0 }) };
    using model = await fixtureModel(device, options);
    const [x, y] = [floats(fixture.x), floats(fixture.y)];
    const { loss } = await model.fit(x, y, {
      epochs: 3,
      batchSize: fixture.rows,
      shuffle: false,
      onEpochEnd: () => model.resetStates(),
    });
    expect(loss[1]).to.equal(loss[0]);
    expect(loss[2]).to.equal(loss[0]);
    const states = await statesOf(model);
    expect(Object.values(states).flatMap((s) => s.data)).to.satisfy((v: number[]) => v.every((n) => n === 0));
  });

  describe('what is refused, before anything runs', () => {
    const message = (expected: number, received: number) =>
      `Expected batches of ${expected} rows for a stateful model, whose rows go on from batch to batch, but received ${received}: ` +
      'choose a batchSize that divides the rows, and call resetStates before the number changes';

    it('a smaller last batch', async () => {
      using model = await fixtureModel(device);
      const [x, y] = [floats(fixture.x), floats(fixture.y)];
      const before = await model.getWeights();
      await expectFailure(() => model.fit(x, y, { batchSize: 4, epochs: 1 }), 'ERR_SHAPE', message(4, 2));
      await expectFailure(() => model.evaluate(x, y, { batchSize: 7 }), 'ERR_SHAPE', message(7, 4));
      await expectFailure(() => model.predict(x, { batchSize: 5 }), 'ERR_SHAPE', message(5, 3));
      const after = await model.getWeights();
      before.forEach((w, i) => expect([...w.data]).to.deep.equal([...after[i]!.data]));
      expect(await statesOf(model)).to.deep.equal({});
    });

    it('a smaller last batch of validation, before training', async () => {
      using model = await fixtureModel(device);
      const [x, y] = [floats(fixture.x), floats(fixture.y)];
      const options = { batchSize: 3, validationData: [x, y] as [gs.Tensor, gs.Tensor], validationBatchSize: 4 };
      const before = await model.getWeights();
      await expectFailure(() => model.fit(x, y, options), 'ERR_SHAPE', message(4, 2));
      const after = await model.getWeights();
      before.forEach((w, i) => expect([...w.data]).to.deep.equal([...after[i]!.data]));
    });

    it('another number of rows than before, until resetStates', async () => {
      using model = await fixtureModel(device);
      const [x, y] = [floats(fixture.x), floats(fixture.y)];
      await model.fit(x, y, { batchSize: 3, shuffle: false });
      await expectFailure(() => model.fit(x, y, { batchSize: 6, shuffle: false }), 'ERR_SHAPE', message(3, 6));
      await expectFailure(() => model.trainOnBatch(x, y), 'ERR_SHAPE', message(3, 18));
      await model.predict(rowsFrom(fixture.x, 0, 2));
      await expectFailure(() => model.predict(x), 'ERR_SHAPE', message(2, 18));
      await expectFailure(() => model.evaluate(x, y, { batchSize: 6 }), 'ERR_SHAPE', message(2, 6));
      await model.resetStates();
      await model.fit(x, y, { batchSize: 6, shuffle: false });
      expect((await statesOf(model))['gru/h']!.shape).to.deep.equal([6, 5]);
      await model.predict(x);
    });

    it('in timeDistributed', async () => {
      const layer = L.timeDistributed({ layer: L.lstm({ units: 2, stateful: true }), inputShape: [2, 3, 1] });
      using model = gs.sequential([layer]);
      await expectFailure(
        () => model.predict(wave([1, 2, 3, 1])),
        'ERR_OPTION',
        'A stateful layer cannot stand in layers.timeDistributed: its steps are no batches (in time_distributed)',
      );
    });

    it('in a model that a function calls', async () => {
      using model = gs.sequential([L.gru({ units: 2, stateful: true, inputShape: [2, 1] })]);
      using step = gs.compile(({ x }) => model.call(x), { inputs: { x: { shape: [1, 2, 1] } }, device });
      await expectFailure(
        () => step({ x: wave([1, 2, 1]) }),
        'ERR_OPTION',
        'A stateful layer carries nothing over where a model is called: give it its states as further inputs, and return them (in gru)',
      );
    });

    it('a file whose states do not fit the model', async () => {
      using model = await fixtureModel(device);
      const [x, y] = [floats(fixture.x), floats(fixture.y)];
      await model.fit(x, y, { batchSize: 3, shuffle: false });
      const path = temporary();
      await model.save(path);
      const bytes = readFileSync(path);
      const text = bytes.toString('latin1').replace('carried/lstm/c', 'carried/lstm/d');
      const broken = temporary();
      writeFileSync(broken, Buffer.from(text, 'latin1'));
      await expectFailure(
        () => gs.loadModel(broken),
        'ERR_FILE',
        /has a tensor that its architecture does not: "carried\/lstm\/d"/,
      );
    });
  });
});
