/** The training loop as callbacks see and steer it, and `model.train`, the same loop driven by its caller. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import * as gs from '../lib/index.js';
import { Session } from '../lib/runtime/session.js';
import { CALLBACK_METHODS } from '../lib/train/callback.js';
import { expectFailure, failure, wrong } from './helpers/failure.js';

const x = gs.tensor(
  Float32Array.from({ length: 40 }, (_, i) => Math.sin(i)),
  [20, 2],
);
const y = Float32Array.from({ length: 20 }, (_, i) => i / 10);
/** Seven steps an epoch. */
const run = { batchSize: 3 };

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
  const optimizer = gs.optimizers.sgd({ learningRate: 0.1 });
  model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 1, threads: 1, ...options });
  return model;
}

const accumulating = (gradientAccumulationSteps: number) => ({
  optimizer: gs.optimizers.sgd({ learningRate: 0.1, gradientAccumulationSteps }),
});

/** Writes down the batches that it hears of. */
function batches(batchInterval?: number): gs.Callback & { begun: number[]; ended: number[]; losses: number[] } {
  const [begun, ended, losses]: number[][] = [[], [], []];
  return {
    ...(batchInterval !== undefined && { batchInterval }),
    begun: begun!,
    ended: ended!,
    losses: losses!,
    onBatchBegin: (batch) => void begun!.push(batch),
    onBatchEnd: (batch, { loss }) => {
      ended!.push(batch);
      losses!.push(loss);
    },
  };
}

