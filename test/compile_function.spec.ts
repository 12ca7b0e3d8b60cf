/**
 * gs.compile: functions of a user's own with variables, gradients and updates, against formulas in float64; learned
 * hyperparameters; what is refused.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { ops } = gs;
const numbers = async (v: gs.VariableHandle): Promise<number[]> => [...(await v.value()).data];

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

    it('adds whole numbers to others, whichever kernel makes them', async () => {
      const [x, k] = [
        [0, 1, 2],
        [10, 20, 30, 40],
      ];
      using f = gs.compile(
        (at) => {
          const [e, m] = [ops.exp(at.x), ops.reshape(at.x, [3, 1])];
          return {
            slice: ops.add(e, ops.slice(at.k, [1], [3])),
            pad: ops.add(ops.pad(ops.slice(at.k, [0], [2]), [[0, 1]]), e),
            argmax: ops.add(ops.argmax(ops.concat([ops.neg(m), m], 1)), ops.sum(m, { axis: -1 })),
            product: ops.add(ops.slice(at.k, [0], [3]), ops.reshape(ops.matmul(m, ops.slice(m, [1, 0], [1, 1])), [3])),
            both: ops.add(ops.slice(at.k, [0], [3]), ops.slice(at.k, [1], [3])),
          };
        },
        { inputs: { x: { shape: [3] }, k: { shape: [4], dtype: 'int32' } }, device },
      );
      const found = await f({ x, k });
      const e = x!.map(Math.exp);
      expectClose(found.slice.data, [20 + e[0]!, 30 + e[1]!, 40 + e[2]!]);
      expectClose(found.pad.data, [10 + e[0]!, 20 + e[1]!, e[2]!]);
      expectClose(found.argmax.data, [0, 1 + 1, 1 + 2]);
      expectClose(found.product.data, [10, 21, 32]);
      expectClose(found.both.data, [30, 50, 70]);
    });

    it('bends gelu by its formula near 0, and not at all far from it', async () => {
      using f = gs.compile(({ x }) => gs.grad(gs.grad(gs.activations.gelu(x, { approximate: true }), [x])[0]!, [x])[0]!, {
        inputs: { x: { shape: [6] } },
        device,
      });
      const near = [-1.5, 0.25];
      const found = [...(await f({ x: [...near, 12, -3e7, 1e8, -1e13] })).data];
      // Differences of the slope in float64.
      const [scale, cube] = [Math.sqrt(2 / Math.PI), 0.044715];
      const slope = (x: number): number => {
        const t = Math.tanh(scale * (x + cube * x ** 3));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * scale * (1 + 3 * cube * x * x);
      };
      expectClose(
        found.slice(0, 2),
        near.map((x) => (slope(x + 1e-5) - slope(x - 1e-5)) / 2e-5),
      );
      expect(found.slice(2).every((v) => v === 0)).to.equal(true);
    });

    it('keeps zeros of either sign apart in one pass', async () => {
      using f = gs.compile(({ x }) => ops.div(ops.maximum(x, 0), -0), { inputs: { x: { shape: [2] } }, device });
      expect([...(await f({ x: [1, 3] })).data]).to.deep.equal([-Infinity, -Infinity]);
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

    it('changes nothing in a step that fails, and names the row in each call', async () => {
      const table = gs.sequential([gs.layers.embedding({ inputDim: 4, outputDim: 1, inputShape: [1] })]);
      const calls = gs.variable({ shape: [1] });
      const w = gs.variable({ shape: [1] });
      // The third update would be none.
      const learningRate = gs.schedules.piecewiseConstantDecay({ boundaries: [1], values: [1, 0] });
      const sgd = gs.optimizers.sgd({ learningRate });
      using step = gs.compile(
        ({ i }) => {
          calls.assign(ops.add(calls.read(), 1));
          gs.applyGradients(sgd, [ops.add(ops.mul(w.read(), 0), 1)], [w]);
          return table.call(i);
        },
        { inputs: { i: { shape: [2, 1], dtype: 'int32' } }, device },
      );
      const fails = (steps: number) =>
        expectFailure(() => step({ i: [[1], [9]] }, { steps }), 'ERR_INDEX_RANGE', /received 9 in row 1 of x/);
      await step({ i: [[1], [0]] });
      await fails(1);
      await fails(5);
      await step({ i: [[1], [0]] });
      expect((await calls.value()).data[0]).to.equal(2);
      expect((await w.value()).data[0]).to.equal(-2);
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
      run(() =>
        gs.applyGradients(
          wrong(() => sgd),
          [v.read()],
          [v],
        ),
      ),
      'ERR_OPTION',
      /optimizer of gs\.optimizers/,
    );
    await expectFailure(
      run(() => gs.applyGradients(sgd, [v.read(), v.read()], [v, v])),
      'ERR_OPTION',
      /variables\[1\] to be variable of its own|variable of its own/,
    );
    const moved = () => gs.applyGradients(sgd, [v.read()], [v]);
    const assigned = () => v.assign(ops.minimum(v.read(), 1));
    for (const both of [
      [moved, assigned],
      [assigned, moved],
    ]) {
      await expectFailure(
        run(() => both.forEach((change) => change())),
        'ERR_OPTION',
        /Expected v to be assigned or moved by gs\.applyGradients in a step, not both/,
      );
    }
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
    using whole = gs.compile(({ k }) => k, { inputs: { k: { shape: [2], dtype: 'int32' } }, device });
    const halves = Float32Array.of(1, 1.5);
    await expectFailure(
      () => whole({ k: halves }),
      'ERR_DTYPE',
      'Expected integer numbers but received 1.5 at element 1 of input k',
    );
    await expectFailure(() => whole({ k: [1, 1.5] }), 'ERR_DTYPE', /for input k\[1\] but received 1\.5/);
    await expectFailure(() => whole({ k: [1, 3e9] }), 'ERR_DTYPE', /for input k\[1\] but received 3000000000/);
    expect([...(await whole({ k: [2147483647, -2147483648] })).data]).to.deep.equal([2147483648, -2147483648]);
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
