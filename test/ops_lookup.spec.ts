/**
 * What `gs.ops` looks up by number: gather, takeAlongAxis, unsortedSegmentSum, topk against plain loops in float64, their gradients
 * against differences; numbers outside, in functions and in losses of one's own; wrong arguments.
 */
import { expect } from 'chai';
import { Graph, type Value } from '../lib/graph/graph.js';
import type { DType } from '../lib/graph/dtype.js';
import type { Shape } from '../lib/graph/shape.js';
import * as gs from '../lib/index.js';
import * as ops from '../lib/ops/index.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { leaders } from './cases/top_mask.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';
import { describeCases, describeRefusals } from './helpers/op_cases.js';

const whole = (shape: number[], below: number) => ({ shape, dtype: 'int32' as const, range: [0, below] as const });

/** y[batch…, between…, k…, inner…] = x[batch…, between…, indices[batch…, k…], inner…]. */
function gathered(x: readonly number[], shape: number[], at: readonly number[], atShape: number[], axis: number, batch: number) {
  const [between, numbers] = [shape.slice(batch, axis), atShape.slice(batch)];
  const result = [...shape.slice(0, batch), ...between, ...numbers, ...shape.slice(axis + 1)];
  return indices(result).map((index) => {
    const [b, m] = [index.slice(0, batch), index.slice(batch, axis)];
    const k = index.slice(axis, axis + numbers.length);
    const inner = index.slice(axis + numbers.length);
    return x[flat(shape, [...b, ...m, at[flat(atShape, [...b, ...k])]!, ...inner])]!;
  });
}

function gatherCase(shape: number[], atShape: number[], axis: number, batch: number): OpCase {
  return {
    name: `gather of [${shape.join(', ')}] by [${atShape.join(', ')}] along ${axis}, ${batch} axes shared`,
    inputs: { x: { shape }, at: whole(atShape, shape[axis]!) },
    build: ({ x, at }) => ({ y: ops.gather(x!, at!, { axis, batchDims: batch }) }),
    reference: ({ x, at }) => ({ y: gathered(x!, shape, at!, atShape, axis, batch) }),
    terms: 4,
  };
}

function alongCase(shape: number[], axis: number, count: number): OpCase {
  const atShape = shape.with(axis, count);
  return {
    name: `takeAlongAxis of [${shape.join(', ')}] along ${axis}, ${count} each`,
    inputs: { x: { shape }, at: whole(atShape, shape[axis]!) },
    build: ({ x, at }) => ({ y: ops.takeAlongAxis(x!, at!, axis) }),
    reference: ({ x, at }) => ({
      y: indices(atShape).map((index) => x![flat(shape, index.with(axis, at![flat(atShape, index)]!))]!),
    }),
    terms: 4,
  };
}

const cases: OpCase[] = [
  gatherCase([5, 3], [4], 0, 0),
  gatherCase([5, 3], [], 0, 0),
  gatherCase([5], [2, 3], 0, 0),
  gatherCase([2, 5, 3], [4], 1, 0),
  gatherCase([2, 3, 5], [2, 2], 2, 0),
  gatherCase([3, 5, 2], [3, 4], 1, 1),
  gatherCase([3, 5], [3], 1, 1),
  gatherCase([2, 3, 4, 2], [2, 6], 2, 1),
  gatherCase([2, 3, 4, 2], [2, 3, 1, 2], 2, 2),
  alongCase([4, 6], 1, 3),
  alongCase([4, 6], 0, 7),
  alongCase([2, 3, 4], 1, 2),
  alongCase([5], 0, 2),
  {
    name: 'defaults: the first axis, the last one',
    inputs: { x: { shape: [3, 4] }, at: whole([2], 3), along: whole([3, 1], 4) },
    build: ({ x, at, along }) => ({ y: ops.gather(x!, at!), z: ops.takeAlongAxis(x!, along!) }),
    reference: ({ x, at, along }) => ({
      y: at!.flatMap((r) => x!.slice(4 * r, 4 * r + 4)),
      z: along!.map((c, r) => x![4 * r + c]!),
    }),
  },
  {
    name: 'unsortedSegmentSum: repeated, missing and wrong ids',
    inputs: { x: { shape: [6, 2, 2] }, ids: { shape: [6], dtype: 'int32', data: [2, 0, 2, -1, 4, 2] } },
    build: ({ x, ids }) => ({ y: ops.unsortedSegmentSum(x!, ids!, 4) }),
    reference({ x, ids }) {
      const y = new Array<number>(16).fill(0);
      ids!.forEach((s, i) => {
        if (s >= 0 && s < 4) for (let c = 0; c < 4; c++) y[4 * s + c]! += x![4 * i + c]!;
      });
      return { y };
    },
  },
  {
    name: 'unsortedSegmentSum of numbers',
    inputs: { x: { shape: [5] }, ids: { shape: [5], dtype: 'int32', data: [1, 1, 0, 1, 0] } },
    build: ({ x, ids }) => ({ y: ops.unsortedSegmentSum(x!, ids!, 2) }),
    reference: ({ x }) => ({ y: [x![2]! + x![4]!, x![0]! + x![1]! + x![3]!] }),
  },
  {
    name: 'messages along the edges of a graph: gathered, then summed by target',
    inputs: {
      x: { shape: [4, 3] },
      from: { shape: [5], dtype: 'int32', data: [0, 1, 1, 3, 2] },
      to: { shape: [5], dtype: 'int32', data: [1, 0, 2, 2, 2] },
    },
    build: ({ x, from, to }) => ({ y: ops.square(ops.unsortedSegmentSum(ops.gather(x!, from!), to!, 4)) }),
    reference({ x, from, to }) {
      const y = new Array<number>(12).fill(0);
      from!.forEach((f, e) => {
        for (let c = 0; c < 3; c++) y[3 * to![e]! + c]! += x![3 * f + c]!;
      });
      return { y: y.map((v) => v * v) };
    },
  },
  {
    name: 'topk: values, where they stand, gradients',
    inputs: { x: { shape: [2, 3, 7] } },
    build({ x }) {
      const { values, indices: at } = ops.topk(x!, 3);
      const { values: first } = ops.topk(x!);
      return { values, at, first };
    },
    reference({ x }) {
      const at = leaders(x!, 7, 3);
      const values = at.map((i, j) => x![7 * Math.floor(j / 3) + i]!);
      return { values, at, first: values.filter((_, j) => j % 3 === 0) };
    },
  },
];