describe('the training loop', () => {
  it('calls callbacks in order, and waits for each', async () => {
    using model = network();
    const heard: string[] = [];
    const callback = (name: string): gs.Callback => {
      const hear = async (what: string): Promise<void> => {
        heard.push(`${name} ${what}`);
        await sleep(2);
        heard.push('.');
      };
      return {
        onTrainBegin: ({ epochs, steps, validates, totalSteps }) => hear(`begins ${epochs} ${steps} ${validates} ${totalSteps}`),
        onEpochBegin: (epoch) => hear(`epoch ${epoch}`),
        onBatchBegin: (batch) => hear(`batch ${batch}`),
        onBatchEnd: (batch, logs, { totalSteps }) => hear(`after ${batch}, ${Object.keys(logs).join()}, ${totalSteps} in all`),
        onEpochEnd: (epoch, logs) => hear(`end of ${epoch}: ${Object.keys(logs).join()}`),
        onTrainEnd: (logs) => hear(`ends ${Object.keys(logs).join()}`),
        onTrainError: () => hear('never'),
      };
    };
    await model.fit(x, y, { batchSize: 20, epochs: 2, validationData: [x, y], callbacks: [callback('a'), callback('b')] });
    const expected = [
      'begins 2 1 true 0',
      ...[0, 1].flatMap((epoch) => [
        `epoch ${epoch}`,
        'batch 0',
        `after 0, loss, ${epoch + 1} in all`,
        `end of ${epoch}: loss,val_loss`,
      ]),
      'ends loss,val_loss',
    ];
    expect(heard).to.deep.equal(expected.flatMap((what) => [`a ${what}`, '.', `b ${what}`, '.']));
  });

  // Keras 3.15.1: `validation_freq` with `initial_epoch`, the epochs whose logs have val_loss.
  for (const { initialEpoch, validationFreq, expected } of [
    { initialEpoch: 3, validationFreq: 2, expected: [3, 5] },
    { initialEpoch: 0, validationFreq: 3, expected: [2, 5] },
  ]) {
    it(`validates after each ${validationFreq} epochs from the model's first on, begun at ${initialEpoch}`, async () => {
      using model = network();
      const validated: number[] = [];
      const hear: gs.Callback = {
        onEpochEnd: (epoch, logs) => ('val_loss' in logs ? void validated.push(epoch) : undefined),
      };
      const options = { ...run, initialEpoch, epochs: 7, validationData: [x, y], validationFreq, callbacks: [hear] } as const;
      await model.fit(x, y, options);
      expect(validated).to.deep.equal(expected);
    });
  }

  for (const { name, options, compile = {}, interval, begun, ended } of [
    { name: 'each', options: {}, begun: [0, 1, 2, 3, 4, 5, 6], ended: [0, 1, 2, 3, 4, 5, 6] },
    { name: 'each third, and the last', options: { stepsPerExecution: 3 }, begun: [0, 3, 6], ended: [2, 5, 6] },
    {
      name: 'each once where two make an update',
      options: {},
      compile: accumulating(2),
      begun: [0, 1, 2, 3, 4, 5, 6],
      ended: [0, 1, 2, 3, 4, 5, 6],
    },
    {
      name: 'each third where two make an update',
      options: { stepsPerExecution: 3 },
      compile: accumulating(2),
      begun: [0, 3, 6],
      ended: [2, 5, 6],
    },
    { name: 'in intervals', options: { epochs: 2 }, interval: 4, begun: [], ended: [3, 0, 4] },
  ]) {
    it(`tells of batches: ${name}`, async () => {
      using silent = network(compile);
      await silent.fit(x, y, { ...run, ...options });
      for (const data of ['rows', 'stream']) {
        using model = network(compile);
        const callback = batches(interval);
        const order: gs.FitOptions = { ...run, ...options, callbacks: [callback] };
        if (data === 'rows') await model.fit(x, y, order);
        else await model.fit(gs.data.dataset({ x, y }), order);
        expect(callback.begun, data).to.deep.equal(begun);
        expect(callback.ended, data).to.deep.equal(ended);
        if (data === 'rows') expect(await model.getWeights()).to.deep.equal(await silent.getWeights());
      }
    });
  }

  it('tells of batches by steps of the epoch, however its data come in pieces and whoever else listens', async () => {
    const many = gs.data.dataset(Array.from({ length: 150 }, (_, i) => ({ x: [i / 150, 1], y: i % 2 }))).batch(1); // pieces of 64
    for (const stepsPerExecution of [40, 7]) {
      using model = network();
      const [all, some] = [batches(), batches(50)];
      await model.fit(many, { epochs: 2, stepsPerExecution, callbacks: [all, some] });
      const begun = Array.from({ length: Math.ceil(150 / stepsPerExecution) }, (_, i) => i * stepsPerExecution);
      const ended = [...begun.slice(1).map((batch) => batch - 1), 149];
      expect(all.begun).to.deep.equal([...begun, ...begun]);
      expect(all.ended).to.deep.equal([...ended, ...ended]);
      expect(some.ended).to.deep.equal([49, 99, 149, 49, 99, 149]);
    }
  });

  it('tells of each batch after an update that the run before did not come to', async () => {
    const { run: whole } = Session.prototype;
    Session.prototype.run = function (stretches, report) {
      return whole.call(this, [{ ...stretches[0]!, steps: 1 }], report);
    };
    try {
      using model = network(accumulating(2));
      const stop: gs.Callback = { ...batches(), onProgress: ({ step }, context) => void (step === 4 && context.stop()) };
      await model.fit(x, y, { ...run, stepsPerExecution: 7, callbacks: [stop] });
      const [all, some] = [batches(), batches(4)];
      await model.fit(x, y, { ...run, resume: true, callbacks: [all, some] });
      expect(all.begun).to.deep.equal([4, 5, 6]);
      expect(all.ended).to.deep.equal([4, 5, 6]);
      expect(some.ended).to.deep.equal([3]);
    } finally {
      Session.prototype.run = whole;
    }
  });

  it('gives batches the running means of their epoch', async () => {
    // With a rate of nothing the losses of batches are (x·w + b − y)², averaged over the rows so far.
    using model = network({ optimizer: gs.optimizers.sgd({ learningRate: 0 }) });
    const callback = batches();
    await model.fit(x, y, { ...run, shuffle: false, callbacks: [callback] });
    const [[w0, w1], [b]] = (await model.getWeights()).map((w) => [...w.data]) as [[number, number], [number]];
    const errors = Array.from(y, (t, i) => (x.data[2 * i]! * w0 + x.data[2 * i + 1]! * w1 + b - t) ** 2);
    const mean = (rows: number): number => errors.slice(0, rows).reduce((s, e) => s + e, 0) / rows;
    expect(callback.losses).to.have.length(7);
    callback.losses.forEach((loss, i) => expect(loss).to.be.closeTo(mean(Math.min(20, 3 * (i + 1))), 1e-6));
  });

  it('ends after the step under way when a callback says so', async () => {
    for (const [where, steps, epochs, validations] of [
      ['onTrainBegin', 0, 0, 0],
      ['onEpochBegin', 0, 0, 0],
      ['onBatchBegin', 0, 1, 0],
      ['onBatchEnd', 1, 1, 0],
      ['onEpochEnd', 7, 1, 1],
    ] as const) {
      using model = network();
      let ended = 0;
      const callback: gs.Callback = {
        [where]: (...args: unknown[]) => (args.at(-1) as gs.TrainingContext).stop(),
        onTrainEnd: (_logs, { totalSteps }) => {
          ended++;
          expect(totalSteps, where).to.equal(steps);
        },
      };
      const history = await model.fit(x, y, { ...run, epochs: 3, validationData: [x, y], callbacks: [callback] });
      expect(history.epoch, where).to.have.length(epochs);
      expect(history.val_loss ?? [], where).to.have.length(validations);
      expect(ended).to.equal(1);
    }
  });

  it('ends a long epoch when it is told to from outside', async () => {
    using model = network();
    let context: gs.TrainingContext | undefined;
    const training = model.fit(x, y, { batchSize: 1, epochs: 1e6, callbacks: [{ onTrainBegin: (c) => void (context = c) }] });
    while (!context || context.totalSteps === 0) await sleep(5);
    context.stop();
    expect((await training).loss.length).to.be.below(1e6);
    expect((await model.fit(x, y, run)).loss).to.have.length(1);
  });

  it('rejects with errors of callbacks, after all were told', async () => {
    for (const where of [
      'onTrainBegin',
      'onEpochBegin',
      'onBatchBegin',
      'onBatchEnd',
      'onProgress',
      'onEpochEnd',
      'onTrainEnd',
    ] as const) {
      using model = network();
      const mine = new Error('mine');
      const told: unknown[] = [];
      const failing: gs.Callback = {
        [where]: () => {
          throw mine;
        },
        onTrainError: (error) => {
          told.push(error);
          throw new Error('another');
        },
      };
      const other: gs.Callback = { onTrainError: (error) => void told.push(error) };
      const error = await model.fit(x, y, { ...run, callbacks: [failing, other] }).catch((e: unknown) => e);
      expect(error, where).to.equal(mine);
      expect(told, where).to.deep.equal([mine, mine]);
      expect((await model.fit(x, y, run)).loss).to.have.length(1);
    }
  });

  it('rejects with what promises of callbacks and of onProgress are rejected with', async () => {
    for (const where of ['onBatchEnd', 'onProgress', 'onEpochEnd', 'onTrainEnd'] as const) {
      using model = network();
      const mine = new Error('mine');
      const failing = { [where]: () => sleep(5).then(() => Promise.reject(mine)) };
      expect(await model.fit(x, y, { ...run, callbacks: [failing] }).catch((e: unknown) => e), where).to.equal(mine);
    }
    using model = network();
    const mine = new Error('mine');
    const onProgress = (): Promise<void> => sleep(5).then(() => Promise.reject(mine));
    expect(await model.fit(x, y, { ...run, onProgress }).catch((e: unknown) => e)).to.equal(mine);
  });

  it('puts weights back only if all of them fit', async () => {
    const cases: [weights: (good: readonly Float32Array[]) => unknown, code: gs.ErrorCode, message: RegExp][] = [
      [([kernel]) => [kernel], 'ERR_SHAPE', /^Expected \d weights but received 1$/],
      [
        (good) => [...good.slice(0, -1), new Float32Array(100_000)],
        'ERR_SHAPE',
        /^Expected shape \[1\] for dense\/bias but received \[100000\]$/,
      ],
      [
        (good) => [...good.slice(0, -1), new Float32Array(0)],
        'ERR_SHAPE',
        /^Expected shape \[1\] for dense\/bias but received \[0\]$/,
      ],
      [(good) => [...good.slice(0, -1), new Int32Array(good.at(-1)!.length)], 'ERR_DTYPE', /^Expected float32 for .* int32$/],
      [() => undefined, 'ERR_OPTION', /^Expected array of tensors for weights but received undefined$/],
    ];
    for (const [weights, code, message] of cases) {
      using model = network();
      let before: readonly Float32Array[] = [];
      let after: readonly Float32Array[] = [];
      const callback: gs.Callback = {
        async onEpochEnd(_epoch, _logs, context) {
          before = (await context.snapshot()).weights;
          const ones = before.map((w) => new Float32Array(w.length).fill(1));
          await expectFailure(() => context.restoreWeights(weights(ones) as never), code, message);
          after = (await context.snapshot()).weights;
          await context.restoreWeights(ones);
        },
      };
      await model.fit(x, y, { ...run, callbacks: [callback] });
      expect(after).to.deep.equal(before);
      for (const { data } of await model.getWeights()) expect([...new Set(data)]).to.deep.equal([1]);
    }
  });

  it('lets callbacks use the model', async () => {
    using model = network();
    let during: gs.Logs | undefined;
    const callback: gs.Callback = {
      onBatchEnd: async (batch, _logs, context) => {
        if (batch === 2) during = await context.model.evaluate(x, y);
      },
    };
    await model.fit(x, y, { ...run, callbacks: [callback] });
    using alone = network();
    await alone.fit(x, y, run);
    expect(during!.loss).to.be.above(0);
    expect(await model.getWeights()).to.deep.equal(await alone.getWeights());
  });
});

