/**
 * Options of recurrent layers: what layers begin with, shapes, names of weights, every wrong option, shape and state by code and
 * message.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { failure, wrong } from './helpers/failure.js';

const L = gs.layers;

async function expectError(body: () => unknown, code: string, message: string): Promise<void> {
  const error = await failure(body);
  expect(error.message).to.include(message);
  expect(error.code).to.equal(code);
}

const at = (...shape: number[]) => gs.input({ shape });
const weightNames = (layer: gs.Layer, input: number[]): string[] => {
  const x = gs.input({ shape: input });
  return coreOf(gs.model({ inputs: x, outputs: [...layer.applyAll(x)] })).network.weights.map((w) => w.name);
};

const ALLOWED =
  'one of "linear", "relu", "relu6", "tanh", "sigmoid", "hardSigmoid", "softsign", "softplus", "elu", "selu", "exponential"';

describe('recurrent layers: options', () => {
  it("defaults are Keras's", () => {
    const common = { activation: 'tanh', useBias: true, dropout: 0, recurrentDropout: 0 };
    const sequence = {
      returnSequences: false,
      returnState: false,
      goBackwards: false,
      stateful: false,
      zeroOutputForMask: false,
    };
    expect(L.simpleRNN({ units: 2 }).options).to.include({ ...common, ...sequence });
    expect(L.lstm({ units: 2 }).options).to.include({
      ...common,
      ...sequence,
      recurrentActivation: 'sigmoid',
      unitForgetBias: true,
    });
    expect(L.gru({ units: 2 }).options).to.include({ ...common, ...sequence, recurrentActivation: 'sigmoid', resetAfter: true });
    for (const layer of [L.simpleRNN({ units: 2 }), L.lstmCell({ units: 2 }), L.convLstm2d({ filters: 1, kernelSize: 1 })]) {
      const { kernelInitializer, recurrentInitializer, biasInitializer } = layer.options as Record<string, gs.Initializer>;
      expect([kernelInitializer!.name, recurrentInitializer!.name, biasInitializer!.name]).to.deep.equal([
        'glorotUniform',
        'orthogonal',
        'zeros',
      ]);
    }
    expect(L.convLstm2d({ filters: 2, kernelSize: 3 }).options).to.include({
      ...sequence,
      padding: 'valid',
      activation: gs.activations.tanh,
      recurrentActivation: gs.activations.sigmoid,
      unitForgetBias: true,
    });
    expect(L.bidirectional({ layer: L.lstm({ units: 2 }) }).options.mergeMode).to.equal('concat');
  });

  it('weights: shapes, and what they begin with', async () => {
    const shapes = async (layer: gs.Layer) => (await gs.sequential([layer]).getWeights()).map((w) => w.shape);
    const inputShape = [4, 3];
    expect(await shapes(L.simpleRNN({ units: 5, inputShape }))).to.deep.equal([[3, 5], [5, 5], [5]]);
    expect(await shapes(L.lstm({ units: 5, inputShape }))).to.deep.equal([[3, 20], [5, 20], [20]]);
    expect(await shapes(L.gru({ units: 5, inputShape }))).to.deep.equal([
      [3, 15],
      [5, 15],
      [2, 15],
    ]);
    expect(await shapes(L.gru({ units: 5, resetAfter: false, inputShape }))).to.deep.equal([[3, 15], [5, 15], [15]]);
    expect(await shapes(L.lstm({ units: 5, useBias: false, inputShape }))).to.have.length(2);
    expect(await shapes(L.convLstm2d({ filters: 5, kernelSize: [2, 3], inputShape: [4, 6, 6, 2] }))).to.deep.equal([
      [2, 3, 2, 20],
      [2, 3, 5, 20],
      [20],
    ]);
    const bias = async (layer: gs.Layer) => [...(await gs.sequential([layer]).getWeights())[2]!.data];
    expect(await bias(L.lstm({ units: 2, inputShape }))).to.deep.equal([0, 0, 1, 1, 0, 0, 0, 0]);
    expect(await bias(L.lstm({ units: 2, unitForgetBias: false, inputShape }))).to.deep.equal(Array(8).fill(0));
    const half = gs.initializers.constant({ value: 0.5 });
    expect(await bias(L.lstm({ units: 1, biasInitializer: half, inputShape }))).to.deep.equal([0.5, 1, 0.5, 0.5]);
    expect(await bias(L.convLstm2d({ filters: 1, kernelSize: 1, inputShape: [2, 2, 2, 1] }))).to.deep.equal([0, 1, 0, 0]);
    // The recurrent kernel's rows are perpendicular and of length 1.
    const [, recurrent] = await gs.sequential([L.gru({ units: 3, inputShape })]).getWeights();
    const row = (i: number) => [...recurrent!.data].slice(9 * i, 9 * i + 9);
    const product = (a: number[], b: number[]) => a.reduce((sum, v, k) => sum + v * b[k]!, 0);
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) expect(product(row(i), row(j))).to.be.closeTo(i === j ? 1 : 0, 1e-6);
    }
  });

  it('names of weights', () => {
    const plain = (layer: string) => ['kernel', 'recurrent_kernel', 'bias'].map((role) => `${layer}/${role}`);
    expect(weightNames(L.lstm({ units: 2 }), [3, 4])).to.deep.equal(plain('lstm'));
    expect(weightNames(L.simpleRNN({ units: 2 }), [3, 4])).to.deep.equal(plain('simple_rnn'));
    expect(weightNames(L.bidirectional({ layer: L.gru({ units: 2 }) }), [3, 4])).to.deep.equal([
      ...plain('bidirectional/forward_gru'),
      ...plain('bidirectional/backward_gru'),
    ]);
    const cell = [L.lstmCell({ units: 2 }), L.lstmCell({ units: 3 }), L.gruCell({ units: 1, name: 'top' })];
    expect(weightNames(L.rnn({ cell }), [3, 4])).to.deep.equal([
      ...plain('rnn/lstm_cell'),
      ...plain('rnn/lstm_cell_1'),
      ...plain('rnn/top'),
    ]);
    const stack = L.stackedRNNCells({ cells: [L.simpleRNNCell({ units: 1 })] });
    expect(weightNames(L.rnn({ cell: stack }), [3, 4])).to.deep.equal(plain('rnn/stacked_rnn_cells/simple_rnn_cell'));
  });

  it('shapes of results', () => {
    const shapes = (layer: gs.Layer, ...inputs: number[][]) => layer.applyAll(inputs.map((i) => at(...i))).map((t) => t.shape);
    expect(shapes(L.lstm({ units: 5 }), [4, 3])).to.deep.equal([[5]]);
    expect(shapes(L.lstm({ units: 5, returnSequences: true, returnState: true }), [4, 3])).to.deep.equal([[4, 5], [5], [5]]);
    expect(shapes(L.gru({ units: 5, returnState: true }), [4, 3], [5])).to.deep.equal([[5], [5]]);
    const layer = L.lstm({ units: 5, returnSequences: true, returnState: true });
    expect(shapes(L.bidirectional({ layer }), [4, 3])).to.deep.equal([[4, 10], [5], [5], [5], [5]]);
    expect(shapes(L.bidirectional({ layer, mergeMode: null }), [4, 3])).to.deep.equal([[4, 5], [4, 5], [5], [5], [5], [5]]);
    const options = { filters: 2, kernelSize: 3, returnState: true };
    expect(shapes(L.convLstm2d({ ...options, strides: 2 }), [4, 7, 8, 3])).to.deep.equal([
      [3, 3, 2],
      [3, 3, 2],
      [3, 3, 2],
    ]);
    expect(shapes(L.rnn({ cell: [L.lstmCell({ units: 5 }), L.gruCell({ units: 2 })], returnState: true }), [4, 3])).to.deep.equal(
      [[2], [5], [5], [2]],
    );
    expect(shapes(L.lstmCell({ units: 5 }), [3])).to.deep.equal([[5], [5], [5]]);
  });

  it('a model of one result says that there are several', async () => {
    await expectError(
      () => L.gru({ units: 2, returnState: true }).apply(at(3, 1)),
      'ERR_OPTION',
      'Expected one result but gru has 2: use applyAll',
    );
  });

  it('wrong options are named', async () => {
    for (const make of [L.simpleRNN, L.lstm, L.gru, L.simpleRNNCell, L.lstmCell, L.gruCell]) {
      const name = make.name;
      for (const units of [undefined, 0, 2.5, 'a']) {
        await expectError(() => make({ units: wrong(units) }), 'ERR_OPTION', `Expected integer > 0 for layers.${name}.units`);
      }
      for (const activation of ['gelu', 'softmax', 3, gs.activations.mish, (x: gs.Value) => x]) {
        await expectError(
          () => make({ units: 1, activation: wrong(activation) }),
          'ERR_OPTION',
          `Expected ${ALLOWED} for layers.${name}.activation but received`,
        );
      }
      for (const rate of [-0.1, 1, 'a']) {
        for (const option of ['dropout', 'recurrentDropout']) {
          await expectError(
            () => make({ units: 1, [option]: wrong(rate) }),
            'ERR_OPTION',
            `Expected number in [0, 1) for layers.${name}.${option}`,
          );
        }
      }
      await expectError(() => make(wrong({ units: 1, unit: 2 })), 'ERR_OPTION', `Unknown option "unit" for layers.${name}`);
    }
    for (const make of [L.lstm, L.gru]) {
      await expectError(
        () => make({ units: 1, recurrentActivation: wrong('silu') }),
        'ERR_OPTION',
        `Expected ${ALLOWED} for layers.${make.name}.recurrentActivation but received "silu"`,
      );
      for (const option of ['returnSequences', 'returnState', 'goBackwards', 'stateful', 'zeroOutputForMask']) {
        await expectError(
          () => make({ units: 1, [option]: wrong(1) }),
          'ERR_OPTION',
          `Expected boolean for layers.${make.name}.${option} but received 1`,
        );
      }
    }
    await expectError(() => L.simpleRNN(wrong({ units: 1, resetAfter: true })), 'ERR_OPTION', 'Unknown option "resetAfter"');
    await expectError(
      () => L.convLstm2d({ filters: 1, kernelSize: wrong([1]) }),
      'ERR_OPTION',
      'Expected integer > 0 or a pair of them for layers.convLstm2d.kernelSize',
    );
  });

  it('wrong cells are named', async () => {
    const any = 'recurrent cell, such as layers.lstmCell makes';
    for (const cell of [undefined, 'lstm', L.lstm({ units: 1 }), L.dense({ units: 1 })]) {
      await expectError(
        () => L.rnn({ cell: wrong(cell) }),
        'ERR_OPTION',
        `Expected ${any}, or array of them for layers.rnn.cell`,
      );
      await expectError(() => L.rnn({ cell: [wrong(cell)] }), 'ERR_OPTION', `Expected ${any} for layers.rnn.cell[0]`);
      await expectError(
        () => L.stackedRNNCells({ cells: [L.gruCell({ units: 1 }), wrong(cell)] }),
        'ERR_OPTION',
        `Expected ${any} for layers.stackedRNNCells.cells[1]`,
      );
    }
    await expectError(() => L.rnn({ cell: [] }), 'ERR_OPTION', `Expected array of at least one ${any} for layers.rnn.cell`);
    const cell = L.gruCell({ units: 1 });
    await expectError(
      () => L.rnn({ cell: [cell, cell] }),
      'ERR_OPTION',
      'Expected a cell of its own for layers.rnn.cell[1] but received one that stands in the stack',
    );
    await expectError(
      () => L.rnn({ cell: [L.gruCell({ units: 1, name: 'a' }), L.gruCell({ units: 1, name: 'a' })] }),
      'ERR_OPTION',
      'Expected name of its own for layers.rnn.cell[1].name but received "a"',
    );
  });

  it('wrong layers in both directions are named', async () => {
    const where = 'layers.bidirectional';
    for (const layer of [undefined, L.dense({ units: 1 }), L.lstmCell({ units: 1 }), gs.sequential([L.lstm({ units: 1 })])]) {
      await expectError(
        () => L.bidirectional({ layer: wrong(layer) }),
        'ERR_OPTION',
        `Expected recurrent layer, such as layers.lstm makes for ${where}.layer`,
      );
    }
    const forward = L.lstm({ units: 1 });
    await expectError(
      () => L.bidirectional({ layer: L.lstm({ units: 1, goBackwards: true }) }),
      'ERR_OPTION',
      `Expected false for ${where}.layer.goBackwards but received true`,
    );
    await expectError(
      () => L.bidirectional({ layer: forward, backwardLayer: L.lstm({ units: 1 }) }),
      'ERR_OPTION',
      `Expected true for ${where}.backwardLayer.goBackwards but received false`,
    );
    for (const option of ['returnSequences', 'returnState', 'stateful']) {
      await expectError(
        () => L.bidirectional({ layer: forward, backwardLayer: L.gru({ units: 1, goBackwards: true, [option]: true }) }),
        'ERR_OPTION',
        `Expected false, as the layer has it, for ${where}.backwardLayer.${option} but received true`,
      );
    }
    await expectError(
      () => L.bidirectional({ layer: forward, mergeMode: wrong('add') }),
      'ERR_OPTION',
      'Unknown value "add" for layers.bidirectional.mergeMode',
    );
    const other = L.gru({ units: 2, goBackwards: true });
    await expectError(
      () => L.bidirectional({ layer: forward, backwardLayer: other, mergeMode: 'sum' }).apply(at(3, 1)),
      'ERR_SHAPE',
      'Cannot merge results of shape [1] and [2] by "sum"',
    );
  });

  it('wrong shapes of inputs and states are named', async () => {
    const time = 'Expected samples of shape [time, features] but received';
    for (const layer of [
      L.lstm({ units: 2 }),
      L.rnn({ cell: L.gruCell({ units: 2 }) }),
      L.bidirectional({ layer: L.gru({ units: 2 }) }),
    ]) {
      await expectError(() => layer.apply(at(3)), 'ERR_SHAPE', `${time} [3]`);
      await expectError(() => layer.apply(at(2, 3, 4)), 'ERR_SHAPE', `${time} [2, 3, 4]`);
    }
    await expectError(
      () => L.convLstm2d({ filters: 1, kernelSize: 1 }).apply(at(3, 4, 1)),
      'ERR_SHAPE',
      'Expected samples of shape [time, height, width, channels] but received [3, 4, 1]',
    );
    await expectError(
      () => L.convLstm2d({ filters: 1, kernelSize: 5 }).apply(at(2, 3, 4, 1)),
      'ERR_SHAPE',
      'A window of [5, 5] with padding "valid" does not fit into samples of shape [3, 4, 1]',
    );
    await expectError(
      () => L.lstm({ units: 2 }).apply([at(3, 1), at(2)]),
      'ERR_SHAPE',
      'Expected [x] or [x, h, c] for layers.lstm but received 2 inputs',
    );
    await expectError(
      () => L.lstm({ units: 2 }).apply([at(3, 1), at(2), at(3)]),
      'ERR_SHAPE',
      'Expected an initial state c of shape [2] for layers.lstm but received [3]',
    );
    await expectError(
      () => L.bidirectional({ layer: L.gru({ units: 2 }) }).apply([at(3, 1), at(2), at(1)]),
      'ERR_SHAPE',
      'Expected an initial state backward_gru/h of shape [2] for layers.bidirectional but received [1]',
    );
    await expectError(
      () => L.rnn({ cell: [L.lstmCell({ units: 2 }), L.gruCell({ units: 1 })] }).apply([at(3, 1), at(2)]),
      'ERR_SHAPE',
      'Expected [x] or [x, lstm_cell/h, lstm_cell/c, gru_cell/h] for layers.rnn but received 2 inputs',
    );
    await expectError(() => L.gruCell({ units: 2 }).applyAll(at(3, 1)), 'ERR_SHAPE', 'Expected samples of shape [features]');
    await expectError(
      () => L.gruCell({ units: 2 }).applyAll([at(3), at(3)]),
      'ERR_SHAPE',
      'Expected an initial state h of shape [2] for layers.gruCell but received [3]',
    );
    await expectError(() => L.rnn({ cell: L.gruCell({ units: 2 }) }).apply(gs.input({ shape: [] })), 'ERR_SHAPE', `${time} []`);
  });

  it('a mask that is not one of steps is named', async () => {
    const x = at(2, 3, 3, 1);
    const masked = L.masking().apply(x);
    using model = gs.model({ inputs: x, outputs: L.convLstm2d({ filters: 1, kernelSize: 1 }).apply(masked) });
    await expectError(
      () => model.predict(gs.tensor(new Float32Array(18).fill(1), [1, 2, 3, 3, 1])),
      'ERR_SHAPE',
      'Expected a mask of shape [1, 2] but received [1, 2, 3, 3]',
    );
  });

  it('class numbers are no inputs', async () => {
    const x = gs.input({ shape: [3, 1], dtype: 'int32' });
    using model = gs.model({ inputs: x, outputs: L.lstm({ units: 1 }).apply(x) });
    await expectError(() => model.predict(gs.tensor(new Int32Array(3), [1, 3, 1])), 'ERR_DTYPE', 'Expected float32 inputs');
  });
});
