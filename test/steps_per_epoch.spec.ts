/** fit with stepsPerEpoch: passes over the data go on from epoch to epoch, whatever the data are, and when training is resumed. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as gs from '../lib/index.js';
import { Watched } from './helpers/datasets.js';
import { expectFailure } from './helpers/failure.js';
import { small, x, y, type Saved } from './helpers/resumed_model.js';
import { rewrite } from './helpers/saved_file.js';

/** 40 rows in batches of 6: six of them and one of 4 rows. */
const ROWS = 40;
const BATCH = 6;
const STEPS = 7;

const rows = (): gs.data.Dataset<gs.data.Sample> =>
  gs.data.dataset({ x, y: gs.tensor(y, [ROWS, 1]) }) as gs.data.Dataset<gs.data.Sample>;

/** The same rows from a generator, which tells nobody how many there are. */
const generated = (): gs.data.Dataset<gs.data.Sample> =>
  gs.data.dataset(function* () {
    for (let i = 0; i < ROWS; i++) {
      yield { x: new gs.Tensor(x.rows(i, i + 1).data, [3]), y: new gs.Tensor(y.slice(i, i + 1), [1]) };
    }
  });

type Fit = (model: gs.Sequential, options: gs.FitOptions) => Promise<gs.History>;

const SOURCES: readonly (readonly [name: string, Fit])[] = [
  ['arrays', (m, options) => m.fit(x, y, { shuffle: false, batchSize: BATCH, ...options })],
  ['a dataset of rows', (m, options) => m.fit(rows(), { batchSize: BATCH, ...options })],
  ['a dataset of unknown size', (m, options) => m.fit(generated().batch(BATCH), options)],
  ['batches that never end', (m, options) => m.fit(rows().batch(BATCH).repeat(), options)],
  ['batches of a generator that never end', (m, options) => m.fit(generated().batch(BATCH).repeat(), options)],
];

const weightsOf = async (model: gs.Model): Promise<number[][]> => (await model.getWeights()).map((t) => [...t.data]);

/** What training on one batch after the other comes to, over and over: losses of the steps, and the weights. */
async function stepByStep(steps: number): Promise<{ losses: { loss: number; rows: number }[]; weights: number[][] }> {
  using model = small();
  const losses = [];
  for (let i = 0; i < steps; i++) {
    const [from, to] = [(i % STEPS) * BATCH, Math.min(((i % STEPS) + 1) * BATCH, ROWS)];
    const { loss } = await model.trainOnBatch(x.rows(from, to), y.slice(from, to));
    losses.push({ loss, rows: to - from });
  }
  return { losses, weights: await weightsOf(model) };
}