describe('callbacks of fit', () => {
  it('have functions as methods, and a whole number as interval', async () => {
    using model = network();
    for (const method of CALLBACK_METHODS) {
      await expectFailure(
        () => model.fit(x, y, { callbacks: [{}, wrong({ [method]: 5 })] }),
        'ERR_OPTION',
        `Expected function for fit.callbacks[1].${method} but received 5 of type number`,
      );
    }
    for (const batchInterval of [0, -1, NaN, 0.5, 'x', null]) {
      await expectFailure(
        () => model.fit(x, y, { callbacks: [wrong({ batchInterval })] }),
        'ERR_OPTION',
        /^Expected integer > 0 for fit.callbacks\[0\].batchInterval but received/,
      );
    }
  });
});

describe('model.train', () => {
  it('yields what the history of fit holds', async () => {
    using other = network();
    const options = { ...run, epochs: 3, validationData: [x, y] as const };
    const history = await other.fit(x, y, options);
    using model = network();
    const reports: gs.EpochReport[] = [];
    for await (const report of model.train(x, y, options)) reports.push(report);
    expect(reports).to.deep.equal([0, 1, 2].map((i) => ({ epoch: i, loss: history.loss[i], val_loss: history.val_loss![i] })));
    expect(await model.getWeights()).to.deep.equal(await other.getWeights());
    const streamed: number[] = [];
    for await (const { epoch } of model.train(gs.data.dataset({ x, y }), { ...run, epochs: 2 })) streamed.push(epoch);
    expect(streamed).to.deep.equal([0, 1]);
  });

  it('begins an epoch when it is asked for one', async () => {
    using model = network();
    const begun: number[] = [];
    const callbacks: gs.Callback[] = [{ onEpochBegin: (epoch) => void begun.push(epoch) }];
    const reports = model.train(x, y, { ...run, epochs: 2, callbacks });
    await sleep(20);
    expect(begun).to.deep.equal([]);
    await reports.next();
    await sleep(20);
    expect(begun).to.deep.equal([0]);
    expect((await failure(model.fit(x, y))).code).to.equal('ERR_BUSY');
    const [second, third] = await Promise.all([reports.next(), reports.next()]);
    expect(second.value!.epoch).to.equal(1);
    expect(third).to.deep.equal({ done: true, value: undefined });
    expect(await reports.next()).to.deep.equal({ done: true, value: undefined });
  });

  it('ends when the loop is left, in an epoch too', async () => {
    using model = network();
    let ends = 0;
    const callbacks: gs.Callback[] = [{ onTrainEnd: () => void ends++ }];
    for await (const { epoch } of model.train(x, y, { ...run, epochs: 1000, callbacks })) if (epoch === 1) break;
    expect(ends).to.equal(1);
    const reports = model.train(x, y, {
      batchSize: 1,
      stepsPerEpoch: 20,
      epochs: 1e7,
      callbacks: [...callbacks, { onBatchEnd: () => sleep(20) }],
    });
    const first = reports.next();
    await sleep(30);
    await reports.return!();
    expect(await first).to.deep.equal({ done: true, value: undefined });
    expect(ends).to.equal(2);
    await model.train(x, y).return!();
    expect((await model.fit(x, y, run)).loss).to.have.length(1);
  });

  it('throws in the loop what fit would reject with', async () => {
    using model = network();
    const loop = async (options: gs.FitOptions): Promise<void> => {
      for await (const { epoch } of model.train(x, y, options)) expect(epoch).to.equal(0);
    };
    await expectFailure(() => loop({ epochs: 0 }), 'ERR_OPTION', /fit\.epochs/);
    const abort = new AbortController();
    const aborting: gs.Callback = { onEpochBegin: (epoch) => (epoch === 1 ? abort.abort() : undefined) };
    await expectFailure(() => loop({ epochs: 3, signal: abort.signal, callbacks: [aborting] }), 'ERR_ABORTED', /aborted/);
    const late: gs.Callback = { onTrainEnd: () => Promise.reject(new Error('late')) };
    const leave = async (): Promise<void> => {
      for await (const { epoch } of model.train(x, y, { epochs: 3, callbacks: [late] })) if (epoch === 0) break;
    };
    expect(((await leave().catch((e: unknown) => e)) as Error).message).to.equal('late');
    expect((await model.fit(x, y, run)).loss).to.have.length(1);
  });
});
