/**
 * Recurrent layers in models: what is saved and comes back, what is trained and what is frozen, sequences of several lengths, and
 * dropout.
 */
import { expect } from 'chai';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { expectFailure } from './helpers/failure.js';

const L = gs.layers;
const device = 'cpu';

const wave = (shape: number[], step = 0.7): gs.Tensor<Float32Array> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return gs.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * step)),
    shape,
  );
};

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
    await expectFailure(
      () => model.toJSON(),
      'ERR_OPTION',
      /An activation that is a function of your own \(activation\) cannot be saved/,
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
