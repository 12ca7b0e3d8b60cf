/**
 * gs.computeLoss: losses by name, with options and of one's own inside gs.compile, against their formulas and against what fit and
 * evaluate make of the same; what labels may be, and what they may not.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure } from './helpers/failure.js';
import { random } from './helpers/op_run.js';

const { computeLoss, ops } = gs;

const next = random(11);
const drawn = (...shape: number[]): gs.Tensor =>
  gs.tensor(
    Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => 2 * next() - 1),
    shape,
  );
const rowsOf = ({ data, shape }: gs.Tensor): number[][] =>
  Array.from({ length: shape[0]! }, (_, row) => [
    ...data.subarray((row * data.length) / shape[0]!, ((row + 1) * data.length) / shape[0]!),
  ]);
const average = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
const logSumExp = (z: readonly number[]): number => Math.log(z.reduce((s, v) => s + Math.exp(v), 0));

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`gs.computeLoss on ${name}`, () => {
    it('gives a loss of one’s own labels [rows] against outputs [rows, 1] as [rows, 1]', async () => {
      const [x, y] = [drawn(5, 1), drawn(5)];
      const own = (yTrue: gs.Value, yPred: gs.Value): gs.Value => ops.square(ops.sub(yTrue, yPred));
      using step = gs.compile((at) => ({ loss: computeLoss(own, at.y, at.x) }), {
        inputs: { x: { shape: [5, 1] }, y: { shape: [5] } },
        device,
      });
      const { loss } = await step({ x, y });
      expectClose(loss.data, [average([...x.data].map((v, i) => (y.data[i]! - v) ** 2))]);
    });

    it('compares as formulas do: mean, sum and sample by sample', async () => {
      const [x, y] = [drawn(5, 3), drawn(5, 3)];
      const classes = Int32Array.of(2, 0, 1, 1, 2);
      const inputs = { x: { shape: [5, 3] }, y: { shape: [5, 3] }, c: { shape: [5], dtype: 'int32' } } as const;
      using step = gs.compile(
        (at) => ({
          mean: computeLoss('meanSquaredError', at.y, at.x),
          sum: computeLoss(gs.losses.huber({ delta: 0.5 }), at.y, at.x, { reduction: 'sum' }),
          none: computeLoss(gs.losses.sparseCategoricalCrossentropy({ fromLogits: true }), at.c, at.x, { reduction: 'none' }),
          own: computeLoss((yTrue, yPred) => ops.abs(ops.sub(yTrue, yPred)), at.y, at.x),
        }),
        { inputs, device },
      );
      const found = await step({ x, y, c: classes });
      const errors = rowsOf(x).map((row, r) => row.map((v, i) => Math.abs(v - rowsOf(y)[r]![i]!)));
      const huber = (e: number): number => (e <= 0.5 ? (e * e) / 2 : 0.5 * (e - 0.25));
      expectClose(found.mean.data, [average(errors.flat().map((e) => e * e))]);
      expectClose(found.sum.data, [errors.map((row) => average(row.map(huber))).reduce((a, b) => a + b)]);
      expectClose(
        found.none.data,
        rowsOf(x).map((z, r) => logSumExp(z) - z[classes[r]!]!),
      );
      expectClose(found.own.data, [average(errors.flat())]);
      expect([found.mean, found.none].map((t) => t.shape)).to.deep.equal([[], [5]]);
    });

    for (const [loss, activation, labels] of [
      ['sparseCategoricalCrossentropy', 'softmax', 'int32'],
      ['categoricalCrossentropy', 'softmax', 'float32'],
      ['binaryCrossentropy', 'sigmoid', 'float32'],
      ['logCosh', 'linear', 'float32'],
    ] as const) {
      it(`${loss} trains as fit does`, async () => {
        const build = () =>
          gs.sequential([
            gs.layers.dense({ units: 6, activation: 'tanh', inputShape: [4] }),
            gs.layers.dense({ units: 3, activation }),
          ]);
        const [x, rows] = [drawn(7, 4), 7];
        const numbers = Int32Array.from({ length: rows }, (_, i) => (i * 5) % 3);
        const y =
          labels === 'int32'
            ? gs.tensor(numbers, [rows])
            : gs.tensor(
                Float32Array.from({ length: rows * 3 }, (_, i) => (numbers[Math.floor(i / 3)] === i % 3 ? 1 : 0)),
                [rows, 3],
              );
        using reference = build();
        reference.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss, device, seed: 2 });
        using model = build();
        await model.setWeights(await reference.getWeights());
        const before = await reference.evaluate(x, y, { batchSize: rows });
        await reference.fit(x, y, { epochs: 3, batchSize: rows, shuffle: false });
        const rule = gs.optimizers.sgd({ learningRate: 0.5 });
        const { trainableVariables } = model;
        using step = gs.compile(
          (at) => {
            const value = computeLoss(loss, at.y, model.call(at.x));
            gs.applyGradients(rule, gs.grad(value, trainableVariables), trainableVariables);
            return value;
          },
          { inputs: { x: { shape: [rows, 4] }, y: { shape: [...y.shape], dtype: labels } }, device },
        );
        expectClose((await step({ x, y })).data, [before.loss]);
        await step({ x, y }, { steps: 2 });
        const [found, wanted] = [await model.getWeights(), await reference.getWeights()];
        wanted.forEach((w, i) => expectClose(found[i]!.data, [...w.data]));
      });
    }
  });
}

describe('gs.computeLoss', () => {
  const compiled = (
    describe: (at: Record<string, gs.Value>) => gs.Value,
    inputs: Record<string, { shape: number[]; dtype?: 'int32' }>,
  ) => gs.compile(describe, { inputs, device: 'cpu' });

  it('takes whole numbers as labels, and labels with an axis of one more or less', async () => {
    const inputs = { p: { shape: [3, 1] }, y: { shape: [3], dtype: 'int32' as const } };
    using step = compiled((at) => computeLoss('meanAbsoluteError', at.y!, at.p!), inputs);
    expectClose((await step({ p: Float32Array.of(1, 2, 3), y: Int32Array.of(0, 2, 5) })).data, [1]);
  });

  it('a sequence’s loss is the mean over its steps', async () => {
    const inputs = { p: { shape: [1, 2, 2] }, y: { shape: [1, 2], dtype: 'int32' as const } };
    const loss = gs.losses.sparseCategoricalCrossentropy({ fromLogits: true });
    using step = compiled((at) => computeLoss(loss, at.y!, at.p!), inputs);
    const found = await step({ p: Float32Array.of(0, 1, 2, 0), y: Int32Array.of(1, 1) });
    expectClose(found.data, [average([logSumExp([0, 1]) - 1, logSumExp([2, 0]) - 0])]);
  });

  it('a label outside the classes is an error when it runs', async () => {
    const inputs = { p: { shape: [2, 3] }, y: { shape: [2], dtype: 'int32' as const } };
    using step = compiled((at) => computeLoss('sparseCategoricalCrossentropy', at.y!, ops.softmax(at.p!)), inputs);
    const run = () => step({ p: new Float32Array(6), y: Int32Array.of(0, 3) });
    await expectFailure(run, 'ERR_LABEL_RANGE', /but received 3 as label 1$/);
  });

  const refused: [string, (at: Record<string, gs.Value>) => gs.Value, gs.ErrorCode, RegExp][] = [
    ['an unknown name', (at) => computeLoss('rmse' as never, at.y!, at.p!), 'ERR_OPTION', /loss/],
    [
      'class numbers as floats',
      (at) => computeLoss('sparseCategoricalCrossentropy', at.y!, at.p!),
      'ERR_DTYPE',
      /dtype: 'int32'/,
    ],
    ['other rows', (at) => computeLoss('meanSquaredError', at.other!, at.p!), 'ERR_SHAPE', /shape \[2, 3\] .* received \[3, 3\]/],
    ['another shape', (at) => computeLoss('meanSquaredError', at.row!, at.p!), 'ERR_SHAPE', /shape \[2, 3\] .* received \[2\]/],
    [
      'an output of rows alone',
      (at) => computeLoss('meanSquaredError', at.row!, at.row!),
      'ERR_SHAPE',
      /\[rows, outputs\] .* \[2\]/,
    ],
    ['another reduction', (at) => computeLoss('huber', at.y!, at.p!, { reduction: 'max' as never }), 'ERR_OPTION', /reduction/],
    ['labels that are no value', (at) => computeLoss('huber', [1] as never, at.p!), 'ERR_OPTION', /yTrue/],
  ];
  for (const [what, describe, code, message] of refused) {
    it(`refuses ${what}`, async () => {
      const inputs = { p: { shape: [2, 3] }, y: { shape: [2, 3] }, other: { shape: [3, 3] }, row: { shape: [2] } };
      using step = compiled(describe, inputs);
      const run = () => step({ p: drawn(2, 3), y: drawn(2, 3), other: drawn(3, 3), row: drawn(2) });
      await expectFailure(run, code, message);
    });
  }

  it('is for functions that gs.compile describes', () =>
    expectFailure(() => computeLoss('huber', undefined as never, undefined as never), 'ERR_OPTION', /inside a function/));
});