describeCases('looking up in gs.ops', cases);

/** Rows of a table by x [rows, n], for each row of x, or for all numbers one after the other. */
const tableLayer = gs.layers.defineLayer({
  className: 'TestTable',
  options: { flat: gs.layers.options.optional(gs.layers.options.boolean(), false) },
  weights: () => [{ name: 'table', shape: [4, 2] }],
  outputShape: (_options, [n]) => [n!, 2],
  call({ flat }, x, { weight }) {
    const numbers = ops.cast(flat ? ops.reshape(x, [-1]) : x, 'int32');
    return ops.reshape(ops.gather(weight('table'), numbers), [...x.shape, 2]);
  },
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`looking up in gs.ops on ${name}: runs`, () => {
    it('of a sum of cubes of what was gathered, once without a gather and once with one', async () => {
      // f = Σ x[at]³; its gradient's sum's gradient is 6·x·(how often x is taken).
      const step = gs.compile(
        ({ x, at }) => {
          const taken = ops.gather(x!, at!);
          const [slope] = gs.grad(ops.sum(ops.mul(taken, ops.square(taken))), [x!]);
          const [second] = gs.grad(ops.sum(slope!), [x!]);
          return { second: second! };
        },
        { inputs: { x: { shape: [4] }, at: { shape: [3], dtype: 'int32' } }, device },
      );
      const { second } = await step({ x: [0.5, -1, 2, 3], at: [1, 3, 1] });
      expect([...second!.data]).to.deep.equal([0, 2 * 6 * -1, 0, 6 * 3]);
      await step.dispose();
    });

    it('numbers outside end a run of a function, which then still works', async () => {
      const step = gs.compile(({ x, at }) => ({ y: ops.gather(x!, at!) }), {
        inputs: { x: { shape: [3, 2] }, at: { shape: [4], dtype: 'int32' } },
        device,
      });
      const x = [1, 2, 3, 4, 5, 6];
      const message = 'Expected indices from 0 to 2 in ops.gather but received 3 in row 2 of the indices';
      await expectFailure(() => step({ x, at: [0, 2, 3, 1] }), 'ERR_INDEX_RANGE', message);
      await expectFailure(() => step({ x, at: [0, -1, 2, 1] }), 'ERR_INDEX_RANGE', /received -1 in row 1 of the indices$/);
      expect([...(await step({ x, at: [2, 0, 0, 1] })).y!.data]).to.deep.equal([5, 6, 1, 2, 1, 2, 3, 4]);
      await step.dispose();
    });

    it('numbers outside in a layer of one’s own: the row of the data, or of what the layer looks up by, and the step', async () => {
      using byRow = gs.sequential([tableLayer({ inputShape: [2] })]);
      byRow.compile({ optimizer: 'sgd', loss: 'mse', device });
      const x = Float32Array.from({ length: 80 }, (_, i) => (i === 75 ? 9 : i % 4));
      const outside = (where: string) => `Expected indices from 0 to 3 in ops.gather but received 9 in ${where} (in test_table)`;
      await expectFailure(() => byRow.predict(x), 'ERR_INDEX_RANGE', outside('row 37 of the data'));
      await expectFailure(() => byRow.fit(x, gs.tensor(new Float32Array(160), [40, 2, 2]), { batchSize: 8 }), 'ERR_INDEX_RANGE', outside('row 37 of the data')); // prettier-ignore
      using flat = gs.sequential([tableLayer({ flat: true, inputShape: [2] })]);
      flat.compile({ optimizer: 'sgd', loss: 'mse', device });
      await expectFailure(
        () => flat.predict(x),
        'ERR_INDEX_RANGE',
        outside('row 11 of the indices in step 1 of the pass (predict)'),
      );
    });

    it('class numbers in a loss of one’s own, which otherwise is the one of that name', async () => {
      // The negative logarithm of the probability that a row's class has.
      const nll = (yTrue: Value, yPred: Value): Value => ops.neg(ops.log(ops.takeAlongAxis(yPred, ops.cast(yTrue, 'int32'))));
      const build = (loss: gs.LossFunction | 'sparseCategoricalCrossentropy') => {
        const model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [2] })]);
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss, seed: 3, device });
        return model;
      };
      const x = gs.tensor([0.1, 0.7, -0.4, 0.2, 0.9, -0.3, 0.5, 0.5], [4, 2]);
      const [own, named] = [build(nll), build('sparseCategoricalCrossentropy')];
      const y = gs.tensor([0, 2, 1, 2], [4, 1]);
      const options = { epochs: 5, batchSize: 2, shuffle: false };
      const [a, b] = [await own.fit(x, y, options), await named.fit(x, y, options)];
      a.loss!.forEach((loss, i) => expect(loss).to.be.closeTo(b.loss![i]!, 1e-5));
      await expectFailure(
        () => own.fit(x, gs.tensor([0, 2, 5, 2], [4, 1]), options),
        'ERR_INDEX_RANGE',
        'Expected indices from 0 to 2 in ops.takeAlongAxis but received 5 in row 2 of the data (in loss)',
      );
      await own.dispose();
      await named.dispose();
    });
  });
}

