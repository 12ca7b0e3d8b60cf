/**
 * What layers add to the loss: regularizers of results, `activityRegularization`, and `context.addLoss` in layers of one's own;
 * against sums and gradients written out in float64.
 */
import { expect } from 'chai';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { describeProgram } from '../lib/train/inspect.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers, ops, regularizers } = gs;

const ROWS = 6;
const numbers = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(9.7 * (i + 1) + seed));
const x = gs.tensor(numbers(ROWS * 3, 1), [ROWS, 3]);
const y = gs.tensor(numbers(ROWS * 2, 2), [ROWS, 2]);
const sum = (values: ArrayLike<number>, of: (v: number) => number) => Array.from(values).reduce((s, v) => s + of(v), 0);

/** y = x W for rows `begin` to `end`: the mean squared error plus factor · Σy² / rows, and its gradient by W. */
function reference(w: readonly number[], factor: number, begin: number, end: number): { loss: number; gradient: number[] } {
  const rows = end - begin;
  const gradient = w.map(() => 0);
  let loss = 0;
  for (let r = begin; r < end; r++) {
    for (let u = 0; u < 2; u++) {
      const made = [0, 1, 2].reduce((s, i) => s + x.data[r * 3 + i]! * w[i * 2 + u]!, 0);
      const error = made - y.data[r * 2 + u]!;
      loss += (error * error) / (2 * rows) + (factor * made * made) / rows;
      for (let i = 0; i < 3; i++)
        gradient[i * 2 + u]! += x.data[r * 3 + i]! * ((2 * error) / (2 * rows) + (2 * factor * made) / rows);
    }
  }
  return { loss, gradient };
}

const first = [0.3, -0.2, 0.5, 0.1, -0.4, 0.25];
const [RATE, FACTOR] = [0.1, 0.2];

type Slope = (w: readonly number[], begin: number, end: number) => { loss: number; gradient: number[] };

/** Where a step for rows 0 to 3 and one for rows 4 and 5 lead, and the mean of the losses on the way. */
function afterTwoBatches(slope: Slope): { w: number[]; mean: number } {
  const w = [...first];
  let mean = 0;
  for (const [begin, end] of [
    [0, 4],
    [4, 6],
  ] as const) {
    const { loss, gradient } = slope(w, begin, end);
    mean += (loss * (end - begin)) / ROWS;
    gradient.forEach((g, i) => (w[i]! -= RATE * g));
  }
  return { w, mean };
}

