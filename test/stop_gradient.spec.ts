/** ops.stopGradient: the value as it is, a constant to gradients and to theirs; in functions, losses and layers. */
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { ops } = gs;

const stopped = gs.layers.defineLayer({ className: 'TestStopped', call: (_options, x) => ops.stopGradient(x) });

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`stopGradient on ${name}`, () => {
    it('is a constant to first and second derivatives, in the midst of element-wise work', async () => {
      const W = [0.5, -1.25, 2];
      const w = gs.variable({ value: W });
      using f = gs.compile(
        () => {
          const x = w.read();
          // sin w · e^w with e^w held.
          const loss = ops.mul(ops.sin(x), ops.stopGradient(ops.exp(x)));
          const [dw] = gs.grad(loss, [w]);
          const [second] = gs.grad(ops.square(dw!), [w]);
          const [none] = gs.grad(ops.square(ops.stopGradient(x)), [w]);
          // A value that is stopped is a value of its own to differentiate by.
          const held = ops.stopGradient(x);
          const [by] = gs.grad(ops.square(held), [held]);
          return { loss, dw: dw!, second: second!, none: none!, by: by! };
        },
        { device },
      );
      const { loss, dw, second, none, by } = await f();
      expectClose(
        loss.data,
        W.map((v) => Math.sin(v) * Math.exp(v)),
      );
      expectClose(
        dw.data,
        W.map((v) => Math.cos(v) * Math.exp(v)),
      );
      expectClose(
        second.data,
        W.map((v) => -2 * Math.cos(v) * Math.sin(v) * Math.exp(2 * v)),
        2e-5,
      );
      expect([...none.data]).to.deep.equal([0, 0, 0]);
      expectClose(
        by.data,
        W.map((v) => 2 * v),
      );
    });

    it('lets a gradient pass straight through a jump', async () => {
      const W = [0.25, -1.5, 2.75];
      const w = gs.variable({ value: W });
      using f = gs.compile(
        () => {
          const x = w.read();
          const floored = ops.add(x, ops.stopGradient(ops.sub(ops.floor(x), x)));
          return { floored, slope: gs.grad(ops.square(floored), [w])[0]! };
        },
        { device },
      );
      const { floored, slope } = await f();
      expectClose(floored.data, W.map(Math.floor));
      expectClose(
        slope.data,
        W.map((v) => 2 * Math.floor(v)),
      );
    });

    it('holds a target of the same network, and a softmax that a cross-entropy would look behind', async () => {
      const net = gs.sequential([gs.layers.dense({ units: 2, activation: 'softmax', useBias: false, inputShape: [2] })]);
      await net.setWeights([
        [
          [0.5, -0.25],
          [1, 0.75],
        ],
      ]);
      const inputs = { x: { shape: [1, 2] }, y: { shape: [1, 2] } } as const;
      using f = gs.compile(
        ({ x, y }) => {
          const [a, b] = [net.call(x), net.call(y)];
          const [toB] = gs.grad(gs.computeLoss('categoricalCrossentropy', y, ops.stopGradient(a)), net.trainableVariables);
          const [both] = gs.grad(ops.sum(ops.mul(a, ops.stopGradient(b))), net.trainableVariables);
          return { toB: toB!, both: both! };
        },
        { inputs, device },
      );
      const { toB, both } = await f({ x: [[1, -1]], y: [[0, 1]] });
      expect([...toB.data]).to.deep.equal([0, 0, 0, 0]);
      // p = softmax(x W), q = softmax(y W) held: d Σ p q / dW = xᵢ pⱼ (qⱼ − Σ p q).
      const softmax = (z: number[]) => z.map((v) => Math.exp(v) / z.reduce((s, u) => s + Math.exp(u), 0));
      const [p, q] = [softmax([0.5 - 1, -0.25 - 0.75]), softmax([1, 0.75])];
      const mean = p[0]! * q[0]! + p[1]! * q[1]!;
      const slope = p.map((v, j) => v * (q[j]! - mean));
      expectClose(both.data, [...slope, ...slope.map((v) => -v)]);
      await net.dispose();
    });

    it('stands in layers and losses of models, and is saved with them', async () => {
      const first = gs.layers.dense({ units: 2, useBias: false, inputShape: [3] });
      using model = gs.sequential([first, stopped(), gs.layers.dense({ units: 1, useBias: false })]);
      const loss: gs.LossFunction = (yTrue, yPred) => ops.mul(ops.square(ops.sub(yTrue, yPred)), ops.stopGradient(yPred));
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss, device });
      const kernel = [
        [1, 0.5],
        [0.25, -1],
        [0.5, 2],
      ];
      await model.setWeights([kernel, [[0.5], [0.25]]]);
      await model.trainOnBatch([[1, 2, -1]], [[3]]);
      const [before, after] = await model.getWeights();
      expect([...before!.data]).to.deep.equal(kernel.flat());
      // h = (1, −3.5), p = −0.375: dw = 2 (p − 3) p h.
      expectClose(
        after!.data,
        [1, -3.5].map((h, i) => [0.5, 0.25][i]! - 0.5 * 2 * (-0.375 - 3) * -0.375 * h),
      );
      const folder = await mkdtemp(join(tmpdir(), 'gradstep-'));
      try {
        await model.save(join(folder, 'm.safetensors'));
        using loaded = await gs.loadModel(join(folder, 'm.safetensors'), { device });
        const x = [[1, -0.5, 2]];
        expect([...(await loaded.predict(x)).data]).to.deep.equal([...(await model.predict(x)).data]);
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}

it('stopGradient takes values only', () =>
  expectFailure(() => ops.stopGradient(wrong(1)), 'ERR_OPTION', /^Expected value for ops\.stopGradient x but received 1/));
