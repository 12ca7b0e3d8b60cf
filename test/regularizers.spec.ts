/**
 * Regularizers against float64 formulas on every backend, penalties and gradients, by name, with options and as functions
 * of a user's own; what a layer's weights carry; saved forms; wrong options.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { Graph } from '../lib/graph/graph.js';
import { restoreLayer, saveLayer } from '../lib/layers/registry.js';
import { regularizerOption } from '../lib/regularizers/registry.js';
import { backends, openSession } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { compareCase } from './helpers/op_compare.js';

const { regularizers, layers, ops } = gs;

const l1 = (w: readonly number[]): number => w.reduce((s, v) => s + Math.abs(v), 0);
const l2 = (w: readonly number[]): number => w.reduce((s, v) => s + v * v, 0);

const FORMULAS: [string, gs.RegularizerOption, (w: readonly number[]) => number][] = [
  ['l1 by name', 'l1', (w) => 0.01 * l1(w)],
  ['l2 by name', 'l2', (w) => 0.01 * l2(w)],
  ['l1l2 by name', 'l1l2', () => 0],
  ['l1', regularizers.l1({ l1: 0.3 }), (w) => 0.3 * l1(w)],
  ['l2', regularizers.l2({ l2: 0.7 }), (w) => 0.7 * l2(w)],
  ['l1l2', regularizers.l1l2({ l1: 0.4, l2: 0.2 }), (w) => 0.4 * l1(w) + 0.2 * l2(w)],
  ['l1l2 with squares only', regularizers.l1l2({ l2: 1.5 }), (w) => 1.5 * l2(w)],
  ['a function', (w) => ops.sum(ops.exp(w)), (w) => w.reduce((s, v) => s + Math.exp(v), 0)],
  ['a function with sizes of 1', (w) => ops.mean(ops.square(w), { keepDims: true }), (w) => l2(w) / w.length],
];

for (const backend of backends()) {
  describe(`regularizers on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const shape of [[3, 5], [1], [2, 3, 4, 5], [70, 130]]) {
      for (const [name, option, formula] of FORMULAS) {
        it(`${name}, weight [${shape.join(', ')}]`, async () => {
          const regularizer = regularizerOption(option, 'regularizer');
          const size = shape.reduce((a, b) => a * b, 1);
          await compareCase(session, backend.kind, {
            name,
            // Away from 0, where |w| has a kink; central differences step by 1e-5.
            inputs: {
              w: { shape, data: Array.from({ length: size }, (_, i) => (i % 2 ? -1 : 1) * (0.1 + ((i * 7) % 11) / 10)) },
            },
            build({ w }) {
              const penalty = regularizer.penalty(w!);
              expect(penalty.shape).to.deep.equal([]);
              return { penalty };
            },
            reference: ({ w }) => ({ penalty: [formula(w!)] }),
            terms: size,
            // The differences of a large weight take long.
            gradients: size > 1000 ? [] : undefined,
          });
        });
      }
    }
  });
}

describe('regularizers', () => {
  const weightsOf = (layer: gs.Layer, input: readonly number[]) =>
    Object.fromEntries(layer.parts.weights([input]).map((w) => [w.role, { penalty: w.regularizer?.config, shape: w.shape }]));

  it('are carried by the weight whose option they are', () => {
    const dense = layers.dense({ units: 3, kernelRegularizer: regularizers.l1({ l1: 2 }), biasRegularizer: 'l2' });
    expect(weightsOf(dense, [5])).to.deep.equal({
      kernel: { penalty: { l1: 2 }, shape: [5, 3] },
      bias: { penalty: { l2: 0.01 }, shape: [3] },
    });
    const conv = layers.conv2d({ filters: 4, kernelSize: 3, biasRegularizer: regularizers.l1l2({ l1: 1, l2: 2 }) });
    expect(weightsOf(conv, [8, 8, 2])).to.deep.equal({
      kernel: { penalty: undefined, shape: [3, 3, 2, 4] },
      bias: { penalty: { l1: 1, l2: 2 }, shape: [4] },
    });
  });

  it('are saved with their layer', async () => {
    const layer = layers.dense({ units: 3, kernelRegularizer: regularizers.l1l2({ l1: 0.5, l2: 3 }), biasRegularizer: 'l1' });
    const saved = JSON.parse(JSON.stringify(saveLayer(layer, 'dense')));
    expect(saved.config.kernelRegularizer).to.deep.equal({ name: 'l1l2', config: { l1: 0.5, l2: 3 } });
    expect(weightsOf(restoreLayer(saved, 'model'), [2])).to.deep.equal(weightsOf(layer, [2]));
    const own = layers.dense({ units: 3, kernelRegularizer: (w) => ops.sum(w) });
    const message = 'A regularizer that is a function of your own cannot be saved (dense.kernelRegularizer)';
    await expectFailure(() => saveLayer(own, 'dense'), 'ERR_OPTION', message);
  });

  it('saved forms are checked as options are', async () => {
    const restore = (kernelRegularizer: unknown) => () =>
      restoreLayer({ className: 'Dense', config: { units: 1, kernelRegularizer } }, 'model.layers[0]');
    await expectFailure(restore({ name: 'l2', config: { l2: 'x' } }), 'ERR_OPTION', /regularizers\.l2\.l2/);
    await expectFailure(restore({ name: 'l3', config: {} }), 'ERR_OPTION', /^Unknown regularizer "l3" for model\.layers\[0\]/);
    await expectFailure(restore({ name: 'toString', config: {} }), 'ERR_OPTION', /^Unknown regularizer "toString"/);
    await expectFailure(restore({ name: 'zeros', config: {} }), 'ERR_OPTION', /^Unknown regularizer "zeros"/);
    await expectFailure(restore({ config: {} }), 'ERR_OPTION', /^Expected name of a regularizer, a regularizer or a function/);
  });

  it('options out of range are refused', async () => {
    const failures: [() => unknown, string | RegExp][] = [
      [() => regularizers.l1({ l1: -1 }), 'Expected number >= 0 for regularizers.l1.l1 but received -1 of type number'],
      [() => regularizers.l2({ l2: NaN }), /^Expected number >= 0 for regularizers\.l2\.l2/],
      [() => regularizers.l1l2({ l1: -1 }), /^Expected number >= 0 for regularizers\.l1l2\.l1 /],
      [() => regularizers.l1l2(wrong({ l2: '1' })), /^Expected number >= 0 for regularizers\.l1l2\.l2 /],
      [() => regularizers.l2(wrong({ l1: 1 })), /^Unknown option "l1" for regularizers\.l2: did you mean "l2"\?$/],
      [
        () => layers.dense({ units: 1, kernelRegularizer: wrong(0.01) }),
        /^Expected name of a regularizer, a regularizer or a function for layers\.dense\.kernelRegularizer but received 0\.01/,
      ],
      [
        () => layers.conv2d({ filters: 1, kernelSize: 1, biasRegularizer: wrong('ridge') }),
        'Unknown regularizer "ridge" for layers.conv2d.biasRegularizer: expected one of l1, l2, l1l2',
      ],
    ];
    for (const [call, message] of failures) await expectFailure(call, 'ERR_OPTION', message);
  });

  it('functions that return no penalty are refused', async () => {
    const weight = new Graph().read({ name: 'w', shape: [2, 3], dtype: 'float32' });
    const penalty = (option: gs.RegularizerOption) => () => regularizerOption(option, 'regularizer').penalty(weight);
    await expectFailure(
      penalty((w) => ops.square(w)),
      'ERR_SHAPE',
      'Expected a penalty of shape [] but received [2, 3]',
    );
    const message = 'Expected the regularizer function to return a value made from the weight';
    await expectFailure(
      penalty(() => wrong(1)),
      'ERR_OPTION',
      message,
    );
    const other = new Graph().read({ name: 'w', shape: [], dtype: 'float32' });
    await expectFailure(
      penalty(() => other),
      'ERR_OPTION',
      message,
    );
    await expectFailure(
      penalty((w) => ops.argmax(ops.reshape(w, [6]))),
      'ERR_DTYPE',
      /^Expected a float32 penalty but received int32/,
    );
  });
});