describe('stepsPerEpoch', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-passes-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, fit] of SOURCES) {
    for (const [epochs, stepsPerEpoch] of [
      [4, 2],
      [3, 5],
      [2, STEPS],
      [2, 2 * STEPS],
      [2, 16],
    ] as const) {
      it(`${name}: ${epochs} epochs of ${stepsPerEpoch} steps are the next batches each`, async () => {
        const { losses, weights } = await stepByStep(epochs * stepsPerEpoch);
        using model = small();
        const { loss } = await fit(model, { epochs, stepsPerEpoch });
        for (let epoch = 0; epoch < epochs; epoch++) {
          const steps = losses.slice(epoch * stepsPerEpoch, (epoch + 1) * stepsPerEpoch);
          const sum = steps.reduce((n, s) => n + s.loss * s.rows, 0);
          expect(loss[epoch]).to.be.closeTo(sum / steps.reduce((n, s) => n + s.rows, 0), 1e-6);
        }
        expect(await weightsOf(model)).to.deep.equal(weights);
      });
    }

    for (const group of [undefined, 3]) {
      it(`${name}: goes on after it was stopped anywhere${group ? ', also among the batches of an update' : ''}`, async () => {
        const options = { epochs: 5, stepsPerEpoch: 4 };
        using straight = small(group);
        const whole = await fit(straight, options);
        expect(whole.loss).to.have.length(5);
        using model = small(group);
        for (const at of [2, 4, 6, 7, 9, 14, 15]) {
          const stop: gs.Callback = {
            onBatchEnd: (_batch, _logs, context) => (context.totalSteps === at ? context.stop() : undefined),
          };
          await fit(model, { ...options, resume: true, callbacks: [stop] });
        }
        const rest = await fit(model, { ...options, resume: true });
        expect(rest.loss).to.deep.equal(whole.loss.slice(-rest.loss.length));
        expect(await weightsOf(model)).to.deep.equal(await weightsOf(straight));
      });

      it(`${name}: goes on from a file${group ? ', also among the batches of an update' : ''}`, async () => {
        const options = { epochs: 4, stepsPerEpoch: 4 };
        using straight = small(group);
        const path = join(folder, 'step-{step}.safetensors');
        const checkpoint = gs.callbacks.modelCheckpoint({ path, saveFreq: 1, keepLast: 20 });
        await fit(straight, { ...options, callbacks: [checkpoint] });
        for (const step of [4, 6, 7, 8, 10, 14]) {
          using model = await gs.loadModel(join(folder, `step-${step}.safetensors`));
          await fit(model as gs.Sequential, { ...options, resume: true });
          expect(await weightsOf(model), `from step ${step}`).to.deep.equal(await weightsOf(straight));
        }
      });
    }
  }

  it('rows that are shuffled are each visited once before any is again', async () => {
    // Each row has a weight of its own, whose gradient does not depend on it: what a row was visited is how far that moved.
    const oneHot = new Float32Array(ROWS * ROWS);
    for (let i = 0; i < ROWS; i++) oneHot[i * ROWS + i] = 1;
    const output = gs.layers.dense({ units: 1, useBias: false, kernelInitializer: 'zeros', inputShape: [ROWS] });
    using model = gs.sequential([output]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 1 }), loss: 'meanAbsoluteError', device: 'cpu', seed: 3 });
    const visits = async (): Promise<number[]> => [...(await model.getWeights())[0]!.data].map((w) => Math.round(w * 10));
    // Labels that are never reached: the gradient of a row's own weight is −1/10 in a batch of 10.
    const far = new Float32Array(ROWS).fill(1e6);
    await model.fit(gs.tensor(oneHot, [ROWS, ROWS]), far, { batchSize: 10, epochs: 3, stepsPerEpoch: 1 });
    expect((await visits()).filter((n) => n === 1)).to.have.length(30);
    await model.fit(gs.tensor(oneHot, [ROWS, ROWS]), far, { batchSize: 10, epochs: 4, stepsPerEpoch: 1, resume: true });
    expect(await visits()).to.deep.equal(new Array(ROWS).fill(1));
    const orders: number[][] = [];
    const note: gs.Callback = { onEpochEnd: async () => void orders.push(await visits()) };
    await model.fit(gs.tensor(oneHot, [ROWS, ROWS]), far, { batchSize: 10, epochs: 6, stepsPerEpoch: 2, callbacks: [note] });
    expect(orders[1]).to.deep.equal(new Array(ROWS).fill(2));
    expect(orders[3]).to.deep.equal(new Array(ROWS).fill(3));
    expect(orders[5]).to.deep.equal(new Array(ROWS).fill(4));
    expect(orders[2]!.map((n) => n - 2)).not.to.deep.equal(orders[0]!.map((n) => n - 1));
  });

  it('a source is opened once a pass, and closed at the end', async () => {
    using model = small();
    const source = new Watched(ROWS);
    const samples = gs.data.dataset(source).map((i) => ({ x: x.rows(i, i + 1).data, y: y.slice(i, i + 1) }));
    await model.fit(samples, { batchSize: BATCH, epochs: 3, stepsPerEpoch: 2 });
    expect([source.open, source.closed]).to.deep.equal([1, 1]);
    await model.fit(samples, { batchSize: BATCH, epochs: 4, stepsPerEpoch: 2 });
    // A pass that came to its end needs no closing.
    expect([source.open, source.closed]).to.deep.equal([3, 2]);
    // What can be read only once is enough where it has all batches.
    const once = (epochs: number) =>
      model.fit(gs.data.dataset(Readable.from(elements)), { batchSize: BATCH, epochs, stepsPerEpoch: 2 });
    const elements = await samples.toArray();
    expect((await once(3)).loss).to.have.length(3);
    await expectFailure(() => once(4), 'ERR_DATA', /can be read only once/);
  });

  it('what is resumed is not made again where that can be avoided', async () => {
    const made: number[] = [];
    const numbered = gs.data
      .dataset({ x: { x, number: Int32Array.from({ length: ROWS }, (_, i) => i) }, y })
      .shuffle(ROWS, { seed: 4 })
      .map(({ x: { x: row, number }, y: label }) => {
        made.push(Number((number as gs.Tensor).data[0]));
        return { x: row as gs.Tensor, y: label as gs.Tensor };
      })
      .repeat()
      .batch(10);
    using straight = small();
    await straight.fit(numbered, { epochs: 5, stepsPerEpoch: 3 });
    const all = made.splice(0);
    using model = small();
    await model.fit(numbered, { epochs: 3, stepsPerEpoch: 3 });
    made.length = 0;
    await model.fit(numbered, { epochs: 5, stepsPerEpoch: 3, resume: true });
    expect(made.slice(0, 60)).to.deep.equal(all.slice(90, 150));
    expect(await weightsOf(model)).to.deep.equal(await weightsOf(straight));
  });

  it('an epoch that goes on with fewer steps than it has made is over', async () => {
    for (const fit of SOURCES.map(([, fit]) => fit)) {
      using model = small();
      const stopAt = (at: number): gs.Callback => ({
        onBatchEnd: (_batch, _logs, context) => (context.totalSteps === at ? context.stop() : undefined),
      });
      // The second epoch stops in its ninth step, the second of the third pass.
      await fit(model, { epochs: 2, stepsPerEpoch: 10, callbacks: [stopAt(19)] });
      let steps = 0;
      const count: gs.Callback = { onBatchEnd: () => void steps++ };
      const { epoch } = await fit(model, { epochs: 3, stepsPerEpoch: 3, resume: true, callbacks: [count] });
      expect(epoch).to.deep.equal([1, 2]);
      expect(steps).to.equal(3);
    }
  });

  it('goes on from the beginning of a pass: after an abort there, an error of the data, a file', async () => {
    for (const group of [undefined, 2]) {
      const options = { batchSize: BATCH, epochs: 2, stepsPerEpoch: 10 };
      using straight = small(group);
      await straight.fit(rows(), options);
      const abort = new AbortController();
      const atEnd: gs.Callback = { onBatchEnd: (_b, _l, { totalSteps }) => void (totalSteps === STEPS && abort.abort()) };
      using aborted = small(group);
      await expectFailure(
        () => aborted.fit(rows(), { ...options, signal: abort.signal, callbacks: [atEnd] }),
        'ERR_ABORTED',
        /abort/,
      );
      await aborted.fit(rows(), { ...options, resume: true });
      expect(await weightsOf(aborted)).to.deep.equal(await weightsOf(straight));

      let made = 0;
      using failed = small(group);
      const path = join(folder, 'meanwhile.safetensors');
      const breaks = rows().map(async (sample) => {
        if (made++ < ROWS) return sample;
        // The second pass has begun, none of its steps has.
        await failed.save(path);
        throw new Error('no network');
      });
      await expectFailure(() => failed.fit(breaks, options), 'ERR_DATA', /no network/);
      await failed.fit(rows(), { ...options, resume: true });
      expect(await weightsOf(failed)).to.deep.equal(await weightsOf(straight));
      using loaded = await gs.loadModel(path);
      await loaded.fit(rows(), { ...options, resume: true });
      expect(await weightsOf(loaded)).to.deep.equal(await weightsOf(straight));
    }
  });

  it('passes are counted on in a file, also after trainOnBatch, which leaves a pass where it is', async () => {
    const after = async (hasFile: boolean): Promise<number[][]> => {
      let model: gs.Model = small();
      await model.fit(x, y, { batchSize: 20, epochs: 2, stepsPerEpoch: 3 });
      await model.trainOnBatch(x, y);
      if (hasFile) {
        await model.save(join(folder, 'between.safetensors'));
        await model.dispose();
        model = await gs.loadModel(join(folder, 'between.safetensors'));
      }
      await model.fit(x, y, { batchSize: 20, epochs: 1 });
      await model.fit(x, y, { batchSize: 20, epochs: 4, stepsPerEpoch: 3, resume: true });
      const weights = await weightsOf(model);
      await model.dispose();
      return weights;
    };
    expect(await after(true)).to.deep.equal(await after(false));
    // Steps 0 and 1 of the rows, a batch of others, then the row that comes next.
    const seen: number[] = [];
    const noted = rows().map((sample, i) => (seen.push(i), sample));
    using model = small();
    await model.fit(noted, { batchSize: 5, epochs: 1, stepsPerEpoch: 2 });
    await model.trainOnBatch(x, y);
    seen.length = 0;
    await model.fit(noted, { batchSize: 5, epochs: 2, stepsPerEpoch: 2, resume: true });
    expect(seen.slice(0, 10)).to.deep.equal([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  it('files of before passes were counted have one an epoch', async () => {
    const options = { batchSize: BATCH, epochs: 3 };
    using straight = small();
    const path = join(folder, 'older.safetensors');
    await straight.fit(x, y, { ...options, callbacks: [gs.callbacks.modelCheckpoint({ path, saveFreq: 10 })] });
    await straight.fit(x, y, { ...options, resume: true });
    for (const at of [10, 20]) {
      using model = small();
      const stop: gs.Callback = {
        onBatchEnd: (_batch, _logs, context) => (context.totalSteps === at ? context.stop() : undefined),
      };
      await model.fit(x, y, { ...options, callbacks: [stop] });
      await model.save(path);
      rewrite<Saved>(path, ({ training }) => delete (training as { pass?: object }).pass);
      using older = await gs.loadModel(path);
      await older.fit(x, y, { ...options, resume: true });
      expect(await weightsOf(older)).to.deep.equal(await weightsOf(straight));
    }
  });

  it('other rows in the midst of an epoch are an error', async () => {
    for (const group of [undefined, 2]) {
      using model = small(group);
      const stop: gs.Callback = { onBatchEnd: (_b, _l, context) => (context.totalSteps === 5 ? context.stop() : undefined) };
      await model.fit(x, y, { batchSize: BATCH, callbacks: [stop] });
      const expected = /^Expected the rows and the batchSize of the run that goes on/;
      await expectFailure(() => model.fit(x, y, { batchSize: 7, resume: true }), 'ERR_OPTION', expected);
      await model.fit(x, y, { batchSize: BATCH, resume: true });
    }
  });

  it('errors name the row of the data', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [3] })]);
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device: 'cpu' });
    const labels = new Int32Array(ROWS);
    labels[33] = 7;
    const options = { batchSize: BATCH, epochs: 4, stepsPerEpoch: 2 };
    const expected = /from 0 to the number of classes - 1 but received 7 in row 33 of y/;
    await expectFailure(() => model.fit(x, labels, options), 'ERR_LABEL_RANGE', expected);
    await expectFailure(() => model.fit(x, labels, { ...options, shuffle: false }), 'ERR_LABEL_RANGE', expected);
    await expectFailure(() => model.fit(gs.data.dataset([x, labels]), options), 'ERR_LABEL_RANGE', expected);
    // A chunk that begins with the last, shorter batch.
    const last = new Int32Array(ROWS);
    last[39] = 8;
    const ofLast = /received 8 in row 39 of y/;
    await expectFailure(
      () => model.fit(gs.data.dataset([x, last]), { batchSize: BATCH, epochs: 3, stepsPerEpoch: 3 }),
      'ERR_LABEL_RANGE',
      ofLast,
    );
    const many = gs.tensor(new Float32Array(194 * 3), [194, 3]);
    const manyLabels = new Int32Array(194);
    manyLabels[193] = 8;
    await expectFailure(
      () => model.fit(gs.data.dataset([many, manyLabels]), { batchSize: 3 }),
      'ERR_LABEL_RANGE',
      /received 8 in row 193 of y/,
    );
  });

  it('what is refused', async () => {
    using model = small();
    await expectFailure(
      () => model.fit(x, y, { batchSize: 'full', stepsPerEpoch: 1 }),
      'ERR_OPTION',
      /Expected undefined where batchSize is 'full' for fit.stepsPerEpoch but received 1/,
    );
    const empty = gs.data.dataset(() => [] as gs.data.Sample[]);
    await expectFailure(() => model.fit(empty, { epochs: 2, stepsPerEpoch: 2 }), 'ERR_DATA', /at least one batch to train on/);
  });
});