/** Adds half of the square of what it multiplies by. */
const weighed = layers.defineLayer({
  className: 'TestWeighed',
  weights: () => [{ name: 'factor', shape: [1], initializer: 'ones' }],
  call(_options, values, { weight, addLoss }) {
    addLoss(ops.mul(ops.square(weight('factor')), 0.5));
    return ops.mul(values, weight('factor'));
  },
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`what layers add to the loss on ${name}`, () => {
    const regularized = async (optimizer: gs.Optimizer = gs.optimizers.sgd({ learningRate: RATE })) => {
      const activityRegularizer = regularizers.l2({ l2: FACTOR });
      const model = gs.sequential([layers.dense({ units: 2, useBias: false, activityRegularizer, inputShape: [3] })]);
      model.compile({ optimizer, loss: 'meanSquaredError', metrics: ['meanSquaredError'], device });
      await model.setWeights([gs.tensor(Float32Array.from(first), [3, 2])]);
      return model;
    };
    const expectKernel = async (model: gs.Model, wanted: readonly number[]) => {
      const [kernel] = await model.getWeights();
      wanted.forEach((v, i) => expect(kernel!.data[i]!).to.be.closeTo(v, 2e-6));
    };

    it('activityRegularizer: over the rows of each batch, in the gradient too', async () => {
      using model = await regularized();
      const { w, mean } = afterTwoBatches((at, begin, end) => reference(at, FACTOR, begin, end));
      const { loss, meanSquaredError } = await model.fit(x, y, { batchSize: 4, shuffle: false });
      expect(loss![0]!).to.be.closeTo(mean, 2e-6);
      expect(meanSquaredError![0]!).to.be.lessThan(mean);
      await expectKernel(model, w);
      const { loss: evaluated } = await model.evaluate(x, y, { batchSize: ROWS });
      expect(evaluated!).to.be.closeTo(reference(w, FACTOR, 0, ROWS).loss, 2e-6);
    });

    it('is exact where an update sees several batches', async () => {
      const { gradient } = reference(first, FACTOR, 0, ROWS);
      const wanted = first.map((v, i) => v - RATE * gradient[i]!);
      using accumulated = await regularized(gs.optimizers.sgd({ learningRate: RATE, gradientAccumulationSteps: 2 }));
      await accumulated.fit(x, y, { batchSize: 4, shuffle: false });
      await expectKernel(accumulated, wanted);
      using full = await regularized();
      await full.fit(x, y, { batchSize: 'full' });
      await expectKernel(full, wanted);
    });

    it('activityRegularization: of what passes through', async () => {
      using model = gs.sequential([layers.activityRegularization({ l1: 0.5, l2: 0.25, inputShape: [3] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError', device });
      const wanted = (0.5 * sum(x.data, Math.abs) + 0.25 * sum(x.data, (v) => v * v)) / ROWS;
      expect((await model.evaluate(x, x)).loss).to.be.closeTo(wanted, 2e-6);
      expect((await model.predict(x)).data).to.deep.equal(x.data);
    });

    describe('alone, with no loss of an output', () => {
      /** Kernel's l2 and the results' l2: Σw² / 5 + Σy² / (4 · rows). */
      const alone = async (loss: null | [null] = null) => {
        const model = gs.sequential([
          layers.dense({
            units: 2,
            useBias: false,
            inputShape: [3],
            kernelRegularizer: regularizers.l2({ l2: 0.2 }),
            activityRegularizer: regularizers.l2({ l2: 0.25 }),
          }),
        ]);
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: RATE }), loss, device });
        await model.setWeights([gs.tensor(Float32Array.from(first), [3, 2])]);
        return model;
      };
      const exact = (w: readonly number[], begin: number, end: number) => {
        const gradient = w.map((v) => 0.4 * v);
        let loss = sum(w, (v) => 0.2 * v * v);
        for (let r = begin; r < end; r++) {
          for (let u = 0; u < 2; u++) {
            const made = [0, 1, 2].reduce((s, i) => s + x.data[r * 3 + i]! * w[i * 2 + u]!, 0);
            loss += (0.25 * made * made) / (end - begin);
            for (let i = 0; i < 3; i++) gradient[i * 2 + u]! += (0.5 * made * x.data[r * 3 + i]!) / (end - begin);
          }
        }
        return { loss, gradient };
      };

      it('is what fit, evaluate and trainOnBatch take no labels for', async () => {
        using model = await alone();
        const { w, mean } = afterTwoBatches(exact);
        const options = { batchSize: 4, shuffle: false, validationData: [x, null] } as const;
        const history = await model.fit(x, null, options);
        expect(history.loss![0]!).to.be.closeTo(mean, 2e-6);
        expect(history.val_loss![0]!).to.be.closeTo((4 * exact(w, 0, 4).loss + 2 * exact(w, 4, 6).loss) / ROWS, 2e-6);
        await expectKernel(model, w);
        expect((await model.evaluate(x, null, { batchSize: ROWS })).loss!).to.be.closeTo(exact(w, 0, ROWS).loss, 2e-6);
        const { loss, gradient } = exact(w, 0, ROWS);
        expect((await model.trainOnBatch(x, null)).loss!).to.be.closeTo(loss, 2e-6);
        const moved = w.map((v, i) => v - RATE * gradient[i]!);
        await expectKernel(model, moved);
      });

      it('from datasets without labels; saved and loaded', async () => {
        const path = join(tmpdir(), `gradstep_unlabelled_${process.pid}_${device.replace(':', '_')}.safetensors`);
        using model = await alone([null]);
        const { loss, gradient } = exact(first, 0, ROWS);
        const rows = gs.data.dataset({ x }).batch(ROWS);
        expect((await model.fit(rows)).loss![0]!).to.be.closeTo(loss, 2e-6);
        const w = first.map((v, i) => v - RATE * gradient[i]!);
        await expectKernel(model, w);
        await model.save(path, { includeOptimizer: true });
        using again = await gs.loadModel(path, { device });
        await rm(path);
        expect((await again.evaluate(rows)).loss!).to.be.closeTo(exact(w, 0, ROWS).loss, 2e-6);
        expect((await again.fit(x, null, { batchSize: ROWS })).loss![0]!).to.be.closeTo(exact(w, 0, ROWS).loss, 2e-6);
      });

      it('is what recipes take, and models of several outputs, none of which has a loss', async () => {
        using model = await alone();
        const { losses } = await gs.recipes.learningRateFinder(model, x, null as never, { steps: 5 });
        expect(losses[0]).to.be.closeTo(exact(first, 0, ROWS).loss, 2e-6);
        const input = gs.input({ shape: [3] });
        const heads = ['a', 'b'].map((head) => layers.dense({ units: 1, name: head, activityRegularizer: 'l2' }).apply(input));
        using two = gs.model({ inputs: input, outputs: heads });
        for (const loss of [null, [null, null], { a: null, b: null }]) {
          two.compile({ optimizer: 'sgd', loss, device });
          expect((await two.evaluate(x, [null, null] as never)).loss).to.be.above(0);
        }
        await expectFailure(
          () => two.compile({ optimizer: 'sgd', loss: {}, device }),
          'ERR_OPTION',
          /^Expected loss for at least one output/,
        );
      });

      it('refuses labels, weights and metrics, and a model whose layers add nothing', async () => {
        using model = await alone();
        await expectFailure(() => model.fit(x, y), 'ERR_OPTION', /^Expected null where compile.loss is null for y/);
        const weighted = { sampleWeight: new Float32Array(ROWS) };
        await expectFailure(
          () => model.fit(x, null, weighted),
          'ERR_OPTION',
          /^Expected undefined where compile.loss is null for sampleWeight/,
        );
        const byClass = { classWeight: { 0: 2 } };
        for (const run of [
          () => model.fit(x, null, byClass),
          () => model.trainOnBatch(x, null, byClass),
          () => model.fit(gs.data.dataset({ x }).batch(2), byClass),
        ]) {
          await expectFailure(run, 'ERR_OPTION', /^Expected undefined where compile.loss is null for classWeight/);
        }
        const options = { optimizer: 'sgd', loss: null, device } as const;
        await expectFailure(
          () => model.compile({ ...options, metrics: ['mse'] }),
          'ERR_OPTION',
          /^Expected no metrics where no output has a loss for compile.metrics/,
        );
        using plain = gs.sequential([layers.dense({ units: 1, inputShape: [3] })]);
        plain.compile(options);
        const nothing =
          /^Expected a loss for an output, or layers that add to the loss, but compile.loss is null and no layer does/;
        await expectFailure(() => plain.fit(x, null), 'ERR_OPTION', nothing);
        plain.compile({ ...options, loss: 'mse' });
        await expectFailure(() => plain.fit(x, null), 'ERR_OPTION', /^Expected labels for y but received null/);
      });
    });

    it("addLoss in a layer of one's own: training moves by its gradient", async () => {
      using model = gs.sequential([weighed({ inputShape: [3] })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: RATE }), loss: 'meanSquaredError', device });
      // The factor is 1: the error is 0, ½ f² is ½, its slope is 1.
      expect((await model.fit(x, x, { batchSize: ROWS })).loss![0]!).to.be.closeTo(0.5, 1e-6);
      expect((await model.getWeights())[0]!.data[0]!).to.be.closeTo(1 - RATE, 1e-6);
    });

    it('inside other models and wrappers, wherever a layer is called', async () => {
      const l1 = { activityRegularizer: regularizers.l1({ l1: 1 }) };
      const same = () => layers.activation({ activation: 'linear', ...l1 });
      const nested = gs.sequential([layers.timeDistributed({ layer: same(), inputShape: [3, 1] }), same()]);
      const input = gs.input({ shape: [3, 1] });
      const sequence = gs.tensor(x.data, [ROWS, 3, 1]);
      const recurrence = layers.simpleRNN({ units: 1, activation: 'linear', returnSequences: true, ...l1 });
      const both = layers.bidirectional({ layer: recurrence, mergeMode: 'sum' });
      const outputs = [nested.apply(nested.apply(input)), both.apply(input)];
      using model = gs.model({ inputs: input, outputs });
      model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError', lossWeights: [1, 0], device });
      // Recurrences that yield twice their input forward, and three times backward.
      await model.setWeights([[[2]], [[0]], [0], [[3]], [[0]], [0]].map((w) => gs.tensor(w as number[][])));
      const all = sum(x.data, Math.abs);
      // Steps of timeDistributed are rows.
      const wanted = 2 * (all / (ROWS * 3) + all / ROWS) + (2 + 3) * (all / ROWS);
      const { loss } = await model.evaluate(sequence, [sequence, sequence]);
      expect(loss).to.be.closeTo(wanted, 1e-5);
    });

    it("in a step of one's own, where regularizationLoss is asked for after the call", async () => {
      const model = gs.sequential([weighed({ activityRegularizer: 'l2', inputShape: [3] })]);
      using step = gs.compile(
        (given) => {
          const before = model.regularizationLoss();
          model.call(given.x);
          return { before, after: model.regularizationLoss() };
        },
        { inputs: { x: { shape: [ROWS, 3] } }, device },
      );
      const { before, after } = await step({ x });
      expect(before.data[0]).to.equal(0);
      expect(after.data[0]!).to.be.closeTo(0.5 + (0.01 * sum(x.data, (v) => v * v)) / ROWS, 1e-6);
    });
  });
}

