/**
 * Constraints against float64 formulas on every backend, by name, with options and as functions of a user's own; what a
 * layer's weights carry; saved forms; wrong options.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { constraintOption } from '../lib/constraints/registry.js';
import { Graph } from '../lib/graph/graph.js';
import { restoreLayer, saveLayer } from '../lib/layers/registry.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { compareCase } from './helpers/op_compare.js';

const { constraints, layers, ops } = gs;

type Weights = readonly number[];

/** Each element times what `factor` makes of the length of its vector along `axes`. */
function scaled(w: Weights, shape: readonly number[], axes: readonly number[], factor: (norm: number) => number): number[] {
  const vector = (at: readonly number[]): string => at.filter((_, i) => !axes.includes(i)).join();
  const squares = new Map<string, number>();
  for (const at of indices(shape)) squares.set(vector(at), (squares.get(vector(at)) ?? 0) + w[flat(shape, at)]! ** 2);
  return indices(shape).map((at) => w[flat(shape, at)]! * factor(Math.sqrt(squares.get(vector(at))!)));
}

const cut = (most: number) => (norm: number) => Math.min(norm, most) / (1e-7 + norm);
const between = (least: number, most: number, rate: number) => (norm: number) =>
  (rate * Math.min(Math.max(norm, least), most) + (1 - rate) * norm) / (1e-7 + norm);
const unit = (norm: number): number => 1 / (1e-7 + norm);

type Formula = (w: Weights, shape: readonly number[]) => number[];
const along =
  (axes: readonly number[], factor: (norm: number) => number): Formula =>
  (w, shape) =>
    scaled(w, shape, axes, factor);

const CASES: [string, gs.ConstraintOption, readonly number[], Formula][] = [
  ['maxNorm by name', 'maxNorm', [7, 5], along([0], cut(2))],
  ['unitNorm by name', 'unitNorm', [7, 5], along([0], unit)],
  ['nonNeg by name', 'nonNeg', [7, 5], (w) => w.map((v) => Math.max(v, 0))],
  ['minMaxNorm by name', 'minMaxNorm', [7, 5], along([0], between(0, 1, 1))],
  ['maxNorm 1 along rows', constraints.maxNorm({ maxValue: 1, axis: 1 }), [4, 9], along([1], cut(1))],
  ['maxNorm 0', constraints.maxNorm({ maxValue: 0 }), [3, 2], along([0], cut(0))],
  ['maxNorm of convolution filters', constraints.maxNorm({ axis: [0, 1, 2] }), [3, 3, 4, 5], along([0, 1, 2], cut(2))],
  ['unitNorm of the last axis', constraints.unitNorm({ axis: -1 }), [3, 4, 6], along([2], unit)],
  ['unitNorm of axes apart', constraints.unitNorm({ axis: [0, 2] }), [3, 4, 5], along([0, 2], unit)],
  ['minMaxNorm', constraints.minMaxNorm({ minValue: 2.5, maxValue: 3, axis: 1 }), [6, 12], along([1], between(2.5, 3, 1))],
  [
    'minMaxNorm, a fifth of the way',
    constraints.minMaxNorm({ minValue: 2.5, maxValue: 3, rate: 0.2 }),
    [12, 6],
    along([0], between(2.5, 3, 0.2)),
  ],
  ['a bias', 'maxNorm', [40], along([0], cut(2))],
  ['a function', (w) => ops.minimum(w, 0.25), [3, 5], (w) => w.map((v) => Math.min(v, 0.25))],
];

