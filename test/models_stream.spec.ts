/** fit, evaluate and predict from datasets: the same numbers as from arrays of the same rows in the same order. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Samples } from '../lib/data/samples.js';
import { chunksOf } from '../lib/train/stream.js';
import { Watched } from './helpers/datasets.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { weightedRows } from './helpers/rows.js';

const ROWS = 37;
const { x, y, weights } = weightedRows(ROWS);

function network(optimizer: gs.Optimizer = gs.optimizers.adam({ learningRate: 0.01 })): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 6, activation: 'tanh', inputShape: [3] }),
    gs.layers.dropout({ rate: 0.2 }),
    gs.layers.dense({ units: 1 }),
  ]);
  model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['meanAbsoluteError'], device: 'cpu', threads: 1, seed: 4 });
  return model;
}

/** Rows as samples, made one by one when they are asked for. */
const streamed = () =>
  gs.data.dataset(function* () {
    for (let i = 0; i < ROWS; i++)
      yield { x: new gs.Tensor(x.rows(i, i + 1).data, [3]), y: new gs.Tensor(y.rows(i, i + 1).data, [1]) };
  });

async function compare(
  fromArrays: (model: gs.Sequential) => Promise<gs.History>,
  fromData: (model: gs.Sequential) => Promise<gs.History>,
  optimizer?: () => gs.Optimizer,
): Promise<void> {
  using a = network(optimizer?.());
  using b = network(optimizer?.());
  expect(await fromData(b)).to.deep.equal(await fromArrays(a));
  const plain = async (m: gs.Model) => (await m.getWeights()).map((t) => [...t.data]);
  expect(await plain(b)).to.deep.equal(await plain(a));
}

