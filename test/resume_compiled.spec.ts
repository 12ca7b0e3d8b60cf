/** Resuming where a file alone does not say how: `trainable` changed since `compile`, or the loss and metrics are one's own. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';
import { small, trainingIn, x, y, type Saved } from './helpers/resumed_model.js';
import { rewrite } from './helpers/saved_file.js';

describe('resuming what was compiled', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-resume-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  for (const [name, optimizer] of [
    ['adam', gs.optimizers.adam({ learningRate: 0.05 })],
    ['plain sgd', gs.optimizers.sgd({ learningRate: 0.05 })],
  ] as const) {
    for (const after of [true, false]) {
      it(`though trainable became ${after} after compile, until the model is compiled again: ${name}`, async () => {
        const inner = gs.sequential([gs.layers.dense({ units: 4, activation: 'tanh', name: 'a' })]);
        const own = gs.layers.dense({ units: 4, name: 'b', trainable: !after });
        inner.trainable = !after;
        using model = gs.sequential([
          gs.layers.dense({ units: 3, inputShape: [3] }),
          inner,
          own,
          gs.layers.dense({ units: 1, name: 'end' }),
        ]);
        model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
        await model.fit(x, y, { batchSize: 6 });
        inner.trainable = after;
        own.trainable = after;
        const path = join(folder, 'model.safetensors');
        const checkpoint = gs.callbacks.modelCheckpoint({ path, saveFreq: 10 });
        await model.fit(x, y, { epochs: 2, batchSize: 6, resume: true, callbacks: [checkpoint] });
        using again = await gs.loadModel(path, { device: 'cpu' });
        expect(again.getLayer('b').trainable).to.equal(after);
        await again.fit(x, y, { epochs: 2, batchSize: 6, resume: true });
        expect(await again.getWeights()).to.deep.equal(await model.getWeights());
        again.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu' });
        const before = await again.getWeights();
        await again.fit(x, y, { batchSize: 6 });
        const changed = (await again.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(changed).to.deep.equal([true, true, after, after, after, after, true, true]);
      });
    }
  }

  describe('with a loss and a metric of one’s own', () => {
    const loss: gs.LossFunction = (t, p) => gs.ops.square(gs.ops.sub(t, p));
    const metrics: gs.MetricFunction[] = [
      function mine(t, p) {
        return gs.ops.abs(gs.ops.sub(t, p));
      },
    ];
    const adam = gs.optimizers.adam({ learningRate: 0.02 });
    const own = { loss, metrics, optimizer: adam, device: 'cpu', threads: 1 } as const;
    const fit = { epochs: 3, batchSize: 6 };

    /** Lowers the rate once. */
    const lowering: gs.Callback = {
      onEpochBegin: (epoch, context) => (epoch === 0 ? context.setLearningRate(0.01) : undefined),
    };

    function named(epochPath: string): { model: gs.Sequential; checkpoint: gs.Callback } {
      const model = small();
      model.compile({ ...own, seed: 2 });
      return { model, checkpoint: gs.callbacks.modelCheckpoint({ path: join(folder, epochPath), saveFreq: 10 }) };
    }

    it('goes on after compile to the bits of a run that never stopped, in the middle of an epoch', async () => {
      const { model, checkpoint } = named('own.safetensors');
      using straight = model;
      const whole = await straight.fit(x, y, { ...fit, callbacks: [lowering, checkpoint] });
      const path = join(folder, 'own.safetensors');
      expect(trainingIn(path).training).to.deep.include({ step: 20, epochs: 3, learningRate: 0.01 });
      using again = await gs.loadModel(path, { device: 'cpu' });
      // Neither predictions nor saving take anything away.
      await again.predict(x);
      await again.save(path);
      using model2 = await gs.loadModel(path, { device: 'cpu' });
      model2.compile(own);
      const rest = await model2.fit(x, y, { ...fit, resume: true });
      expect(rest.epoch).to.deep.equal([2]);
      expect(rest.loss).to.deep.equal(whole.loss.slice(2));
      expect(rest.mine).to.deep.equal(whole.mine!.slice(2));
      expect(await model2.getWeights()).to.deep.equal(await straight.getWeights());
    });

    it('goes on with another learning rate where compile says another', async () => {
      const { model, checkpoint } = named('own.safetensors');
      using first = model;
      await first.fit(x, y, { ...fit, callbacks: [lowering, checkpoint] });
      using again = await gs.loadModel(join(folder, 'own.safetensors'), { device: 'cpu' });
      again.compile({ ...own, optimizer: gs.optimizers.adam({ learningRate: 0.3 }) });
      const rates: number[] = [];
      const onEpochEnd = async (_epoch: number, _logs: gs.Logs, context: gs.TrainingContext): Promise<void> => {
        rates.push(await context.readLearningRate());
      };
      const { epoch } = await again.fit(x, y, { ...fit, epochs: 4, resume: true, callbacks: [{ onEpochEnd }] });
      expect(epoch).to.deep.equal([2, 3]);
      expect(rates).to.deep.equal([0.3, 0.3]);
    });

    const says = (why: string) =>
      `Expected false for fit.resume but received true: compile could not take up the state that was loaded, as ${why}`;
    const refused: [string, (model: gs.Model) => void, string][] = [
      [
        'another optimizer',
        (model) => model.compile({ ...own, optimizer: gs.optimizers.sgd({ momentum: 0.9 }) }),
        'its optimizer keeps velocity and the saved one m, v',
      ],
      [
        'an optimizer that keeps nothing, and then the right one',
        (model) => {
          model.compile({ ...own, optimizer: 'sgd' });
          model.compile(own);
        },
        'its optimizer keeps nothing and the saved one m, v',
      ],
      [
        'a moving average',
        (model) => model.compile({ ...own, optimizer: gs.optimizers.adam({ useEma: true }) }),
        'its optimizer keeps m, v, ema and the saved one m, v',
      ],
      [
        'a layer frozen',
        (model) => {
          model.layers[0]!.trainable = false;
          model.compile(own);
        },
        'other weights are trained',
      ],
      [
        'other metrics in the middle of an epoch',
        (model) => model.compile({ ...own, metrics: [] }),
        'loss and metrics of the epoch that was not finished are other ones',
      ],
    ];
    for (const [name, compile, why] of refused) {
      it(`says so where compile cannot take the state up: ${name}`, async () => {
        const { model, checkpoint } = named('own.safetensors');
        using first = model;
        await first.fit(x, y, { ...fit, callbacks: [checkpoint] });
        using again = await gs.loadModel(join(folder, 'own.safetensors'), { device: 'cpu' });
        compile(again);
        await expectFailure(() => again.fit(x, y, { ...fit, resume: true }), 'ERR_OPTION', says(why));
        // Training anew is what it says, and can be gone on with.
        expect((await again.fit(x, y, { ...fit, epochs: 1 })).epoch).to.deep.equal([0]);
        expect((await again.fit(x, y, { ...fit, resume: true })).epoch).to.deep.equal([1, 2]);
      });
    }

    it('refuses files that lie about it', async () => {
      const { model } = named('');
      using first = model;
      await first.fit(x, y, { ...fit, epochs: 1 });
      const path = join(folder, 'own.safetensors');
      for (const [kind, message] of [
        [undefined, /Expected object for training\.kind but received undefined/],
        [{ slots: 'm', learningRate: 1 }, /Expected array of names for training\.kind\.slots but received "m"/],
        [{ slots: ['m', 'v'] }, /Expected number for training\.kind\.learningRate but received undefined/],
        [{ slots: ['m'], learningRate: 1 }, /has a tensor that its architecture does not: "optimizer\/v\/dense\/kernel"/],
        [{ slots: ['m', 'v', 'x'], learningRate: 1 }, /lacks the tensor optimizer\/x\/dense\/kernel/],
      ] as const) {
        await first.save(path);
        rewrite<Saved>(path, (saved) => Object.assign(saved.training, { kind }));
        await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
      }
    });
  });

  for (const plain of [false, true]) {
    for (const after of [true, false]) {
      const what = plain ? 'without gamma and beta' : 'with gamma and beta';
      it(`with statistics as they were counted at compile, though trainable became ${after}: ${what}`, async () => {
        const { batchNormalization, bidirectional, dense, reshape, simpleRNN, timeDistributed } = gs.layers;
        const norm = () => batchNormalization({ ...(plain && { center: false, scale: false }), momentum: 0.5 });
        const made = () => {
          const inner = gs.sequential([dense({ units: 4 }), norm()]);
          const wrapped = timeDistributed({ layer: gs.sequential([norm()]) });
          const both = bidirectional({ layer: simpleRNN({ units: 2 }) });
          const last = norm();
          const model = gs.sequential([
            dense({ units: 3, inputShape: [3] }),
            inner,
            reshape({ targetShape: [2, 2] }),
            wrapped,
            both,
            last,
            dense({ units: 1 }),
          ]);
          const parts = [inner, wrapped.options['layer'] as gs.Layer, both.options['layer'] as gs.Layer, last];
          const freeze = (trainable: boolean) => parts.forEach((part) => (part.trainable = trainable));
          freeze(!after);
          const optimizer = gs.optimizers.adam({ learningRate: 0.05 });
          model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
          return { model, freeze };
        };
        const { model, freeze } = made();
        const { model: unchanged } = made();
        const train = async (m: gs.Model) => {
          await m.fit(x, y, { epochs: 2, batchSize: 6, resume: true });
          await m.fit(x, y, { epochs: 3, batchSize: 8, resume: true });
          return m.getWeights();
        };
        await model.fit(x, y, { batchSize: 6 });
        await unchanged.fit(x, y, { batchSize: 6 });
        freeze(after);
        const path = join(folder, 'model.safetensors');
        await model.save(path);
        const again = await gs.loadModel(path, { device: 'cpu' });
        const wanted = await train(unchanged);
        expect(await train(model)).to.deep.equal(wanted);
        expect(await train(again)).to.deep.equal(wanted);
        for (const m of [model, unchanged, again]) await m.dispose();
      });
    }
  }

  for (const after of [true, false]) {
    it(`with statistics as they were counted at compile, though the model's trainable became ${after}`, async () => {
      const { batchNormalization, dense } = gs.layers;
      using model = gs.sequential([dense({ units: 3, inputShape: [3] }), batchNormalization(), dense({ units: 1 })]);
      model.trainable = !after;
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
      model.trainable = after;
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      using again = await gs.loadModel(path, { device: 'cpu' });
      for (const m of [model, again]) {
        const before = await m.getWeights();
        await m.fit(x, y);
        const changed = (await m.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(changed).to.deep.equal(Array(8).fill(!after));
        m.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu', threads: 1 });
        await m.fit(x, y);
        const now = (await m.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(now).to.deep.equal(Array(8).fill(true));
      }
    });
  }

  it('with a model that is frozen as a whole', async () => {
    using model = small();
    model.trainable = false;
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu' });
    await model.fit(x, y);
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    using again = await gs.loadModel(path, { device: 'cpu' });
    expect(again.trainable).to.equal(false);
    await again.fit(x, y, { epochs: 2, resume: true });
    expect(await again.getWeights()).to.deep.equal(await model.getWeights());
    expect(gs.modelFromJson(model.toJSON()).trainable).to.equal(false);
  });

  it('files that lie about what is trained are refused', async () => {
    using model = small();
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    for (const [trained, message] of [
      ['dense/kernel', /Expected array of names for training\.trained but received "dense\/kernel"/],
      [['dense/kernel', 'x'], /Expected name of a weight for training\.trained\[1\] but received "x"/],
      [[['dense/kernel']], /for training\.trained\[0\] but/],
    ] as const) {
      rewrite<Saved>(path, (saved) => Object.assign(saved.training, { trained }));
      await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
    }
    rewrite<Saved>(path, (saved) => {
      delete (saved.training as { trained?: unknown }).trained;
      Object.assign(saved.model, { trainable: 'no' });
    });
    await expectFailure(() => gs.loadModel(path), 'ERR_FILE', /Expected boolean for model\.trainable but received "no"/);
  });
});