for (const backend of backends()) {
  describe(`constraints on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const [name, option, shape, formula] of CASES) {
      it(name, async () => {
        const constraint = constraintOption(option, 'constraint');
        const test: OpCase = {
          name,
          inputs: { w: { shape, range: [-1.5, 1.5] } },
          build: ({ w }) => ({ held: constraint.apply(w!) }),
          reference: ({ w }) => ({ held: formula(w!, shape) }),
          gradients: [],
        };
        await compareCase(session, backend.kind, test);
      });
    }

    it('vectors of length 0 stay', async () => {
      for (const name of ['maxNorm', 'unitNorm', 'minMaxNorm'] as const) {
        await compareCase(session, backend.kind, {
          name,
          inputs: { w: { shape: [4, 3], data: new Array<number>(12).fill(0) } },
          build: ({ w }) => ({ held: constraintOption(name, 'constraint').apply(w!) }),
          reference: ({ w }) => ({ held: w! }),
          gradients: [],
        });
      }
    });

    it('a function that gives the weight back changes nothing', async () => {
      for (const kernelConstraint of [(w: gs.Value) => w, (w: gs.Value) => ops.reshape(w, w.shape)]) {
        const dense = gs.layers.dense({ units: 1, useBias: false, kernelInitializer: 'ones', kernelConstraint, inputShape: [2] });
        using model = gs.sequential([dense]);
        const { device } = backend;
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device });
        await model.fit([[1, 2]], [[1]], { epochs: 1 });
        // w - 0.5 * 2 (1 + 2 - 1) x.
        expect([...(await model.getWeights())[0]!.data]).to.deep.equal([1 - 2, 1 - 4]);
      }
    });
  });
}

describe('constraints', () => {
  const weightsOf = (layer: gs.Layer, input: readonly number[]) =>
    Object.fromEntries(
      layer.parts.weights([input]).map((w) => [w.role, w.constraint && [w.constraint.name, w.constraint.config]]),
    );

  it('are carried by the weight whose option they are', () => {
    const dense = layers.dense({ units: 3, kernelConstraint: constraints.maxNorm({ maxValue: 3 }), biasConstraint: 'nonNeg' });
    expect(weightsOf(dense, [5])).to.deep.equal({ kernel: ['maxNorm', { maxValue: 3, axis: 0 }], bias: ['nonNeg', {}] });
    const conv = layers.conv2d({ filters: 4, kernelSize: 3, kernelConstraint: constraints.unitNorm({ axis: [0, 1, 2] }) });
    expect(weightsOf(conv, [8, 8, 2])).to.deep.equal({ kernel: ['unitNorm', { axis: [0, 1, 2] }], bias: undefined });
  });

  it('are saved with their layer', async () => {
    const kernelConstraint = constraints.minMaxNorm({ minValue: 0.5, maxValue: 2, rate: 0.1, axis: [0] });
    const layer = layers.dense({ units: 3, kernelConstraint, biasConstraint: 'nonNeg' });
    const saved = JSON.parse(JSON.stringify(saveLayer(layer, 'dense')));
    expect(saved.config.kernelConstraint).to.deep.equal({
      name: 'minMaxNorm',
      config: { minValue: 0.5, maxValue: 2, rate: 0.1, axis: [0] },
    });
    expect(weightsOf(restoreLayer(saved, 'model'), [2])).to.deep.equal(weightsOf(layer, [2]));
    const own = layers.dense({ units: 3, biasConstraint: (w) => ops.abs(w) });
    const message = 'A constraint that is a function of your own cannot be saved (dense.biasConstraint)';
    await expectFailure(() => saveLayer(own, 'dense'), 'ERR_OPTION', message);
  });

  it('saved forms are checked as options are', async () => {
    const restore = (kernelConstraint: unknown) => () =>
      restoreLayer({ className: 'Dense', config: { units: 1, kernelConstraint } }, 'model.layers[0]');
    await expectFailure(restore({ name: 'maxNorm', config: { maxValue: 'x' } }), 'ERR_OPTION', /constraints\.maxNorm\.maxValue/);
    await expectFailure(restore({ name: 'maxNrm', config: {} }), 'ERR_OPTION', /^Unknown constraint "maxNrm" .*"maxNorm"\?$/);
    await expectFailure(restore({ name: 'toString', config: {} }), 'ERR_OPTION', /^Unknown constraint "toString"/);
    await expectFailure(restore({ config: {} }), 'ERR_OPTION', /^Expected name of a constraint, a constraint or a function/);
  });

  it('options out of range are refused', async () => {
    const { maxNorm, unitNorm, minMaxNorm, nonNeg } = constraints;
    const failures: [() => unknown, string | RegExp][] = [
      [() => maxNorm({ maxValue: -1 }), 'Expected number >= 0 for constraints.maxNorm.maxValue but received -1 of type number'],
      [() => maxNorm({ axis: 0.5 }), /^Expected integer or an array of them for constraints\.maxNorm\.axis but received 0\.5/],
      [() => unitNorm({ axis: [] }), /^Expected integer or an array of them for constraints\.unitNorm\.axis/],
      [() => unitNorm({ axis: wrong(['0']) }), /^Expected integer or an array of them for constraints\.unitNorm\.axis/],
      [() => minMaxNorm({ minValue: -1 }), /^Expected number >= 0 for constraints\.minMaxNorm\.minValue/],
      [() => minMaxNorm({ rate: 1.5 }), /^Expected number in \[0, 1\] for constraints\.minMaxNorm\.rate/],
      [() => minMaxNorm({ minValue: 2 }), 'Expected constraints.minMaxNorm.minValue to be at most maxValue but received 2 and 1'],
      [() => nonNeg(wrong({ axis: 0 })), /^Unknown option "axis" for constraints\.nonNeg/],
      [
        () => layers.dense({ units: 1, kernelConstraint: wrong(2) }),
        /^Expected name of a constraint, a constraint or a function for layers\.dense\.kernelConstraint but received 2/,
      ],
      [
        () => layers.conv2d({ filters: 1, kernelSize: 1, biasConstraint: wrong('nonNegative') }),
        /^Unknown constraint "nonNegative" for layers\.conv2d\.biasConstraint/,
      ],
    ];
    for (const [call, message] of failures) await expectFailure(call, 'ERR_OPTION', message);
  });

  it('what does not fit the weight is refused', async () => {
    const weight = new Graph().read({ name: 'w', shape: [2, 3], dtype: 'float32' });
    const apply = (option: gs.ConstraintOption) => () => constraintOption(option, 'constraint').apply(weight);
    for (const name of ['maxNorm', 'unitNorm', 'minMaxNorm'] as const) {
      const axis = `constraints\\.${name}\\.axis`;
      const outside = new RegExp(`^Expected integer from -2 to 1 for ${axis} but received 2`);
      await expectFailure(apply(constraints[name]({ axis: 2 })), 'ERR_OPTION', outside);
      const twice = new RegExp(`^Expected each axis once for ${axis} but received \\[1, -1\\]`);
      await expectFailure(apply(constraints[name]({ axis: [1, -1] })), 'ERR_OPTION', twice);
    }
    await expectFailure(
      apply((w) => ops.sum(w)),
      'ERR_SHAPE',
      'Expected the constraint function to return a weight of shape [2, 3] but received []',
    );
    await expectFailure(
      apply(() => wrong(1)),
      'ERR_OPTION',
      /^Expected the constraint function to return a value made from/,
    );
    const other = new Graph().read({ name: 'w', shape: [2, 3], dtype: 'float32' });
    await expectFailure(
      apply(() => other),
      'ERR_OPTION',
      /^Expected the constraint function to return a value made from/,
    );
  });
});
