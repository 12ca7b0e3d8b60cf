/**
 * Options of recurrent layers: what layers begin with, shapes, names of weights, every wrong option, shape and state by code and
 * message, what is saved and comes back, and sequences of several lengths.
 */
import { expect } from 'chai';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { failure, wrong } from './helpers/failure.js';

const L = gs.layers;
const device = 'cpu';

async function expectError(body: () => unknown, code: string, message: string): Promise<void> {
  const error = await failure(body);
  expect(error.message).to.include(message);
  expect(error.code).to.equal(code);
}

const at = (...shape: number[]) => gs.input({ shape });
const wave = (shape: number[], step = 0.7): gs.Tensor<Float32Array> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return gs.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * step)),
    shape,
  );
};

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
        () => make({ units: 1, recurrentActivation: 'silu' }),
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
      () => model.predict(wave([1, 2, 3, 3, 1])),
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

describe('recurrent layers in models', () => {
  const layers: Record<string, () => gs.Layer> = {
    simpleRNN: () => L.simpleRNN({ units: 3, activation: 'relu', recurrentInitializer: 'glorotUniform', goBackwards: true }),
    lstm: () =>
      L.lstm({
        units: 3,
        recurrentActivation: gs.activations.hardSigmoid,
        unitForgetBias: false,
        kernelRegularizer: 'l2',
        recurrentRegularizer: gs.regularizers.l1({ l1: 0.01 }),
        recurrentConstraint: gs.constraints.maxNorm({ maxValue: 1 }),
        dropout: 0.1,
        recurrentDropout: 0.2,
      }),
    gru: () => L.gru({ units: 3, resetAfter: false, useBias: false, zeroOutputForMask: true, stateful: true }),
    convLstm2d: () =>
      L.convLstm2d({
        filters: 2,
        kernelSize: [2, 3],
        padding: 'same',
        strides: 2,
        recurrentActivation: 'sigmoid',
        goBackwards: true,
      }),
    bidirectional: () => L.bidirectional({ layer: L.gru({ units: 2, name: 'inner' }), mergeMode: 'mul' }),
    'bidirectional of two': () =>
      L.bidirectional({ layer: L.gru({ units: 2 }), backwardLayer: L.lstm({ units: 1, goBackwards: true }) }),
    'bidirectional stack': () =>
      L.bidirectional({ layer: L.rnn({ cell: [L.gruCell({ units: 2 }), L.lstmCell({ units: 3 })] }), mergeMode: 'ave' }),
    rnn: () =>
      L.rnn({ cell: [L.lstmCell({ units: 2, activation: 'elu' }), L.gruCell({ units: 3, name: 'top', trainable: false })] }),
    'rnn of one': () => L.rnn({ cell: L.simpleRNNCell({ units: 3 }) }),
    'rnn of a stack': () => L.rnn({ cell: L.stackedRNNCells({ cells: [L.lstmCell({ units: 2 }), L.lstmCell({ units: 3 })] }) }),
    'a nested model of them': () =>
      gs.sequential([
        L.bidirectional({ layer: L.lstm({ units: 2, returnSequences: true }) }),
        L.rnn({ cell: [L.gruCell({ units: 2 }), L.lstmCell({ units: 3 })] }),
      ]),
  };
  for (const [title, make] of Object.entries(layers)) {
    it(`${title}: is saved with its options and weights, and described as JSON`, async () => {
      const shape = title === 'convLstm2d' ? [4, 3, 5, 2] : [4, 2];
      const x = gs.input({ shape });
      using model = gs.model({ inputs: x, outputs: make().apply(x) });
      const path = join(mkdtempSync(join(tmpdir(), 'gradstep-')), 'model.safetensors');
      await model.save(path);
      using again = await gs.loadModel(path);
      const batch = wave([3, ...shape]);
      expect([...(await again.predict(batch)).data]).to.deep.equal([...(await model.predict(batch)).data]);
      expect(again.toJSON()).to.deep.equal(model.toJSON());
      using described = gs.modelFromJson(JSON.parse(JSON.stringify(model.toJSON())));
      const trained = (m: gs.Model) => coreOf(m).network.weights.map((w) => [w.name, w.shape, w.trained]);
      expect(trained(described)).to.deep.equal(trained(model));
      const lines: string[] = [];
      model.summary({ printFn: (line) => lines.push(line) });
      expect(lines.join('\n')).to.include(coreOf(model).network.layers.at(-1)!.layer.className);
    });
  }

  it("convLstm2d with an activation of the user's own trains, and cannot be saved", async () => {
    const activation = (x: gs.Value) => gs.ops.mul(gs.ops.tanh(x), 0.5);
    const layer = L.convLstm2d({ filters: 2, kernelSize: 3, padding: 'same', activation, inputShape: [2, 3, 3, 1] });
    using model = gs.sequential([layer, L.flatten(), L.dense({ units: 1 })]);
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed: 1 });
    const { loss } = await model.fit(wave([4, 2, 3, 3, 1]), wave([4, 1], 0.3), { epochs: 5 });
    expect(loss.at(-1)!).to.be.lessThan(loss[0]!);
    await expectError(
      () => model.toJSON(),
      'ERR_OPTION',
      'An activation that is a function of your own (activation) cannot be saved',
    );
  });

  it('the copy that goes backward is trained as the layer is, and freezes with it', async () => {
    for (const trainable of [true, false]) {
      const inner = L.lstm({ units: 2 });
      using model = gs.sequential([L.bidirectional({ layer: inner, inputShape: [3, 2] }), L.dense({ units: 1 })]);
      inner.trainable = trainable;
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss: 'meanSquaredError', device });
      const before = await model.getWeights();
      await model.fit(wave([4, 3, 2]), wave([4, 1], 0.3), { epochs: 1 });
      const after = await model.getWeights();
      const changed = before.map((w, i) => w.data.some((v, k) => v !== after[i]!.data[k]));
      expect(changed).to.deep.equal([...Array<boolean>(6).fill(trainable), true, true]);
    }
  });

  it('a cell that is frozen is not trained, and one with a factor learns faster by it', async () => {
    const cell = [L.gruCell({ units: 2, trainable: false }), L.gruCell({ units: 2, learningRateMultiplier: 2 })];
    using model = gs.sequential([L.rnn({ cell, inputShape: [3, 2], learningRateMultiplier: 3 }), L.dense({ units: 1 })]);
    const factors = coreOf(model).network.weights.map((w) => [w.trained, w.learningRateMultiplier]);
    expect(factors).to.deep.equal([
      ...Array<unknown>(3).fill([false, 3]),
      ...Array<unknown>(3).fill([true, 6]),
      [true, 1],
      [true, 1],
    ]);
  });

  it('steps behind the end of a sequence change nothing: masking and embedding with maskZero', async () => {
    const inner = () => L.bidirectional({ layer: L.lstm({ units: 3 }) });
    const over = (time: number) => {
      const layers = [
        L.embedding({ inputDim: 9, outputDim: 2, maskZero: true, inputShape: [time] }),
        inner(),
        L.dense({ units: 1 }),
      ];
      return gs.sequential(layers);
    };
    using long = over(6);
    using short = over(3);
    await short.setWeights(await long.getWeights());
    const words = Int32Array.from([4, 8, 1]);
    const expected = (await short.predict(gs.tensor(words, [1, 3]))).data[0]!;
    for (const padded of [
      [4, 8, 1, 0, 0, 0],
      [0, 0, 0, 4, 8, 1],
      [0, 4, 0, 8, 0, 1],
    ]) {
      expect((await long.predict(gs.tensor(Int32Array.from(padded), [1, 6]))).data[0]!).to.be.closeTo(expected, 1e-6);
    }
    using masked = gs.sequential([L.masking({ inputShape: [5, 2] }), L.gru({ units: 3 })]);
    using plain = gs.sequential([L.gru({ units: 3, inputShape: [3, 2] })]);
    await plain.setWeights(await masked.getWeights());
    const x = wave([1, 3, 2]);
    const filled = new Float32Array(10);
    filled.set(x.data);
    const [a, b] = [await masked.predict(gs.tensor(filled, [1, 5, 2])), await plain.predict(x)];
    a.data.forEach((v, i) => expect(v).to.be.closeTo(b.data[i]!, 1e-6));
  });

  it('masks of states are no masks of steps', async () => {
    const [x, h] = [gs.input({ shape: [3, 2], name: 'x' }), gs.input({ shape: [3, 2], name: 'h' })];
    const state = L.reshape({ targetShape: [6] }).apply(L.masking().apply(h));
    using model = gs.model({ inputs: [x, h], outputs: L.simpleRNN({ units: 6, returnSequences: true }).apply([x, state]) });
    const zeros = gs.tensor(new Float32Array(6), [1, 3, 2]);
    const y = await model.predict([wave([1, 3, 2]), zeros]);
    expect(y.data.every((v) => v !== 0)).to.equal(true);
  });

  it('dropout is drawn anew at each step of training and not at all in prediction', async () => {
    const layer = L.lstm({ units: 4, dropout: 0.5, recurrentDropout: 0.5, inputShape: [5, 3] });
    using model = gs.sequential([layer, L.dense({ units: 1 })]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device, seed: 4 });
    const [x, y] = [wave([4, 5, 3]), wave([4, 1], 0.3)];
    const { loss } = await model.fit(x, y, { epochs: 4, batchSize: 4 });
    expect(new Set(loss).size).to.equal(4);
    const first = (await model.evaluate(x, y)).loss;
    expect((await model.evaluate(x, y)).loss).to.equal(first);
  });
});
