/**
 * gs.compile: functions of a user's own with variables, gradients and updates, against formulas in float64; what they share
 * with models; adversarial training and learned hyperparameters.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { random } from './helpers/op_run.js';

const { ops } = gs;
const numbers = async (v: gs.VariableHandle): Promise<number[]> => [...(await v.value()).data];

function expectClose(actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5): void {
  expect(actual.length).to.equal(expected.length);
  expected.forEach((e, i) => expect(actual[i], `element ${i}`).to.be.closeTo(e, tolerance));
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`gs.compile on ${name}`, () => {
    it('computes one value, several by name, or none', async () => {
      const inputs = { a: { shape: [2, 3] }, k: { shape: [3], dtype: 'int32' } } as const;
      using one = gs.compile(({ a }) => ops.mul(a, 2), { inputs, device });
      using several = gs.compile(({ a, k }) => ({ sum: ops.sum(a), k }), { inputs, device });
      const a = [
        [1, 2, 3],
        [4, 5, 6],
      ];
      const doubled = await one({ a, k: [1, 2, 3] });
      expect(doubled.shape).to.deep.equal([2, 3]);
      expect([...doubled.data]).to.deep.equal([2, 4, 6, 8, 10, 12]);
      const { sum, k } = await several({ a: Float32Array.from(a.flat()), k: Int32Array.of(7, 8, 9) });
      expect([sum.data[0], [...k.data]]).to.deep.equal([21, [7, 8, 9]]);
      const v = gs.variable({ value: [1] });
      using nothing = gs.compile(() => v.assign(ops.add(v.read(), 1)), { device });
      expect(await nothing()).to.equal(undefined);
      expect(await numbers(v)).to.deep.equal([2]);
    });

    it('changes variables together at the end of the step', async () => {
      const [a, b] = [gs.variable({ value: [1, 2] }), gs.variable({ value: [3, 4] })];
      using swap = gs.compile(
        () => {
          const [x, y] = [a.read(), b.read()];
          a.assign(y);
          b.assign(ops.reshape(ops.reshape(x, [2, 1]), [2]));
          return x;
        },
        { device },
      );
      expect([...(await swap()).data]).to.deep.equal([1, 2]);
      expect([await numbers(a), await numbers(b)]).to.deep.equal([
        [3, 4],
        [1, 2],
      ]);
      await swap(undefined, { steps: 3 });
      expect([await numbers(a), await numbers(b)]).to.deep.equal([
        [1, 2],
        [3, 4],
      ]);
      using both = gs.compile(
        () => {
          const x = a.read();
          gs.applyGradients(gs.optimizers.sgd({ learningRate: 0.5 }), [x], [a]);
          gs.applyGradients(gs.optimizers.sgd({ learningRate: 1 }), [x], [b]);
        },
        { device },
      );
      await both();
      expect([await numbers(a), await numbers(b)]).to.deep.equal([
        [0.5, 1],
        [2, 2],
      ]);
    });

    it('differentiates: a chain, a value in the middle, the gradient of a gradient', async () => {
      const w = gs.variable({ value: [0.5, -1.25, 2] });
      using f = gs.compile(
        ({ x }) => {
          const inner = ops.mul(w.read(), x);
          const loss = ops.sum(ops.square(ops.sin(inner)));
          const [dw, di] = gs.grad(loss, [w, inner]);
          const [second] = gs.grad(ops.sum(ops.square(dw!)), [w]);
          return { dw: dw!, di: di!, second: second! };
        },
        { inputs: { x: { shape: [3] } }, device },
      );
      const [W, X] = [
        [0.5, -1.25, 2],
        [1.5, 0.75, -0.5],
      ];
      const { dw, di, second } = await f({ x: X });
      // d sin²(wx)/dw = x sin(2wx); d (x sin 2wx)²/dw = 4x³ sin(2wx) cos(2wx).
      expectClose(
        dw.data,
        W.map((v, i) => X[i]! * Math.sin(2 * v * X[i]!)),
      );
      expectClose(
        di.data,
        W.map((v, i) => Math.sin(2 * v * X[i]!)),
      );
      expectClose(
        second.data,
        W.map((v, i) => 4 * X[i]! ** 3 * Math.sin(2 * v * X[i]!) * Math.cos(2 * v * X[i]!)),
        2e-5,
      );
    });

    it('adds what a kernel makes of a gradient to what a map makes of it, though another gradient is of that map, too', async () => {
      const [a, b] = [gs.variable({ value: [1.4] }), gs.variable({ value: [0.3] })];
      using f = gs.compile(
        () => {
          const [x, y] = [a.read(), b.read()];
          const e = ops.exp(y);
          // Gradients of x: one of the sum's second row, one of the difference, whose map makes that of y, too.
          const rows = ops.add(ops.stack([e, x]), ops.mul(ops.sub(ops.mean(e, { keepDims: true }), x), 0.5));
          const [dx, dy] = gs.grad(ops.sum(ops.tanh(rows)), [a, b]);
          return { dx: dx!, dy: dy! };
        },
        { device },
      );
      const { dx, dy } = await f();
      const [x, e] = [1.4, Math.exp(0.3)];
      const [first, second] = [e + 0.5 * (e - x), x + 0.5 * (e - x)].map((v) => 1 - Math.tanh(v) ** 2) as [number, number];
      expectClose(dx.data, [second - 0.5 * (first + second)]);
      expectClose(dy.data, [e * (first + 0.5 * (first + second))]);
    });

    it('keeps a value that is a result as it is, where another result could take its memory', async () => {
      const X = [0.3, -0.5, 2];
      using f = gs.compile(
        ({ x }) => {
          const cosine = ops.cos(x);
          const same = ops.broadcastTo(cosine, [1, 3]);
          return { same, mean: ops.mean(ops.add(cosine, same), { axis: 0 }) };
        },
        { inputs: { x: { shape: [3] } }, device },
      );
      const { same, mean } = await f({ x: X });
      expectClose(same.data, X.map(Math.cos));
      expectClose(
        mean.data,
        X.map((v) => 2 * Math.cos(v)),
      );
    });

    it('applies an optimizer with cut, decay and schedule, over variables that do not lie together', async () => {
      const start = [[1, -2], [0.5], [3, 1, -1]];
      const parts = start.map((value, i) => gs.variable({ value, name: `part${i}` }));
      const [a, b, c] = parts as [gs.VariableHandle, gs.VariableHandle, gs.VariableHandle];
      // What is read first lies first: b stands alone, and a and c do not lie in the order of the update.
      using first = gs.compile(() => b.assign(ops.mul(b.read(), 1)), { device });
      await first();
      const learningRate = gs.schedules.exponentialDecay({ initialLearningRate: 0.25, decaySteps: 4, decayRate: 0.5 });
      const optimizer = gs.optimizers.sgd({ learningRate, momentum: 0.5, globalClipNorm: 1.5, weightDecay: 0.125 });
      using step = gs.compile(
        () => {
          const loss = parts.map((p) => ops.sum(ops.square(p.read()))).reduce((x, y) => ops.add(x, y));
          gs.applyGradients(optimizer, gs.grad(loss, [a, b, c]), [a, b, c]);
          return loss;
        },
        { device },
      );
      const w = start.flat();
      const velocity = w.map(() => 0);
      for (let n = 0; n < 7; n++) {
        const loss = w.reduce((s, v) => s + v * v, 0);
        expectClose((await step()).data, [loss], 1e-4);
        const g = w.map((v) => 2 * v);
        const norm = Math.sqrt(g.reduce((s, v) => s + v * v, 0));
        const rate = 0.25 * 0.5 ** (n / 4);
        w.forEach((v, i) => {
          velocity[i] = 0.5 * velocity[i]! - rate * g[i]! * Math.min(1, 1.5 / norm);
          w[i] = v - rate * 0.125 * v + velocity[i]!;
        });
      }
      expectClose((await Promise.all(parts.map(numbers))).flat(), w);
    });

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

    it('learns the rate of an inner step: the gradient through the step, against differences', async () => {
      const rate = gs.variable({ value: [0.125], name: 'rate' });
      const w = gs.variable({ value: [0.5, -0.75], name: 'w' });
      const X = [0.5, -1.5, 2];
      // One step of descent on Σ (w₀ tanh(w₁ x) − 1)², then the same loss at the new weights.
      const lossOf = (w0: gs.Value, w1: gs.Value, x: gs.Value) =>
        ops.sum(ops.square(ops.sub(ops.mul(w0, ops.tanh(ops.mul(w1, x))), 1)));
      using outer = gs.compile(
        ({ x }) => {
          const [w0, w1] = [ops.slice(w.read(), [0], [1]), ops.slice(w.read(), [1], [1])];
          const [g0, g1] = gs.grad(lossOf(w0, w1, x), [w0, w1]);
          const moved = [w0, w1].map((v, i) => ops.sub(v, ops.mul(rate.read(), [g0!, g1!][i]!)));
          const loss = lossOf(moved[0]!, moved[1]!, x);
          const [dRate, dw] = gs.grad(loss, [rate, w]);
          return { loss, dRate: dRate!, dw: dw! };
        },
        { inputs: { x: { shape: [3] } }, device },
      );
      const inner = (a: number, b: number) => {
        const t = X.map((v) => Math.tanh(b * v));
        const loss = t.reduce((s, v) => s + (a * v - 1) ** 2, 0);
        const g0 = t.reduce((s, v) => s + 2 * (a * v - 1) * v, 0);
        const g1 = t.reduce((s, v, i) => s + 2 * (a * v - 1) * a * (1 - v * v) * X[i]!, 0);
        return { loss, g0, g1 };
      };
      const whole = (r: number, a: number, b: number): number => {
        const { g0, g1 } = inner(a, b);
        return inner(a - r * g0, b - r * g1).loss;
      };
      const slope = (f: (e: number) => number) => (f(1e-5) - f(-1e-5)) / 2e-5;
      const found = await outer({ x: X });
      expectClose(found.loss.data, [whole(0.125, 0.5, -0.75)]);
      expectClose(found.dRate.data, [slope((e) => whole(0.125 + e, 0.5, -0.75))], 1e-4);
      const expected = [slope((e) => whole(0.125, 0.5 + e, -0.75)), slope((e) => whole(0.125, 0.5, -0.75 + e))];
      expectClose(found.dw.data, expected, 1e-4);
    });
  });
}

describe('gs.compile', () => {
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
    expect(await numbers(kernel!)).to.deep.equal([4]);
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

  it('says what is wrong', async () => {
    const v = gs.variable({ value: [1, 2], name: 'v' });
    const sgd = gs.optimizers.sgd();
    const run = (body: () => unknown) => async () => {
      using f = gs.compile(body as () => undefined, { device });
      await f();
    };
    await expectFailure(() => v.read(), 'ERR_OPTION', /only be used inside a function that gs\.compile describes/);
    await expectFailure(() => gs.grad(wrong(1), []), 'ERR_OPTION', /gs\.grad can only/);
    await expectFailure(
      run(() => gs.grad(wrong(1), [v])),
      'ERR_OPTION',
      /gs\.grad loss/,
    );
    await expectFailure(
      run(() => gs.grad(v.read(), [wrong('v')])),
      'ERR_OPTION',
      /gs\.grad wrt\[0\]/,
    );
    await expectFailure(
      run(() => v.assign(ops.sum(v.read()))),
      'ERR_SHAPE',
      'Cannot assign [] to v [2]',
    );
    await expectFailure(
      run(() => v.assign(wrong(3))),
      'ERR_OPTION',
      /the value assigned to v/,
    );
    await expectFailure(
      run(() => gs.applyGradients(sgd, [v.read()], [])),
      'ERR_OPTION',
      /as many gradients as variables/,
    );
    await expectFailure(
      run(() => gs.applyGradients(sgd, [ops.sum(v.read())], [v])),
      'ERR_SHAPE',
      /shape \[2\] for v/,
    );
    await expectFailure(
      run(() => gs.applyGradients(wrong('sgd'), [v.read()], [v])),
      'ERR_OPTION',
      /optimizer of gs\.optimizers/,
    );
    await expectFailure(
      run(() => gs.applyGradients(sgd, [v.read(), v.read()], [v, v])),
      'ERR_OPTION',
      /variables\[1\] to be variable of its own|variable of its own/,
    );
    const averaging = gs.optimizers.sgd({ useEma: true });
    await expectFailure(
      run(() => gs.applyGradients(averaging, [v.read()], [v])),
      'ERR_OPTION',
      /without useEma/,
    );
    await expectFailure(
      run(() => 'nothing'),
      'ERR_OPTION',
      /result of the function/,
    );
    await expectFailure(
      run(() => Promise.resolve(undefined)),
      'ERR_OPTION',
      /result of the function/,
    );
    await expectFailure(
      run(() => ({ a: 1 })),
      'ERR_OPTION',
      /result a/,
    );
    using f = gs.compile(({ x }) => x, { inputs: { x: { shape: [2] } }, device });
    await expectFailure(() => f(wrong({ x: [1, 2], z: [1] })), 'ERR_OPTION', 'The function has no input "z"');
    await expectFailure(() => f(wrong({})), 'ERR_OPTION', /input x/);
    await expectFailure(() => f({ x: [1, 2, 3] }), 'ERR_SHAPE', 'Expected shape [2] for input x but received [3]');
    await expectFailure(() => f({ x: [1, 2] }, { steps: 0 }), 'ERR_OPTION', /steps/);
    await f.dispose();
    await expectFailure(() => f({ x: [1, 2] }), 'ERR_DISPOSED', /function has been disposed/);
    await expectFailure(() => gs.variable({}), 'ERR_OPTION', /received neither/);
    await expectFailure(() => gs.variable({ value: [1], initializer: 'ones' }), 'ERR_OPTION', /received both/);
    await expectFailure(
      () => gs.variable({ value: gs.tensor([1, 2]), shape: [3] }),
      'ERR_SHAPE',
      /\[3\] for variable but received \[2\]/,
    );
    await expectFailure(() => v.set([1, 2, 3]), 'ERR_SHAPE', /for v/);
  });
});
