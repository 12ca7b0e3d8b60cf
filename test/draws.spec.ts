/** ops.randomNormal and ops.randomUniform: moments by the formula, seeds, draws of their own, no gradient; in functions and layers. */
import { expect } from 'chai';
import { Graph } from '../lib/graph/graph.js';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { ops } = gs;
const COUNT = 200_000;

/** Mean, variance, skewness and kurtosis. */
function moments(numbers: Float32Array): number[] {
  const mean = numbers.reduce((s, v) => s + v, 0) / numbers.length;
  const central = (power: number) => numbers.reduce((s, v) => s + (v - mean) ** power, 0) / numbers.length;
  const variance = central(2);
  return [mean, variance, central(3) / variance ** 1.5, central(4) / variance ** 2];
}

function correlation(a: Float32Array, b: Float32Array): number {
  const [[ma, va], [mb, vb]] = [moments(a), moments(b)] as [[number, number], [number, number]];
  return a.reduce((s, v, i) => s + (v - ma) * (b[i]! - mb), 0) / a.length / Math.sqrt(va * vb);
}

/** Adds noise, while training or always. */
const noisy = gs.layers.defineLayer({
  className: 'TestNoisy',
  options: { always: gs.layers.options.boolean() },
  call: ({ always }, x, { training }) => (training || always ? ops.add(x, ops.randomNormal(x)) : x),
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`draws on ${name}`, () => {
    it('have the moments of their distributions, and nothing in common', async () => {
      using f = gs.compile(
        ({ x }) => ({
          normal: ops.randomNormal(x, { shape: [COUNT], mean: 2, stddev: 3 }),
          other: ops.randomNormal(x, { shape: [COUNT] }),
          uniform: ops.randomUniform(x, { shape: [COUNT], minval: -1, maxval: 3 }),
          shaped: ops.randomUniform(x),
        }),
        { inputs: { x: { shape: [3, 2] } }, device, seed: 1 },
      );
      const { normal, other, uniform, shaped } = await f({ x: new Float32Array(6) });
      expect([normal.shape, shaped.shape]).to.deep.equal([[COUNT], [3, 2]]);
      // Within five standard errors, √(variance of the statistic / n).
      const near = (found: number[], expected: number[], spread: number[]) =>
        expected.forEach((v, i) => expect(found[i], `moment ${i + 1}`).to.be.closeTo(v, 5 * Math.sqrt(spread[i]! / COUNT)));
      near(moments(normal.data), [2, 9, 0, 3], [9, 2 * 81, 6, 24]);
      near(moments(other.data), [0, 1, 0, 3], [1, 2, 6, 24]);
      // (b − a)²/12, kurtosis 9/5; the variance's variance is (9/5 − 1)·(16/12)².
      near(moments(uniform.data), [1, 16 / 12, 0, 1.8], [16 / 12, 0.8 * (16 / 12) ** 2, 6, 24]);
      expect(Math.min(...uniform.data.subarray(0, 1e5))).to.be.within(-1, -0.999);
      expect(Math.max(...uniform.data.subarray(0, 1e5))).to.be.within(2.999, 3);
      expect(Math.abs(correlation(normal.data, other.data))).to.be.below(5 / Math.sqrt(COUNT));
      expect(Math.abs(correlation(normal.data, uniform.data))).to.be.below(5 / Math.sqrt(COUNT));
      expect(Math.abs(correlation(normal.data.subarray(1), normal.data.subarray(0, -1)))).to.be.below(5 / Math.sqrt(COUNT));
    });

    it('are the same for a seed, others at every step, in every call and for another seed', async () => {
      const draw = async (seed: number): Promise<number[][]> => {
        using f = gs.compile(({ x }) => ({ a: ops.randomNormal(x), b: ops.randomNormal(x) }), {
          inputs: { x: { shape: [8] } },
          device,
          seed,
        });
        const x = new Float32Array(8);
        const [first, second] = [await f({ x }), await f({ x })];
        return [first.a, first.b, second.a, second.b].map(({ data }) => [...data]);
      };
      const [drawn, again, other] = [await draw(7), await draw(7), await draw(8)];
      expect(again).to.deep.equal(drawn);
      expect(new Set([...drawn, ...other].flat()).size).to.equal(64);
    });

    it('are constants to gradients', async () => {
      using f = gs.compile(
        ({ x }) => {
          const noise = ops.randomNormal(x);
          const [dx] = gs.grad(ops.mul(x, noise), [x]);
          const [none] = gs.grad(noise, [x]);
          return { noise, dx: dx!, none: none! };
        },
        { inputs: { x: { shape: [4] } }, device },
      );
      const { noise, dx, none } = await f({ x: [1, 2, 3, 4] });
      expect([...dx.data]).to.deep.equal([...noise.data]);
      expect([...none.data]).to.deep.equal([0, 0, 0, 0]);
    });

    it('in layers: while training alone or always, others at each application, the same bits for a seed', async () => {
      const trained = async (): Promise<number[][]> => {
        using model = gs.sequential([noisy({ always: false, inputShape: [3] }), gs.layers.dense({ units: 1 })]);
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device, seed: 4 });
        const losses = [];
        await model.setWeights([[[1], [0], [0]], [0]]);
        for (let n = 0; n < 3; n++) {
          losses.push((await model.evaluate([[1, 2, 3]], [[1]])).loss);
          await model.trainOnBatch([[1, 2, 3]], [[1]]);
        }
        return [losses as number[], ...(await model.getWeights()).map((w) => [...w.data])];
      };
      const once = await trained();
      // Without noise there would be nothing to learn.
      expect(once[0]![0]).to.equal(0);
      expect(once[0]![1]).to.not.equal(0);
      expect(await trained()).to.deep.equal(once);

      const x = gs.input({ shape: [5] });
      const layer = noisy({ always: true });
      using model = gs.model({ inputs: x, outputs: [layer.apply(x), layer.apply(x), noisy({ always: true }).apply(x)] });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 4 });
      const draws = (await model.predictAll([new Array<number>(5).fill(0), new Array<number>(5).fill(0)])).map((t) => [
        ...t.data,
      ]);
      expect(new Set(draws.flat()).size).to.equal(30);
    });
  });
}

