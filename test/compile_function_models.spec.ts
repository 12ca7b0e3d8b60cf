/**
 * Models in gs.compile: trained there they take the steps of fit, and share weights with it; their random numbers, first weights
 * and statistics; adversarial training.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure } from './helpers/failure.js';
import { random } from './helpers/op_run.js';

const { ops } = gs;

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`models in gs.compile on ${name}`, () => {
    it('a model, trained step by step, takes the steps of fit: rates of layers and constraints too', async () => {
      const build = () =>
        gs.sequential([
          gs.layers.dense({ units: 4, activation: 'tanh', inputShape: [3], learningRateMultiplier: 0.25 }),
          gs.layers.dense({ units: 2, kernelConstraint: gs.constraints.maxNorm({ maxValue: 0.75 }) }),
        ]);
      const next = random(3);
      const draw = (n: number) => Array.from({ length: n }, () => Math.fround(2 * next() - 1));
      const x = gs.tensor(Float32Array.from(draw(15)), [5, 3]);
      const y = gs.tensor(Float32Array.from(draw(10)), [5, 2]);
      const optimizer = () => gs.optimizers.adam({ learningRate: 0.125, clipNorm: 0.5 });
      using reference = build();
      reference.compile({ optimizer: optimizer(), loss: 'meanSquaredError', device, seed: 5 });
      using model = build();
      await model.setWeights(await reference.getWeights());
      await reference.fit(x, y, { epochs: 4, batchSize: 5, shuffle: false });
      const mine = optimizer();
      const { trainableVariables } = model;
      using step = gs.compile(
        (data) => {
          const loss = ops.mean(ops.square(ops.sub(model.call(data.x), data.y)));
          gs.applyGradients(mine, gs.grad(loss, trainableVariables), trainableVariables);
          return loss;
        },
        { inputs: { x: { shape: [5, 3] }, y: { shape: [5, 2] } }, device },
      );
      await step({ x, y }, { steps: 3 });
      await step({ x, y });
      const [found, wanted] = [await model.getWeights(), await reference.getWeights()];
      wanted.forEach((w, i) => expectClose(found[i]!.data, [...w.data]));
    });

    it('has the penalties of a model’s trained weights: by the formula, and a step of fit', async () => {
      const build = (frozen = false) =>
        gs.sequential([
          gs.layers.dense({ units: 2, inputShape: [2], kernelRegularizer: gs.regularizers.l1l2({ l1: 0.1, l2: 0.3 }) }),
          gs.sequential([gs.layers.dense({ units: 1, kernelRegularizer: 'l2', biasRegularizer: 'l1', trainable: !frozen })]),
        ]);
      const weights = [
        [
          [0.5, -1],
          [2, 0.25],
        ],
        [0.5, -0.5],
        [[-1.5], [0.75]],
        [-2],
      ];
      const [x, y] = [[[1, -2]], [[3]]];
      using reference = build();
      reference.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device });
      using model = build();
      using frozen = build(true);
      using none = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
      for (const m of [reference, model, frozen]) await m.setWeights(weights);
      const rule = gs.optimizers.sgd({ learningRate: 0.5 });
      const { trainableVariables } = model;
      using step = gs.compile(
        (data) => {
          const penalty = model.regularizationLoss();
          const loss = ops.add(gs.computeLoss('meanSquaredError', data.y, model.call(data.x)), penalty);
          gs.applyGradients(rule, gs.grad(loss, trainableVariables), trainableVariables);
          return { loss, penalty, part: frozen.regularizationLoss(), none: none.regularizationLoss() };
        },
        { inputs: { x: { shape: [1, 2] }, y: { shape: [1, 1] } }, device },
      );
      const found = await step({ x, y });
      const first = 0.1 * (0.5 + 1 + 2 + 0.25) + 0.3 * (0.25 + 1 + 4 + 0.0625);
      expectClose(found.penalty.data, [first + 0.01 * (2.25 + 0.5625) + 0.01 * 2]);
      expectClose(found.part.data, [first]);
      expect(found.none.shape).to.deep.equal([]);
      expect(found.none.data[0]).to.equal(0);
      expectClose(found.loss.data, [(await reference.fit(x, y)).loss![0]!]);
      const [mine, wanted] = [await model.getWeights(), await reference.getWeights()];
      wanted.forEach((w, i) => expectClose(mine[i]!.data, [...w.data]));
    });
  });
}

describe('models in gs.compile', () => {
  const device = 'cpu';

  it('trains a generator against a discriminator', async () => {
    const { dense } = gs.layers;
    const generator = gs.sequential([dense({ units: 1, inputShape: [1] })]);
    const discriminator = gs.sequential([
      dense({ units: 16, activation: 'tanh', inputShape: [1] }),
      dense({ units: 16, activation: 'tanh' }),
      dense({ units: 1 }),
    ]);
    await generator.setWeights([[[1]], [0]]);
    const rows = 64;
    // −log σ(v) and −log(1 − σ(v)).
    const real = (v: gs.Value) => ops.mean(ops.softplus(ops.neg(v)));
    const fake = (v: gs.Value) => ops.mean(ops.softplus(v));
    const judge = gs.optimizers.adam({ learningRate: 0.02, beta1: 0.5 });
    const forge = gs.optimizers.adam({ learningRate: 0.01, beta1: 0.5 });
    const inputs = { noise: { shape: [rows, 1] }, data: { shape: [rows, 1] } } as const;
    using train = gs.compile(
      ({ noise, data }) => {
        const made = generator.call(noise);
        const verdict = discriminator.call(made);
        const judged = ops.add(real(discriminator.call(data)), fake(verdict));
        const [d, g] = [discriminator.trainableVariables, generator.trainableVariables];
        gs.applyGradients(judge, gs.grad(judged, d), d);
        gs.applyGradients(forge, gs.grad(real(verdict), g), g);
        return judged;
      },
      { inputs, device, seed: 1 },
    );
    const next = random(5);
    const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const draw = (mean: number, deviation: number) => Float32Array.from({ length: rows }, () => mean + deviation * normal());
    const tail: number[][] = [];
    for (let n = 0; n < 1200; n++) {
      await train({ noise: draw(0, 1), data: draw(2, 0.5) });
      if (n >= 800 && n % 20 === 0) {
        const [scale, shift] = await generator.getWeights();
        tail.push([shift!.data[0]!, Math.abs(scale!.data[0]!)]);
      }
    }
    // Adversaries circle around the answer: their average is near it.
    const [mean, deviation] = [0, 1].map((k) => tail.reduce((s, t) => s + t[k]!, 0) / tail.length);
    expect(mean).to.be.closeTo(2, 0.3);
    expect(deviation).to.be.closeTo(0.5, 0.3);
    await Promise.all([generator.dispose(), discriminator.dispose()]);
  });

  it('shares weights with fit and predict, both ways', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, useBias: false, inputShape: [1] })]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.25 }), loss: 'meanSquaredError', device });
    await model.setWeights([[[1]]]);
    const [kernel] = model.trainableVariables;
    using double = gs.compile(() => kernel!.assign(ops.mul(kernel!.read(), 2)), { device });
    await double();
    expect((await model.predict([[3]])).data[0]).to.equal(6);
    // w ← w − 0.25 · 2 (w x − y) x, from 2 at x = 1, y = 0.
    await model.trainOnBatch([[1]], [[0]]);
    expect((await model.getWeights())[0]!.data[0]).to.equal(1);
    await double();
    await double();
    expect((await model.predict([[1]])).data[0]).to.equal(4);
    await double.dispose();
    expect((await model.predict([[1]])).data[0]).to.equal(4);
    expect([...(await kernel!.value()).data]).to.deep.equal([4]);
  });

  it('gives calls of a model random numbers of their own, others at every step, the same for a seed', async () => {
    const runs: number[][] = [];
    for (let n = 0; n < 2; n++) {
      using model = gs.sequential([gs.layers.dropout({ rate: 0.5, inputShape: [64] })]);
      using f = gs.compile(({ x }) => ({ a: model.call(x), b: model.call(x), c: model.call(x, { training: false }) }), {
        inputs: { x: { shape: [1, 64] } },
        device,
        seed: 9,
      });
      const x = new Float32Array(64).fill(1);
      const [first, second] = [await f({ x }), await f({ x })];
      expect([...first.a.data]).not.to.deep.equal([...first.b.data]);
      expect([...first.a.data]).not.to.deep.equal([...second.a.data]);
      expect([...first.c.data]).to.deep.equal([...x]);
      runs.push([...first.a.data, ...second.b.data]);
    }
    expect(runs[1]).to.deep.equal(runs[0]);
  });

  it('gives models without a seed first weights by its own: others to each, the same again, none that were there', async () => {
    const weightsFor = async (seed: number): Promise<number[][]> => {
      using first = gs.sequential([gs.layers.dense({ units: 3, inputShape: [2] })]);
      using second = gs.sequential([gs.layers.dense({ units: 3, inputShape: [2] })]);
      using fixed = gs.sequential([gs.layers.dense({ units: 3, inputShape: [2] })]);
      fixed.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 5 });
      const inputs = { x: { shape: [1, 2] } } as const;
      using run = gs.compile(({ x }) => ops.add(ops.add(first.call(x), second.call(x)), fixed.call(x)), {
        inputs,
        device: 'cpu',
        seed,
      });
      await run({ x: [[1, 1]] });
      const kernels = await Promise.all([first, second, fixed].map(async (m) => (await m.getWeights())[0]!));
      return kernels.map((kernel) => [...kernel.data]);
    };
    const [a, again, other] = [await weightsFor(1), await weightsFor(1), await weightsFor(9)];
    expect(again).to.deep.equal(a);
    expect(a[1]).to.not.deep.equal(a[0]);
    expect(other[0]).to.not.deep.equal(a[0]);
    expect(other[2]).to.deep.equal(a[2]);
  });

  it('lets an average of a network follow its statistics, too', async () => {
    const build = () =>
      gs.sequential([gs.layers.batchNormalization({ momentum: 0.5, inputShape: [1] }), gs.layers.dense({ units: 1 })]);
    using online = build();
    using target = build();
    target.trainable = false;
    const statistics = online.nonTrainableVariables;
    expect(statistics.map((v) => v.name)).to.deep.equal([
      'batch_normalization/moving_mean',
      'batch_normalization/moving_variance',
    ]);
    expect(target.trainableVariables).to.deep.equal([]);
    const names = (list: readonly gs.VariableHandle[]) => list.map((v) => v.name);
    expect(names(target.nonTrainableVariables)).to.deep.equal(target.weights.map((w) => w.name));
    expect(names([...online.trainableVariables, ...statistics]).sort()).to.deep.equal(names(target.nonTrainableVariables).sort());
    const of = new Map([...online.trainableVariables, ...statistics].map((v) => [v.name, v]));
    using follow = gs.compile(
      ({ x }) => {
        for (const v of target.nonTrainableVariables) {
          v.assign(ops.add(ops.mul(v.read(), 0.75), ops.mul(of.get(v.name)!.read(), 0.25)));
        }
        return online.call(x);
      },
      { inputs: { x: { shape: [2, 1] } }, device },
    );
    await online.setWeights([[2], [1], [0], [1], [[3]], [0.5]]);
    await target.setWeights([[1], [0], [8], [5], [[1]], [0]]);
    await follow({ x: [[1], [3]] });
    // As the step began: mean 0 and variance 1, which it moves to 0.5 · (0, 1) + 0.5 · (2, 1).
    expect((await target.getWeights()).map((w) => w.data[0])).to.deep.equal([1.25, 0.25, 6, 4, 1.5, 0.125]);
    expect((await online.getWeights()).slice(2, 4).map((w) => w.data[0])).to.deep.equal([1, 1]);
    await follow({ x: [[1], [3]] });
    expect((await target.getWeights())[2]!.data[0]).to.equal(0.75 * 6 + 0.25);
    statistics[0]!.set([7]);
    expect((await online.getWeights())[2]!.data[0]).to.equal(7);
  });

  it('moves statistics of layers while training only', async () => {
    using model = gs.sequential([gs.layers.batchNormalization({ momentum: 0.5, inputShape: [1] })]);
    const inputs = { x: { shape: [2, 1] } } as const;
    using training = gs.compile(({ x }) => model.call(x), { inputs, device });
    using still = gs.compile(({ x }) => model.call(x, { training: false }), { inputs, device });
    await still({ x: [[1], [3]] });
    expect((await model.getWeights())[2]!.data[0]).to.equal(0);
    await training({ x: [[1], [3]] });
    expect((await model.getWeights())[2]!.data[0]).to.equal(1);
  });

  it('assigns a statistic or trains its layer in a step, not both', async () => {
    const layer = gs.layers.batchNormalization({ momentum: 0.5, inputShape: [1], name: 'norm' });
    using model = gs.sequential([layer]);
    using other = gs.sequential([layer]);
    const [mean] = model.nonTrainableVariables;
    const inputs = { x: { shape: [2, 1] } } as const;
    const x = [[1], [3]];
    const assign = () => mean!.assign(ops.add(mean!.read(), 5));
    const both =
      /^Expected norm\/moving_mean to be assigned or averaged by its layer in a step, not both: call .* training: false/;
    using after = gs.compile((at) => (model.call(at.x), assign()), { inputs, device });
    await expectFailure(() => after({ x }), 'ERR_OPTION', both);
    using before = gs.compile((at) => (assign(), model.call(at.x)), { inputs, device });
    await expectFailure(() => before({ x }), 'ERR_OPTION', /norm\/moving_mean was assigned before the model was called/);
    // The same weight, by the handle of another model.
    using elsewhere = gs.compile((at) => (assign(), other.call(at.x)), { inputs, device });
    await expectFailure(() => elsewhere({ x }), 'ERR_OPTION', both);
    using still = gs.compile((at) => (model.call(at.x, { training: false }), assign()), { inputs, device });
    await still({ x });
    expect((await mean!.value()).data[0]).to.equal(5);
  });
});