describe('training from datasets', () => {
  const order = { shuffle: false, epochs: 3, batchSize: 8 } as const;

  it('has the bits of training from arrays: batches, a last one of fewer rows, dropout', () =>
    compare(
      (m) => m.fit(x, y, order),
      (m) => m.fit(streamed().batch(8), { epochs: 3 }),
    ));

  it('puts samples into batches of batchSize', () =>
    compare(
      (m) => m.fit(x, y, order),
      (m) => m.fit(streamed(), { epochs: 3, batchSize: 8 }),
    ));

  it('with several batches an update, also where the last group is smaller', () =>
    compare(
      (m) => m.fit(x, y, order),
      (m) => m.fit(streamed().batch(8), { epochs: 3 }),
      () => gs.optimizers.sgd({ learningRate: 0.05, gradientAccumulationSteps: 3 }),
    ));

  it('with weights of samples', () =>
    compare(
      (m) => m.fit(x, y, { ...order, sampleWeight: weights }),
      (m) => m.fit(gs.data.dataset({ x, y, sampleWeight: weights }).batch(8), { epochs: 3 }),
    ));

  it('validates from a dataset', () =>
    compare(
      (m) => m.fit(x, y, { ...order, validationData: [x, y] }),
      (m) => m.fit(streamed().batch(8), { epochs: 3, validationData: streamed().batch(8) }),
    ));

  it('takes stepsPerEpoch batches of one that never ends', () =>
    compare(
      (m) => m.fit(x.rows(0, 16), y.rows(0, 16), order),
      (m) => m.fit(streamed().take(16).repeat().batch(8), { epochs: 3, stepsPerEpoch: 2 }),
    ));

  it('steps begin before many batches of a slow source are made', async () => {
    let made = 0;
    const slow = streamed()
      .repeat(10)
      .batch(8)
      .map(async (batch) => {
        await sleep(25);
        made++;
        return batch;
      });
    using model = network();
    let madeAtFirst = 0;
    await model.fit(slow, { callbacks: [{ onBatchEnd: () => void (madeAtFirst ||= made) }] });
    // Of 47, which take more than a second; a chunk is made for a fifth of it.
    expect(madeAtFirst).to.be.within(1, 40);
    expect(made).to.equal(47);
  });

  it('onProgress hears of the last step, also where nobody knows how many there are', async () => {
    using model = network();
    for (const data of [streamed().batch(8), gs.data.dataset({ x, y }).batch(8)]) {
      const heard: gs.Progress[] = [];
      await model.fit(data, { epochs: 2, onProgress: (progress) => void heard.push(progress) });
      expect([heard.at(-1)!.epoch, heard.at(-1)!.step]).to.deep.equal([1, 5]);
      const keys = heard.map(({ epoch, step }) => `${epoch}, ${step}`);
      expect(new Set(keys).size).to.equal(keys.length);
    }
  });

  it('a callback may end training while data are waited for; it can be resumed', async () => {
    using model = network();
    const source = new Watched(Infinity, 16);
    const waiting = gs.data.dataset(source).map((i) => ({ x: x.rows(i, i + 1).data, y: y.rows(i, i + 1).data }));
    const whole = gs.data.dataset({ x, y });
    for (const wait of [0, 0, 0, 1, 2, 30]) {
      const stop: gs.Callback = { onEpochBegin: (_epoch, context) => void setTimeout(() => context.stop(), wait) };
      await model.fit(waiting.batch(8), { resume: true, callbacks: [stop] });
    }
    expect(source.closed).to.equal(source.open);
    await model.fit(whole.batch(8), { epochs: 2, resume: true });
    using straight = network();
    await straight.fit(whole.batch(8), { epochs: 2 });
    expect(await model.getWeights()).to.deep.equal(await straight.getWeights());
  });

  it('validationSteps and steps take so many batches of datasets, and of arrays', async () => {
    const order = { epochs: 3, batchSize: 8, shuffle: false, validationSteps: 2 } as const;
    const endless = streamed().take(16).repeat().batch(8);
    await compare(
      (m) => m.fit(x, y, { ...order, validationData: [x, y] }),
      (m) => m.fit(streamed().batch(8), { epochs: 3, validationData: endless, validationSteps: 2 }),
    );
    using model = network();
    const first = await model.evaluate(x.rows(0, 16), y.rows(0, 16), { batchSize: 8 });
    expect(await model.evaluate(endless, { steps: 2 })).to.deep.equal(first);
    expect(await model.evaluate(streamed(), { batchSize: 8, steps: 2 })).to.deep.equal(first);
    expect(await model.evaluate(x, y, { batchSize: 8, steps: 2 })).to.deep.equal(first);
    expect(await model.evaluate(x, y, { steps: 100 })).to.deep.equal(await model.evaluate(x, y));
    const { data } = await model.predict(x.rows(0, 16), { batchSize: 8 });
    expect((await model.predict(endless, { steps: 2 })).data).to.deep.equal(data);
    expect((await model.predict(x, { batchSize: 8, steps: 2 })).data).to.deep.equal(data);
  });

  it('refuses a dataset that never ends where nothing says how many batches to take', async () => {
    using model = network();
    const endless = streamed().take(16).repeat();
    const given = 'Expected integer > 0 where a dataset never ends for';
    for (const batches of [endless, endless.batch(8)]) {
      const fit = (options: gs.FitOptions) => () => model.fit(batches, options);
      await expectFailure(fit({}), 'ERR_OPTION', `${given} fit.stepsPerEpoch but received undefined`);
      await expectFailure(
        fit({ stepsPerEpoch: 1, validationData: batches }),
        'ERR_OPTION',
        `${given} fit.validationSteps but received undefined`,
      );
      await expectFailure(() => model.evaluate(batches), 'ERR_OPTION', `${given} evaluate.steps but received undefined`);
      await expectFailure(() => model.predict(batches), 'ERR_OPTION', `${given} predict.steps but received undefined`);
    }
    await expectFailure(() => model.evaluate(endless, { steps: 0 }), 'ERR_OPTION', /evaluate\.steps/);
  });

  it('evaluates and predicts what arrays give', async () => {
    using model = network();
    expect(await model.evaluate(streamed().batch(8))).to.deep.equal(await model.evaluate(x, y, { batchSize: 8 }));
    const predicted = await model.predict(streamed().batch(8));
    expect(predicted.shape).to.deep.equal([ROWS, 1]);
    expect([...predicted.data]).to.deep.equal([...(await model.predict(x, { batchSize: 8 })).data]);
  });

  it('several inputs and outputs by their names', async () => {
    const [a, b] = [gs.input({ shape: [3], name: 'a' }), gs.input({ shape: [3], name: 'b' })];
    const both = gs.layers.concatenate().apply([a, b]);
    const outputs = [
      gs.layers.dense({ units: 1, name: 'left' }).apply(both),
      gs.layers.dense({ units: 1, name: 'right' }).apply(both),
    ];
    using model = gs.model({ inputs: [a, b], outputs });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
    const data = gs.data.dataset({ x: { a: x, b: x }, y: { left: y, right: y } }).batch(16);
    expect(await model.evaluate(data)).to.deep.equal(
      await model.evaluate({ a: x, b: x }, { left: y, right: y }, { batchSize: 16 }),
    );
  });

  it('makes the next chunk while the caller works on the one before', async () => {
    let made = 0;
    const source = gs.data.dataset(function* () {
      // Batches of 4 MiB: a chunk has two of them.
      for (; made < 6; made++) yield { x: new gs.Tensor(new Float32Array(1 << 20), [1, 1 << 20]) };
    });
    const read = (element: unknown): Samples => ({ x: [(element as { x: gs.Tensor }).x], y: [], weights: [] });
    const chunks = chunksOf(source, read, { signal: undefined });
    const first = await chunks.next();
    expect((first.value as { samples: Samples }).samples.x[0]!.shape[0]).to.equal(2);
    await sleep(50);
    // The second chunk is complete although nobody has asked for it; the third is not begun.
    expect(made).to.be.within(3, 4);
    await chunks.return();
  });

  it('learns the shape of its inputs from the first element', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1 })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    await model.fit(streamed().batch(8));
    expect(model.weights.map((w) => w.shape)).to.deep.equal([[3, 1], [1]]);
    using evaluated = gs.sequential([gs.layers.dense({ units: 1 })]);
    evaluated.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    await evaluated.evaluate(streamed().batch(8));
    expect(evaluated.weights.map((w) => w.shape)).to.deep.equal([[3, 1], [1]]);
    using predicted = gs.sequential([gs.layers.dense({ units: 1 })]);
    expect((await predicted.predict(streamed().batch(8))).shape).to.deep.equal([ROWS, 1]);
  });

  it('takes options after undefined, where arrays have labels', async () => {
    using model = network();
    const options = wrong({ epochs: 3 });
    expect((await model.fit(wrong(streamed().batch(8)), wrong(undefined), options)).loss).to.have.length(3);
    const epochs: number[] = [];
    for await (const { epoch } of model.train(wrong(streamed().batch(8)), wrong(undefined), options)) epochs.push(epoch);
    expect(epochs).to.deep.equal([0, 1, 2]);
    const signal = AbortSignal.abort();
    await expectFailure(() => model.evaluate(wrong(streamed()), wrong(undefined), { signal }), 'ERR_ABORTED', /aborted/);
  });

  it('refuses what does not go with a dataset or a batch, or is not in it', async () => {
    using model = network();
    const batches = streamed().batch(8);
    const misspelled = streamed()
      .map((sample) => ({ ...sample, sampleWeights: 0 }))
      .batch(8);
    const failures: [() => Promise<unknown>, gs.ErrorCode, string | RegExp][] = [
      [() => model.fit(batches, { batchSize: 'full' }), 'ERR_OPTION', /^Expected number where x is a dataset for fit.batchSize/],
      [
        () => model.fit(batches, { validationSplit: 0.5 }),
        'ERR_OPTION',
        /^Expected 0 where x is a dataset for fit.validationSplit/,
      ],
      [() => model.fit(wrong(x), wrong(undefined)), 'ERR_OPTION', /^Expected labels for fit.y/],
      [() => model.fit(gs.data.dataset({ x }).batch(8)), 'ERR_OPTION', /^Expected batch with x and y for dataset element/],
      [() => model.fit(gs.data.dataset({ x: y, y }).batch(8)), 'ERR_SHAPE', /^Expected x of shape \[\?, 3\] for dense/],
      [() => model.evaluate(batches.take(0)), 'ERR_DATA', /the dataset is empty/],
      [() => model.predict(batches.take(0)), 'ERR_DATA', /the dataset is empty/],
      ...[
        streamed().take(0),
        streamed().batch(64, { dropRemainder: true }),
        gs.data.dataset(function* (): Generator<gs.data.Sample> {}),
      ].map((none): (typeof failures)[number] => [
        () => model.fit(none),
        'ERR_DATA',
        'Expected at least one batch to train on but the dataset is empty',
      ]),
      [() => model.fit(x, y, { validationData: batches.take(0) }), 'ERR_DATA', /the dataset is empty/],
      ...[() => model.fit(misspelled), () => model.evaluate(misspelled), () => model.predict(misspelled)].map(
        (call): (typeof failures)[number] => [
          call,
          'ERR_OPTION',
          'Unknown part "sampleWeights" for a dataset element: did you mean "sampleWeight"?',
        ],
      ),
      [
        () =>
          model.fit(
            wrong(
              streamed()
                .batch(1)
                .map(({ x, y }) => [x, y, [1], [1]]),
            ),
          ),
        'ERR_OPTION',
        /^Expected \[x, y\] or \[x, y, sampleWeight\] for dataset element/,
      ],
      ...[5, null, true, [], 'x', { batchSize: 3 }].map((options): (typeof failures)[number] => [
        () => model.testOnBatch(x, y, wrong(options)),
        'ERR_OPTION',
        /^Expected an object of options for testOnBatch|^Unknown option "batchSize" for testOnBatch/,
      ]),
      [() => model.fit(wrong(batches), y, {}), 'ERR_OPTION', /^Expected undefined where x is a dataset for fit.y/],
      [() => model.train(wrong(batches), y, {}).next(), 'ERR_OPTION', /^Expected undefined where x is a dataset for train.y/],
      [() => model.evaluate(wrong(batches), y, {}), 'ERR_OPTION', /^Expected undefined .* a dataset for evaluate.y/],
      [
        () => model.fit(batches, { sampleWeight: weights }),
        'ERR_OPTION',
        /^Expected undefined .* a dataset for fit.sampleWeight/,
      ],
      [
        () => model.evaluate(batches, { sampleWeight: weights }),
        'ERR_OPTION',
        /^Expected undefined where x is a dataset for evaluate.sampleWeight/,
      ],
    ];
    for (const [call, code, message] of failures) await expectFailure(call, code, message);
  });
});