describe('draws', () => {
  it('say what is wrong', async () => {
    const nowhere = new Graph().read({ name: 'x', shape: [2], dtype: 'float32' });
    await expectFailure(
      () => ops.randomNormal(nowhere),
      'ERR_OPTION',
      'ops.randomNormal can only be used in models and inside functions that gs.compile describes',
    );
    await expectFailure(() => ops.randomUniform(wrong([2])), 'ERR_OPTION', /^Expected value for ops\.randomUniform like/);
    await expectFailure(
      () => ops.randomNormal(nowhere, { stddev: -1 }),
      'ERR_OPTION',
      /number >= 0 for ops\.randomNormal\.stddev/,
    );
    await expectFailure(() => ops.randomNormal(nowhere, wrong({ std: 1 })), 'ERR_OPTION', /std/);
    await expectFailure(
      () => ops.randomUniform(nowhere, { minval: 2 }),
      'ERR_OPTION',
      'Expected ops.randomUniform.minval to be at most maxval but received 2 and 1',
    );
    const tooLarge = (name: string) => new RegExp(`^Expected number that float32 holds for ops\\.${name} but received .*1e\\+39`);
    for (const given of [{ mean: -1e39 }, { stddev: 1e39 }]) {
      const name = `randomNormal.${Object.keys(given)[0]}`;
      await expectFailure(() => ops.randomNormal(nowhere, given), 'ERR_OPTION', tooLarge(name));
    }
    await expectFailure(() => ops.randomUniform(nowhere, { minval: -1e39 }), 'ERR_OPTION', tooLarge('randomUniform.minval'));
    await expectFailure(() => ops.randomUniform(nowhere, { maxval: 1e39 }), 'ERR_OPTION', tooLarge('randomUniform.maxval'));
    await expectFailure(
      () => ops.randomUniform(nowhere, { minval: -3e38, maxval: 3e38 }),
      'ERR_OPTION',
      'Expected ops.randomUniform.minval and maxval to differ by a number that float32 holds but received -3e+38 and 3e+38',
    );
    await expectFailure(() => ops.randomUniform(nowhere, { shape: [0] }), 'ERR_OPTION', /ops\.randomUniform\.shape/);
  });
});