const graph = new Graph();
const input = (shape: Shape, dtype: DType = 'float32'): Value => graph.read({ name: 'x', shape, dtype });
const [x, at] = [input([2, 3, 4]), input([2], 'int32')];
const bad = (v: unknown) => v as never;
describeRefusals('looking up in gs.ops', [
  [
    'floats as indices',
    () => ops.gather(x, input([2])),
    'ERR_DTYPE',
    'Expected int32 for ops.gather indices but received float32: ops.cast',
  ],
  ['whole numbers as x', () => ops.gather(at, at), 'ERR_DTYPE', 'Expected float32 for ops.gather x but received int32'],
  ['an axis too many', () => ops.gather(x, at, { axis: 3 }), 'ERR_OPTION', 'Expected integer from -3 to 2 for ops.gather.axis'],
  ['half an axis', () => ops.gather(x, at, { axis: 0.5 }), 'ERR_OPTION', 'Expected integer for ops.gather.axis but received 0.5'],
  ['an array as axis', () => ops.gather(x, at, { axis: bad([0]) }), 'ERR_OPTION', 'ops.gather.axis'],
  [
    'more shared axes than lie in front',
    () => ops.gather(x, at, { axis: 0, batchDims: 1 }),
    'ERR_OPTION',
    'from 0 to the axis (0)',
  ],
  [
    'shared axes that differ',
    () => ops.gather(x, input([3], 'int32'), { batchDims: 1 }),
    'ERR_SHAPE',
    'share their first 1 axes',
  ],
  ['an unknown option', () => ops.gather(x, at, bad({ axes: 1 })), 'ERR_OPTION', 'did you mean "axis"?'],
  ['a number as x', () => ops.gather(bad(1), at), 'ERR_OPTION', 'Expected value for ops.gather x but received 1'],
  ['along: another rank', () => ops.takeAlongAxis(x, at), 'ERR_SHAPE', "Expected indices of x's shape but for axis 2"],
  ['along: another shape', () => ops.takeAlongAxis(x, input([2, 2, 4], 'int32')), 'ERR_SHAPE', '[2, 2, 4] and [2, 3, 4]'],
  ['along: an axis too many', () => ops.takeAlongAxis(x, at, 5), 'ERR_OPTION', 'ops.takeAlongAxis axis'],
  ['segments: no number', () => ops.unsortedSegmentSum(x, at, 0), 'ERR_OPTION', 'ops.unsortedSegmentSum numSegments'],
  [
    'segments: too few ids',
    () => ops.unsortedSegmentSum(x, input([3], 'int32'), 2),
    'ERR_SHAPE',
    'Expected one id for each element',
  ],
  ['segments: a scalar', () => ops.unsortedSegmentSum(input([]), at, 2), 'ERR_SHAPE', 'received a scalar'],
  ['topk: more than there are', () => ops.topk(x, 5), 'ERR_OPTION', 'Expected integer from 1 to 4 for ops.topk k but received 5'],
  ['topk: of a scalar', () => ops.topk(input([])), 'ERR_SHAPE', 'received a scalar'],
]);
