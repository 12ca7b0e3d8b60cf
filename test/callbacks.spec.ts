/** Callbacks that steer training: what Keras documents of them, on logs that the tests make up; options that are wrong. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { Monitor } from '../lib/train/callbacks/monitor.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { callbacks } = gs;

const x = gs.tensor(
  Float32Array.from({ length: 20 }, (_, i) => Math.sin(i)),
  [10, 2],
);
const y = Float32Array.from({ length: 10 }, (_, i) => i / 10);
/** Four steps an epoch. */
const run = { batchSize: 3 };

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2], name: 'out' })]);
  const optimizer = gs.optimizers.sgd({ learningRate: 0.1 });
  model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 1, threads: 1, ...options });
  return model;
}

/** Puts values of the test's own into the logs of each epoch. */
const logged = (key: string, values: readonly unknown[]): gs.Callback => ({
  onEpochEnd: (epoch, logs) => void Object.assign(logs, { [key]: values[epoch] }),
});

describe('callbacks that steer', () => {
  describe('earlyStopping', () => {
    for (const { name, options, key = 'val_loss', values, epochs, bestEpoch, best } of [
      { name: 'at once by default', options: {}, values: [1, 0.9, 0.9, 0.5], epochs: 3, bestEpoch: 1, best: 0.9 },
      { name: 'not for the first epoch', options: {}, values: [NaN, 2, 3], epochs: 3, bestEpoch: 1, best: 2 },
      { name: 'patience', options: { patience: 2 }, values: [1, 0.9, 0.95, 0.91, 0.8], epochs: 4, bestEpoch: 1, best: 0.9 },
      {
        name: 'minDelta',
        options: { patience: 2, minDelta: 0.2 },
        values: [1, 0.9, 0.7, 0.69, 0.68, 0.1],
        epochs: 5,
        bestEpoch: 2,
        best: 0.7,
      },
      {
        name: 'accuracies are better the larger they are',
        options: { monitor: 'val_accuracy', patience: 1 },
        key: 'val_accuracy',
        values: [0.5, 0.6, 0.7, 0.65, 0.9],
        epochs: 4,
        bestEpoch: 2,
        best: 0.7,
      },
      { name: 'mode', options: { mode: 'max' }, values: [1, 2, 3, 2, 9], epochs: 4, bestEpoch: 2, best: 3 },
      {
        name: 'a baseline that is not reached does not end a run of improvements',
        options: { baseline: 0.5, patience: 2 },
        values: [1, 0.9, 0.8, 0.81, 0.1],
        epochs: 4,
        bestEpoch: 2,
        best: 0.8,
      },
      {
        name: 'a baseline that is reached',
        options: { baseline: 0.95, patience: 2 },
        values: [1, 0.9, 0.91, 0.92, 0.1],
        epochs: 4,
        bestEpoch: 1,
        best: 0.9,
      },
      {
        name: 'startFromEpoch',
        options: { startFromEpoch: 2, patience: 1 },
        values: [1, 2, 3, 4, 5],
        epochs: 4,
        bestEpoch: 2,
        best: 3,
      },
    ] as const) {
      it(name, async () => {
        using model = network();
        const stopping = callbacks.earlyStopping(options);
        const history = await model.fit(x, y, { ...run, epochs: 6, callbacks: [logged(key, values), stopping] });
        expect(history.epoch).to.have.length(epochs);
        expect(stopping.stoppedEpoch).to.equal(epochs - 1);
        expect(stopping.bestEpoch).to.equal(bestEpoch);
        expect(stopping.best).to.equal(best);
      });
    }

    it('puts the best weights back, also when nothing stopped training, and begins anew in another run', async () => {
      using model = network();
      const after: number[][] = [];
      const keep: gs.Callback = { onEpochEnd: async () => void after.push([...(await model.getWeights())[0]!.data]) };
      const stopping = callbacks.earlyStopping({ patience: 1, restoreBestWeights: true });
      await model.fit(x, y, { ...run, epochs: 6, callbacks: [keep, logged('val_loss', [3, 2, 2.5]), stopping] });
      expect(after).to.have.length(3);
      expect([...(await model.getWeights())[0]!.data]).to.deep.equal(after[1]);
      expect(after[1]).not.to.deep.equal(after[2]);
      after.length = 0;
      await model.fit(x, y, { ...run, epochs: 2, callbacks: [keep, logged('val_loss', [8, 9]), stopping] });
      expect(stopping.stoppedEpoch).to.equal(1);
      expect([...(await model.getWeights())[0]!.data]).to.deep.equal(after[0]);
    });

    it('waits for validation where it does not come with each epoch', async () => {
      using model = network();
      const stopping = callbacks.earlyStopping({ baseline: -1 });
      const history = await model.fit(x, y, {
        ...run,
        epochs: 4,
        validationData: [x, y],
        validationFreq: 2,
        callbacks: [stopping],
      });
      expect(history.val_loss).to.have.length(2);
      expect(stopping.bestEpoch).to.be.oneOf([1, 3]);
    });

    it('says what is wrong with what it watches', async () => {
      using model = network({ metrics: ['mse'] });
      const fit = (options: object, other: object = {}) =>
        model.fit(x, y, { ...run, ...other, callbacks: [callbacks.earlyStopping(options)] });
      const where = 'callbacks\\.earlyStopping\\.monitor';
      await expectFailure(() => fit({}), 'ERR_OPTION', new RegExp(`^${where} is val_loss, but fit has no validation data`));
      const validationData = [x, y] as const;
      const typo = { monitor: 'val_los', mode: 'min' };
      await expectFailure(() => fit(typo, { validationData }), 'ERR_OPTION', /val_los" for .*did you mean "val_loss"/);
      await expectFailure(() => fit({ monitor: 'mae' }), 'ERR_OPTION', /key of the logs "mae"/);
      for (const [value, kind] of [
        [[1, 2], 'a list of numbers'],
        [[[1], [2]], 'a matrix'],
        ['1', '"1"'],
      ] as const) {
        const several = [logged('mine', [value]), callbacks.earlyStopping({ monitor: 'mine', mode: 'max' })];
        const message = `Expected the key of a number for callbacks.earlyStopping.monitor but mine is ${kind}`;
        await expectFailure(() => model.fit(x, y, { callbacks: several }), 'ERR_OPTION', message);
      }
    });

    it('refuses wrong options', async () => {
      for (const [options, message] of [
        [{ monitor: '' }, /earlyStopping\.monitor/],
        [{ monitor: 'mine' }, /Expected "min" or "max" for callbacks\.earlyStopping\.mode/],
        [{ mode: 'less' }, /earlyStopping\.mode/],
        [{ minDelta: -1 }, /earlyStopping\.minDelta/],
        [{ patience: 0.5 }, /earlyStopping\.patience/],
        [{ baseline: '1' }, /earlyStopping\.baseline/],
        [{ restoreBestWeights: 1 }, /earlyStopping\.restoreBestWeights/],
        [{ startFromEpoch: -1 }, /earlyStopping\.startFromEpoch/],
        [{ patient: 1 }, /did you mean "patience"/],
      ] as const) {
        await expectFailure(() => callbacks.earlyStopping(wrong(options)), 'ERR_OPTION', message);
      }
    });
  });

  it('know for every metric whether less or more of it is better', () => {
    const less =
      /^(false(Positives|Negatives)|.*Error|.*Crossentropy|perplexity|kullbackLeiblerDivergence|poisson|hinge|squaredHinge|categoricalHinge)$/;
    const names = Object.keys(gs.metrics).filter((n) => n !== 'confusionMatrix' && n !== 'fromSums');
    expect(names.length).to.be.above(35);
    for (const name of names) {
      const snake = name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
      for (const key of [name, `val_${name}`, `val_head_${name}`, `${name}_1`, snake]) {
        const better = new Monitor('test', key, 'auto').isBetter(1, 2) ? 'less' : 'more';
        expect(better, key).to.equal(less.test(name) ? 'less' : 'more');
      }
    }
  });

  it('know for every short name whether less or more of it is better', () => {
    const names = ['acc', 'mse', 'mae', 'mape', 'msle', 'bce', 'kld'] as const satisfies gs.MetricName[];
    for (const name of names) {
      const better = new Monitor('test', `val_${name}`, 'auto').isBetter(1, 2) ? 'less' : 'more';
      expect(better, name).to.equal(name === 'acc' ? 'more' : 'less');
    }
  });

  describe('reduceLROnPlateau', () => {
    it('lowers the rate by Keras’s rules', async () => {
      using model = network();
      const options = { factor: 0.5, patience: 2, minDelta: 0, cooldown: 1, minLr: 0.02 };
      const flat = logged('val_loss', new Array(10).fill(1));
      const history = await model.fit(x, y, { ...run, epochs: 10, callbacks: [flat, callbacks.reduceLROnPlateau(options)] });
      // The rate that each epoch trained with. Without the cooldown the second step would come an epoch earlier.
      expect(history.learning_rate).to.deep.equal([0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025, 0.02, 0.02, 0.02]);
    });

    it('watches what it is told to, in the direction it is told', async () => {
      using model = network();
      const values = [1, 1.05, 1.3, 1.35, 1.4, 1.2];
      const plateau = callbacks.reduceLROnPlateau({ monitor: 'mine', mode: 'max', minDelta: 0.2, patience: 1, factor: 0.1 });
      const { learning_rate: rates } = await model.fit(x, y, { ...run, epochs: 6, callbacks: [logged('mine', values), plateau] });
      // Not better: 1.05 (by 0.05), 1.35 and 1.4 (by less than 0.2 than 1.3), 1.2.
      [0.1, 0.1, 0.01, 0.01, 1e-3, 1e-4].forEach((r, i) => expect(rates![i]).to.be.closeTo(r, 1e-9));
    });

    it('trains with the lower rate', async () => {
      using model = network();
      const plateau = callbacks.reduceLROnPlateau({ factor: 1e-9, patience: 1, monitor: 'loss', minDelta: 1e6 });
      const after: number[] = [];
      const keep: gs.Callback = { onEpochEnd: async () => void after.push((await model.getWeights())[0]!.data[0]!) };
      await model.fit(x, y, { ...run, epochs: 4, callbacks: [keep, plateau] });
      expect(after[1]).not.to.equal(after[0]);
      expect(after[2]).to.be.closeTo(after[1]!, 1e-7);
      expect(after[3]).to.be.closeTo(after[1]!, 1e-7);
    });

    it('refuses wrong options, and a schedule', async () => {
      for (const [options, message] of [
        [{ factor: 1 }, /reduceLROnPlateau\.factor/],
        [{ factor: 0 }, /reduceLROnPlateau\.factor/],
        [{ patience: -1 }, /reduceLROnPlateau\.patience/],
        [{ minDelta: -1 }, /reduceLROnPlateau\.minDelta/],
        [{ cooldown: 0.5 }, /reduceLROnPlateau\.cooldown/],
        [{ minLr: -1 }, /reduceLROnPlateau\.minLr/],
        [{ monitor: 3 }, /reduceLROnPlateau\.monitor/],
        [{ mode: 'up' }, /reduceLROnPlateau\.mode/],
      ] as const) {
        await expectFailure(() => callbacks.reduceLROnPlateau(wrong(options)), 'ERR_OPTION', message);
      }
      const learningRate = gs.schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5 });
      using model = network({ optimizer: gs.optimizers.sgd({ learningRate }) });
      const plateau = [callbacks.reduceLROnPlateau({ monitor: 'loss' })];
      await expectFailure(
        () => model.fit(x, y, { callbacks: plateau }),
        'ERR_OPTION',
        /reduceLROnPlateau cannot set .* schedule/,
      );
    });
  });

  describe('learningRateScheduler', () => {
    it('sets each epoch’s rate from the one before', async () => {
      using model = network();
      const seen: [number, number][] = [];
      const scheduler = callbacks.learningRateScheduler({
        schedule: async (epoch, rate) => {
          await Promise.resolve();
          seen.push([epoch, rate]);
          return epoch === 1 ? 0 : rate + 0.25;
        },
      });
      const after: number[] = [];
      const keep: gs.Callback = { onEpochEnd: async () => void after.push((await model.getWeights())[0]!.data[0]!) };
      const history = await model.fit(x, y, { ...run, epochs: 3, callbacks: [scheduler, keep] });
      expect(seen).to.deep.equal([
        [0, 0.1],
        [1, 0.35],
        [2, 0],
      ]);
      expect(history.learning_rate).to.deep.equal([0.35, 0, 0.25]);
      expect(after[1]).to.equal(after[0]);
      expect(after[2]).not.to.equal(after[1]);
    });

    it('lets an epoch that is resumed keep its rate', async () => {
      using model = network();
      const scheduler = callbacks.learningRateScheduler({ schedule: (_epoch, rate) => rate / 2 });
      const stop: gs.Callback = { onBatchEnd: (batch, _logs, context) => (batch === 1 ? context.stop() : undefined) };
      await model.fit(x, y, { ...run, callbacks: [scheduler, stop] });
      const history = await model.fit(x, y, { ...run, epochs: 2, resume: true, callbacks: [scheduler] });
      expect(history.learning_rate).to.deep.equal([0.05, 0.025]);
    });

    it('refuses what is no rate, and a schedule of the optimizer', async () => {
      await expectFailure(() => callbacks.learningRateScheduler(wrong({})), 'ERR_OPTION', /learningRateScheduler\.schedule/);
      using model = network();
      for (const rate of [-1, NaN, '0.1']) {
        const scheduler = callbacks.learningRateScheduler({ schedule: () => wrong(rate) });
        const fit = () => model.fit(x, y, { callbacks: [scheduler] });
        await expectFailure(
          fit,
          'ERR_OPTION',
          /Expected number >= 0 for the result of callbacks\.learningRateScheduler\.schedule/,
        );
      }
      const learningRate = gs.schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 10, decayRate: 0.5 });
      using other = network({ optimizer: gs.optimizers.sgd({ learningRate }) });
      const scheduler = callbacks.learningRateScheduler({ schedule: () => 1 });
      await expectFailure(
        () => other.fit(x, y, { callbacks: [scheduler] }),
        'ERR_OPTION',
        /^callbacks\.learningRateScheduler cannot set the learning rate, as the optimizer's is a schedule/,
      );
      const own: gs.Callback = { onEpochEnd: (_epoch, _logs, context) => context.setLearningRate(1) };
      await expectFailure(
        () => other.fit(x, y, { callbacks: [own] }),
        'ERR_OPTION',
        /cannot be set .* schedule \(exponentialDecay\)/,
      );
      const rates: number[] = [];
      const reader: gs.Callback = { onBatchEnd: async (_b, _l, c) => void rates.push(await c.readLearningRate()) };
      other.compile({ optimizer: gs.optimizers.sgd({ learningRate }), loss: 'meanSquaredError', device: 'cpu' });
      await other.fit(x, y, { ...run, callbacks: [reader] });
      rates.forEach((r, i) => expect(r).to.be.closeTo(0.1 * 0.5 ** ((i + 1) / 10), 1e-12));
      expect(rates).to.have.length(4);
    });
  });

  it('a model has its learning rate read and set, between steps of one’s own and while fit runs', async () => {
    using model = network();
    await model.setWeights([[[0], [0]], [0]]);
    const bias = async (): Promise<number> => (await model.getWeights())[1]!.data[0]!;
    expect(await model.readLearningRate()).to.equal(0.1);
    // w ← w − rate · 2 (w − 1) on inputs of 0.
    await model.trainOnBatch([[0, 0]], [1]);
    expect(await bias()).to.be.closeTo(0.2, 1e-6);
    await model.setLearningRate(0.25);
    await model.trainOnBatch([[0, 0]], [1]);
    expect(await bias()).to.be.closeTo(0.6, 1e-6);
    const rates: number[] = [];
    const halve: gs.Callback = {
      onEpochEnd: async () => {
        await model.setLearningRate((await model.readLearningRate()) / 2);
        rates.push(await model.readLearningRate());
      },
    };
    await model.fit(x, y, { ...run, epochs: 2, callbacks: [halve] });
    expect(rates).to.deep.equal([0.125, 0.0625]);
    expect(await model.readLearningRate()).to.equal(0.0625);
    await expectFailure(() => model.setLearningRate(-1), 'ERR_OPTION', /^Expected number >= 0 for learningRate but received -1/);
    const tooLarge = /^Expected number that float32 holds for learningRate but received (number )?1e\+39/;
    await expectFailure(() => model.setLearningRate(1e39), 'ERR_OPTION', tooLarge);
    expect(await model.readLearningRate()).to.equal(0.0625);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device: 'cpu' });
    expect(await model.readLearningRate()).to.equal(0.5);
    const learningRate = gs.schedules.exponentialDecay({ initialLearningRate: 0.1, decaySteps: 1, decayRate: 0.5 });
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate }), loss: 'meanSquaredError', device: 'cpu' });
    await model.trainOnBatch([[0, 0]], [1]);
    expect(await model.readLearningRate()).to.be.closeTo(0.05, 1e-12);
    await expectFailure(() => model.setLearningRate(1), 'ERR_OPTION', /cannot be set .* schedule \(exponentialDecay\)/);
    using bare = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
    await expectFailure(() => bare.readLearningRate(), 'ERR_NOT_COMPILED', /has not been compiled/);
    await expectFailure(() => bare.setLearningRate(1), 'ERR_NOT_COMPILED', /has not been compiled/);
  });

  it('terminateOnNaN has no options', () =>
    expectFailure(
      () => callbacks.terminateOnNaN(wrong({ patience: 1 })),
      'ERR_OPTION',
      /^Unknown option "patience" for callbacks/,
    ));

  it('terminateOnNaN ends training without an error', async () => {
    using model = network({ onNaN: 'continue' });
    const bad = y.slice();
    bad[4] = NaN;
    const options = { ...run, epochs: 50, callbacks: [callbacks.terminateOnNaN()] };
    const history = await model.fit(x, bad, options);
    expect(history.loss).to.deep.equal([NaN]);
    using healthy = network({ onNaN: 'continue' });
    expect((await healthy.fit(x, y, options)).loss).to.have.length(50);
  });
});
