/**
 * The data-moving functions of `gs.ops`: axes counted from the end, defaults, sizes of −1, and every wrong argument by code
 * and message. Shapes only; what the kernels compute is the op table's affair (test/cases).
 */
import { expect } from 'chai';
import { Graph, type Value } from '../lib/graph/graph.js';
import * as gs from '../lib/index.js';
import * as ops from '../lib/ops/index.js';
import type { Shape } from '../lib/graph/shape.js';
import type { DType } from '../lib/graph/dtype.js';
import { transposed } from './cases/transpose.js';
import { joined } from './cases/concat.js';
import { cumulated } from './cases/cumulative_sum.js';
import { padded } from './cases/pad.js';
import { products } from './cases/batch_matmul.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import { backends, openSession } from './helpers/backends.js';
import type { NativeSession } from '../binding.js';
import type { OpCase } from './cases/op_case.js';

const graph = new Graph();
const input = (shape: Shape, dtype: DType = 'float32'): Value => graph.read({ name: 'x', shape, dtype });

function expectError(body: () => unknown, code: string, message: string): void {
  expect(body).to.throw(message).with.property('code', code);
}

describe('data movement in gs.ops', () => {
  const x = input([2, 3, 4]);

  it('shapes', () => {
    expect(ops.transpose(x).shape).to.deep.equal([4, 3, 2]);
    expect(ops.transpose(x, [0, -1, -2]).shape).to.deep.equal([2, 4, 3]);
    expect(ops.slice(x, [0, 1, 2], [-1, 2, 1]).shape).to.deep.equal([2, 2, 1]);
    expect(
      ops.pad(x, [
        [0, 0],
        [1, 2],
        [3, 0],
      ]).shape,
    ).to.deep.equal([2, 6, 7]);
    expect(ops.concat([x, x], -1).shape).to.deep.equal([2, 3, 8]);
    expect(ops.concat([x]).shape).to.deep.equal([2, 3, 4]);
    expect(ops.stack([x, x, x]).shape).to.deep.equal([3, 2, 3, 4]);
    expect(ops.stack([x, x, x], -1).shape).to.deep.equal([2, 3, 4, 3]);
    expect(ops.stack([x, x, x], 1).shape).to.deep.equal([2, 3, 3, 4]);
    expect(ops.split(x, 2, -1).map((v) => v.shape)).to.deep.equal([
      [2, 3, 2],
      [2, 3, 2],
    ]);
    expect(ops.split(x, [1, 2], 1).map((v) => v.shape)).to.deep.equal([
      [2, 1, 4],
      [2, 2, 4],
    ]);
    expect(ops.expandDims(x).shape).to.deep.equal([1, 2, 3, 4]);
    expect(ops.expandDims(x, -1).shape).to.deep.equal([2, 3, 4, 1]);
    expect(ops.squeeze(input([1, 3, 1])).shape).to.deep.equal([3]);
    expect(ops.squeeze(input([1, 3, 1]), -1).shape).to.deep.equal([1, 3]);
    expect(ops.oneHot(input([2, 3], 'int32'), 5).shape).to.deep.equal([2, 3, 5]);
    expect(ops.oneHot(input([2, 3]), 5).shape).to.deep.equal([2, 3, 5]);
    expect(ops.max(x, { axis: [0, -1] }).shape).to.deep.equal([3]);
    expect(ops.min(x, { axis: 1, keepDims: true }).shape).to.deep.equal([2, 1, 4]);
    expect(ops.cumsum(x, -1, { exclusive: true, reverse: true }).shape).to.deep.equal([2, 3, 4]);
    expect(ops.max(x).shape).to.deep.equal([]);
    expect(ops.reshape(x, [-1, 4]).shape).to.deep.equal([6, 4]);
    expect(ops.broadcastTo(input([1, 3], 'int32'), [2, 3]).dtype).to.equal('float32');
    expect(ops.broadcastTo(input([2, 3], 'int32'), [2, 3]).dtype).to.equal('float32');
    expect(ops.reshape(x, [-1]).shape).to.deep.equal([24]);
    expect(ops.broadcastTo(x, [5, 2, 3, 4]).shape).to.deep.equal([5, 2, 3, 4]);
    expect(ops.matmul(x, input([4, 5])).shape).to.deep.equal([2, 3, 5]);
    expect(ops.matmul(x, input([2, 3, 5]), { transposeA: true }).shape).to.deep.equal([2, 4, 5]);
    expect(ops.matmul(x, input([7, 4]), { transposeB: true }).shape).to.deep.equal([2, 3, 7]);
  });

  it('arguments that are wrong', () => {
    const bad = (v: unknown) => v as never;
    expectError(() => ops.transpose(bad(3)), 'ERR_OPTION', 'Expected value for ops.transpose x but received 3 of type number');
    expectError(() => ops.transpose(x, [0, 1]), 'ERR_OPTION', 'Expected each of the 3 axes once for ops.transpose axes');
    expectError(() => ops.transpose(x, [0, 1, 1]), 'ERR_OPTION', 'each of the 3 axes once');
    expectError(() => ops.transpose(x, [0, 1, 3]), 'ERR_OPTION', 'Expected integer from -3 to 2 for ops.transpose axes');
    expectError(() => ops.slice(x, [0, 0], [1, 1, 1]), 'ERR_OPTION', 'Expected 3 integers >= 0 for ops.slice begin');
    expectError(() => ops.slice(x, [0, 0, -1], [1, 1, 1]), 'ERR_OPTION', 'ops.slice begin');
    expectError(() => ops.slice(x, [0, 0, 0], [1, 0, 1]), 'ERR_OPTION', 'Expected 3 integers > 0 or -1 for ops.slice size');
    expectError(() => ops.slice(x, [0, 2, 0], [1, 2, 1]), 'ERR_SHAPE', 'Cannot take [1, 2, 1] from [0, 2, 0] on of [2, 3, 4]');
    expectError(() => ops.slice(x, [0, 3, 0], [1, -1, 1]), 'ERR_SHAPE', 'Cannot take');
    expectError(() => ops.pad(x, [[0, 0]]), 'ERR_OPTION', 'Expected 3 pairs of integers >= 0 for ops.pad paddings');
    expectError(
      () =>
        ops.pad(x, [
          [0, 0],
          [0, -1],
          [0, 0],
        ]),
      'ERR_OPTION',
      '3 pairs of integers >= 0',
    );
    expectError(() => ops.concat(bad(x)), 'ERR_OPTION', 'Expected array of values for ops.concat values');
    expectError(() => ops.concat([]), 'ERR_OPTION', 'array of values');
    expectError(() => ops.concat([x, bad(1)]), 'ERR_OPTION', 'Expected value for ops.concat values[1] but received 1');
    expectError(() => ops.concat([x, x], 3), 'ERR_OPTION', 'Expected integer from -3 to 2 for ops.concat axis but received 3');
    expectError(() => ops.concat([x, input([2, 3])]), 'ERR_SHAPE', 'Cannot concatenate [2, 3, 4] and [2, 3] along axis 0');
    expectError(() => ops.concat([x, input([2, 2, 4])]), 'ERR_SHAPE', 'Cannot concatenate [2, 3, 4] and [2, 2, 4] along axis 0');
    expectError(() => ops.concat([x, input([2, 3, 4], 'int32')]), 'ERR_DTYPE', 'Cannot concatenate float32 and int32');
    expectError(() => ops.stack([x, input([2, 3, 5])]), 'ERR_SHAPE', 'Cannot concatenate');
    expectError(() => ops.stack([x], 4), 'ERR_OPTION', 'Expected integer from -4 to 3 for ops.stack axis');
    expectError(() => ops.split(x, 3, -1), 'ERR_SHAPE', 'Cannot split axis 2 of [2, 3, 4] into 3 equal parts');
    expectError(() => ops.split(x, [1, 2], -1), 'ERR_SHAPE', 'Cannot split axis 2 of [2, 3, 4] into parts of [1, 2]');
    expectError(() => ops.split(x, 0), 'ERR_OPTION', 'Expected integer > 0 or an array of them for ops.split parts');
    expectError(() => ops.split(x, [3, -1], 1), 'ERR_OPTION', 'ops.split parts');
    expectError(() => ops.expandDims(x, 5), 'ERR_OPTION', 'Expected integer from -4 to 3 for ops.expandDims axis');
    expectError(() => ops.squeeze(x, 1), 'ERR_SHAPE', 'Only axes of size 1 can be squeezed, not [1] of [2, 3, 4]');
    expectError(() => ops.squeeze(input([]), 0), 'ERR_OPTION', 'Expected no axis, the value is a scalar, for ops.squeeze axes');
    expectError(() => ops.oneHot(input([2], 'int32'), 0), 'ERR_OPTION', 'Expected integer > 0 for ops.oneHot depth');
    expectError(() => ops.cumsum(x, 3), 'ERR_OPTION', 'Expected integer from -3 to 2 for ops.cumsum axis');
    expectError(() => ops.cumsum(x, 0, { reverse: bad('yes') }), 'ERR_OPTION', 'Expected boolean for ops.cumsum.reverse');
    expectError(() => ops.max(x, { axis: 3 }), 'ERR_OPTION', 'Expected integer from -3 to 2 for ops.max.axis but received 3');
    expectError(() => ops.mean(x, { axis: [0, -3] }), 'ERR_OPTION', 'Expected each axis once for ops.mean.axis');
    expectError(() => ops.sum(x, bad({ axes: 0 })), 'ERR_OPTION', 'Unknown option "axes" for ops.sum: did you mean "axis"?');
    expectError(() => ops.min(x, { axis: bad('x') }), 'ERR_OPTION', 'Expected integer or an array of them for ops.min.axis');
    expectError(() => ops.sum(x, { axis: bad(null) }), 'ERR_OPTION', 'for ops.sum.axis');
    expectError(() => ops.sum(x, { keepDims: bad(1) }), 'ERR_OPTION', 'ops.sum.keepDims');
    for (const name of ['sum', 'mean', 'max', 'softmax', 'logSoftmax', 'argmax'] as const) {
      expectError(() => ops[name](bad([1])), 'ERR_OPTION', `Expected value for ops.${name} x but received`);
    }
    const whole = input([2, 3], 'int32');
    for (const name of ['sum', 'mean', 'max', 'softmax', 'logSoftmax', 'argmax', 'cumsum'] as const) {
      expectError(() => ops[name](whole), 'ERR_DTYPE', `Expected float32 for ops.${name} x but received int32`);
    }
    expectError(() => ops.matmul(input([4, 2]), whole), 'ERR_DTYPE', 'Expected float32 for ops.matmul b but received int32');
    for (const name of ['softmax', 'logSoftmax', 'argmax'] as const) {
      expectError(() => ops[name](input([])), 'ERR_SHAPE', `Expected a value with an axis for ${name} but received a scalar`);
    }
    const variable = gs.variable({ value: [1], name: 'w' });
    expectError(() => ops.mean(bad(variable)), 'ERR_OPTION', 'Expected a value for ops.mean x but received a variable');
    expectError(() => ops.add(x, bad(variable)), 'ERR_OPTION', 'for ops.add operand 2 but received a variable');
    expectError(() => ops.matmul(x, bad(variable)), 'ERR_OPTION', 'for ops.matmul b but received a variable');
    expectError(() => gs.activations.gelu(bad(variable)), 'ERR_OPTION', 'received a variable');
    expectError(() => gs.activations.softmax(bad(variable)), 'ERR_OPTION', 'received a variable');
    expectError(
      () => ops.add(x, new Graph().read({ name: 'y', shape: [1], dtype: 'float32' })),
      'ERR_OPTION',
      'another function',
    );
    expectError(() => ops.reshape(x, [5, -1]), 'ERR_SHAPE', 'Cannot reshape [2, 3, 4] into [5, 4]');
    expectError(() => ops.reshape(x, [-1, -1]), 'ERR_OPTION', 'Expected at most one -1 for ops.reshape shape');
    expectError(() => ops.reshape(x, [0, 24]), 'ERR_OPTION', 'ops.reshape shape');
    expectError(() => ops.reshape(x, bad(24)), 'ERR_OPTION', 'ops.reshape shape');
    expectError(() => ops.broadcastTo(x, [2, 3]), 'ERR_SHAPE', 'Cannot broadcast [2, 3, 4] to [2, 3]');
    expectError(() => ops.broadcastTo(x, [3, 3, 4]), 'ERR_SHAPE', 'Cannot broadcast [2, 3, 4] to [3, 3, 4]');
    expectError(() => ops.broadcastTo(x, [1, 3, 4]), 'ERR_SHAPE', 'Cannot broadcast [2, 3, 4] to [1, 3, 4]');
    expectError(() => ops.squeeze(x, bad(null)), 'ERR_OPTION', 'Expected integer or an array of them for ops.squeeze axes');
    expectError(() => ops.squeeze(x, bad('a')), 'ERR_OPTION', 'ops.squeeze axes');
    expectError(() => ops.matmul(x, x, bad(null)), 'ERR_OPTION', 'Expected an object of options for ops.matmul');
    expectError(() => ops.cumsum(x, 0, bad({ reversed: true })), 'ERR_OPTION', 'Unknown option "reversed" for ops.cumsum');
    expectError(() => ops.oneHot(input([2], 'int32'), 2 ** 31), 'ERR_SHAPE', 'a value of shape [2, 2147483648]');
    expectError(() => ops.split(x, 2 ** 31), 'ERR_SHAPE', 'into 2147483648 equal parts');
    expectError(() => ops.matmul(x, x), 'ERR_SHAPE', 'Cannot multiply [2, 3, 4] by [2, 3, 4]');
    expectError(() => ops.matmul(x, input([4])), 'ERR_SHAPE', 'Cannot multiply [2, 3, 4] by [4]');
    expectError(() => ops.matmul(x, input([3, 5]), { transposeB: true }), 'ERR_SHAPE', 'by [3, 5] transposed');
    expectError(() => ops.matmul(x, input([3, 4, 5])), 'ERR_SHAPE', 'do not broadcast');
    expectError(() => ops.matmul(x, x, { transposeA: bad(1) }), 'ERR_OPTION', 'Expected boolean for ops.matmul.transposeA');
    expectError(() => ops.stack(Array.from({ length: 2 }, () => input([1, 1, 1, 1, 1, 1]))), 'ERR_SHAPE', 'rank');
  });
});