describe('what layers add to the loss', () => {
  it('is saved with the layer', async () => {
    const path = join(tmpdir(), `gradstep-added-losses-${process.pid}.safetensors`);
    using model = gs.sequential([layers.dense({ units: 2, activityRegularizer: 'l1', name: 'd', inputShape: [3] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const wanted = await model.evaluate(x, y);
    await model.save(path);
    using again = await gs.loadModel(path, { device: 'cpu' });
    await rm(path);
    expect(await again.evaluate(x, y)).to.deep.equal(wanted);
    expect(JSON.stringify(again.toJSON())).to.include('"activityRegularizer":{"name":"l1","config":{"l1":0.01}}');
    using own = gs.sequential([layers.flatten({ activityRegularizer: (v) => ops.sum(v), inputShape: [3], name: 'f' })]);
    await expectFailure(() => own.toJSON(), 'ERR_OPTION', /cannot be saved \(f\.activityRegularizer\)$/);
  });

  it('costs a prediction nothing', () => {
    using model = gs.sequential([layers.activityRegularization({ l2: 1, inputShape: [3] })]);
    expect(describeProgram(model, { kind: 'predict', rows: 4 })).not.to.match(/reduceSum|map/);
  });

  it('must be values of the step', async () => {
    const adding = (className: string, loss: (values: gs.Value) => unknown) => {
      const layer = layers.defineLayer({
        className,
        call: (_options, values, { addLoss }) => {
          addLoss(wrong(loss(values)));
          return values;
        },
      });
      return gs.sequential([layer({ inputShape: [3] })]).predict(x);
    };
    await expectFailure(() => adding('TestAddsNumber', () => 3), 'ERR_OPTION', /addLoss but received 3 of type number/);
    await expectFailure(() => adding('TestAddsIntegers', ops.argmax), 'ERR_DTYPE', /addLoss but received int32/);
    await expectFailure(
      () => layers.rnn({ cell: layers.lstmCell({ units: 3, activityRegularizer: 'l2' }) }),
      'ERR_OPTION',
      /^Expected none, as the layer around a cell takes it, for layers\.rnn\.cell\.activityRegularizer/,
    );
    await expectFailure(
      () => layers.dense({ units: 1, activityRegularizer: wrong('l3') }),
      'ERR_OPTION',
      /^Unknown regularizer "l3" for layers\.dense\.activityRegularizer/,
    );
  });
});