/** Values, through the public functions. */
const cases: OpCase[] = [
  {
    name: 'transpose, slice, pad, cumsum',
    inputs: { x: { shape: [2, 3, 4] } },
    build: ({ x }) => ({
      a: ops.transpose(x!, [1, -1, 0]),
      b: ops.slice(x!, [1, 0, 2], [1, 2, -1]),
      d: ops.cumsum(x!, -2, { exclusive: true, reverse: true }),
      c: ops.pad(x!, [
        [0, 1],
        [0, 0],
        [2, 0],
      ]),
    }),
    reference: ({ x }) => ({
      a: transposed(x!, [2, 3, 4], [1, 2, 0]),
      b: padded(x!, [2, 3, 4], [-1, 0, -2], [0, -1, 0]),
      d: cumulated(x!, [2, 3, 4], 1, true, true),
      c: padded(x!, [2, 3, 4], [0, 0, 2], [1, 0, 0]),
    }),
  },
  {
    name: 'stack on the last axis, split into sizes and into parts',
    inputs: { x: { shape: [3, 4] }, y: { shape: [3, 4] } },
    build: ({ x, y }) => {
      const [a, b] = ops.split(x!, [1, 3], 1);
      const [c, d] = ops.split(y!, 2, 1);
      return { s: ops.stack([x!, y!], -1), t: ops.concat([b!, d!, a!, c!], 1) };
    },
    reference: ({ x, y }) => {
      const cut = (v: readonly number[], begin: number, end: number) => padded(v, [3, 4], [0, -begin], [0, end - 4]);
      const parts = [cut(x!, 1, 4), cut(y!, 2, 4), cut(x!, 0, 1), cut(y!, 0, 2)];
      return {
        s: x!.flatMap((v, i) => [v, y![i]!]),
        t: joined(
          parts,
          [
            [3, 3],
            [3, 2],
            [3, 1],
            [3, 2],
          ],
          1,
        ),
      };
    },
  },
  {
    name: 'oneHot of floats, some of them no class',
    inputs: { x: { shape: [5, 7] } },
    build: ({ x }) => ({ y: ops.oneHot(ops.mul(ops.floor(ops.mul(x!, 8)), 0.5), 3) }),
    reference: ({ x }) => ({ y: x!.flatMap((v) => [0, 1, 2].map((k) => (Math.floor(8 * v) / 2 === k ? 1 : 0))) }),
  },
  {
    name: 'matmul with transposes',
    inputs: { x: { shape: [2, 3, 4] }, y: { shape: [2, 5, 3] } },
    build: ({ x, y }) => ({ z: ops.matmul(x!, y!, { transposeA: true, transposeB: true }) }),
    reference: ({ x, y }) => ({
      z: products(
        x!,
        y!,
        [
          [2, 3, 4],
          [2, 5, 3],
        ],
        true,
        true,
      ),
    }),
  },
];

for (const backend of backends()) {
  describe(`data movement in gs.ops on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());
    for (const test of cases) {
      it(test.name, async () => {
        const numbers = inputNumbers(test.inputs);
        const { outputs } = await runCase(session, backend.kind, { ...test, gradients: [] }, numbers, {
          guardBytes: 64,
          fusion: true,
        });
        for (const [name, values] of Object.entries(test.reference(numbers, backend.kind))) {
          expect(outputs[name]!.length, name).to.equal(values.length);
          outputs[name]!.forEach((v, i) => expect(v, `${name}[${i}]`).to.be.closeTo(values[i]!, 1e-6));
        }
      });
    }
  });
}
