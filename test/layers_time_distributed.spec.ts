/**
 * timeDistributed: the layer inside sees steps as rows. Results and gradients against formulas on each backend; random
 * streams, weights that are updated, nested models, shared and frozen layers, masks, names, saving, wrong options.
 */
import { expect } from 'chai';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { defineLayer } from '../lib/layers/define_layer.js';
import { ones, zeros } from '../lib/initializers/index.js';
import { mean } from '../lib/ops/reduce_sum.js';
import { elementwise } from '../lib/ops/map.js';
import { coreOf } from '../lib/train/model_core.js';
import type { NativeSession } from '../binding.js';
import type { OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { layerCase } from './helpers/layer_case.js';
import { compareCase } from './helpers/op_compare.js';
import { uniforms } from './helpers/random_numbers.js';

const L = gs.layers;
const device = 'cpu';

/** x·kernel + bias for rows of `features`, through tanh. */
function denseRows(x: readonly number[], kernel: readonly number[], bias: readonly number[]): number[] {
  const [units, features] = [bias.length, kernel.length / bias.length];
  return Array.from({ length: (x.length / features) * units }, (_, at) => {
    const [row, unit] = [Math.floor(at / units), at % units];
    let sum = bias[unit]!;
    for (let k = 0; k < features; k++) sum += x[row * features + k]! * kernel[k * units + unit]!;
    return Math.tanh(sum);
  });
}

/** 2 × 2 windows of one channel, `filters` results each. */
function convImages(
  x: readonly number[],
  [h, w]: [number, number],
  kernel: readonly number[],
  bias: readonly number[],
): number[] {
  const filters = bias.length;
  const y: number[] = [];
  for (let image = 0; image < x.length / (h * w); image++)
    for (let i = 0; i < h - 1; i++)
      for (let j = 0; j < w - 1; j++)
        for (let f = 0; f < filters; f++) {
          let sum = bias[f]!;
          for (let p = 0; p < 2; p++)
            for (let q = 0; q < 2; q++) sum += x[(image * h + i + p) * w + j + q]! * kernel[(p * 2 + q) * filters + f]!;
          y.push(sum);
        }
  return y;
}

/** A layer that subtracts a running mean and keeps it up to date. */
const centre = defineLayer({
  className: 'TestCentre',
  factory: 'testCentre',
  baseName: 'test_centre',
  options: {},
  weights: (_options, input) => [{ role: 'mean', shape: [input.at(-1)!], initializer: zeros(), trainable: false }],
  outputShape: (_options, input) => input,
  call(_options, x, context) {
    if (context.training && context.trainable) context.update('mean', mean(x, [0]), 0.75);
    return elementwise('sub', x, context.weight('mean'));
  },
});

/** A layer that multiplies by its weight and looks at its mask. */
const scale = defineLayer({
  className: 'TestScale',
  factory: 'testScale',
  baseName: 'test_scale',
  options: {},
  weights: (_options, input) => [{ role: 'factor', shape: [input.at(-1)!], initializer: ones() }],
  outputShape: (_options, input) => input,
  call(_options, x, context) {
    expect(context.mask).to.equal(undefined);
    return elementwise('mul', x, context.weight('factor'));
  },
});

const CASES: OpCase[] = [
  layerCase({
    name: 'dense',
    layer: L.timeDistributed({ layer: L.dense({ units: 5, activation: 'tanh' }) }),
    inputs: { x: { shape: [2, 3, 4] } },
    reference: ({ x, kernel, bias }) => ({ y: denseRows(x!, kernel!, bias!) }),
    terms: 24,
  }),
  layerCase({
    name: 'conv2d on frames',
    layer: L.timeDistributed({ layer: L.conv2d({ filters: 3, kernelSize: 2 }) }),
    inputs: { x: { shape: [2, 3, 4, 5, 1] } },
    reference: ({ x, kernel, bias }) => ({ y: convImages(x!, [4, 5], kernel!, bias!) }),
    terms: 72,
  }),
  layerCase({
    name: 'flatten, which changes the rank',
    layer: L.timeDistributed({ layer: L.flatten() }),
    inputs: { x: { shape: [2, 3, 4, 2] } },
    reference: ({ x }) => ({ y: [...x!] }),
  }),
  layerCase({
    name: 'dropout: every step has a draw of its own',
    layer: L.timeDistributed({ layer: L.dropout({ rate: 0.4 }) }),
    inputs: { x: { shape: [3, 4, 9] } },
    training: true,
    reference: ({ x }) => {
      const u = uniforms(108, 1, [0, 0, 0, 0]);
      return { y: x!.map((v, i) => (u[i]! >= Math.fround(0.4) ? v / 0.6 : 0)) };
    },
  }),
  layerCase({
    name: 'itself: steps of steps',
    layer: L.timeDistributed({ layer: L.timeDistributed({ layer: L.dense({ units: 2, activation: 'tanh' }) }) }),
    inputs: { x: { shape: [2, 2, 3, 4] } },
    reference: ({ x, kernel, bias }) => ({ y: denseRows(x!, kernel!, bias!) }),
    terms: 24,
  }),
  layerCase({
    name: 'the mask is handed on, and not shown to the layer',
    layer: L.timeDistributed({ layer: scale(undefined) }),
    inputs: { x: { shape: [2, 3, 4] } },
    masks: { x: [1, 1, 0, 1, 0, 0] },
    reference: ({ x, factor }) => ({ y: x!.map((v, i) => v * factor![i % 4]!), mask: [1, 1, 0, 1, 0, 0] }),
  }),
  layerCase({
    name: 'class numbers',
    layer: L.timeDistributed({ layer: L.categoryEncoding({ numTokens: 3, outputMode: 'oneHot' }) }),
    inputs: { x: { shape: [1, 3, 1], dtype: 'int32', data: [2, 0, 1] } },
    reference: () => ({ y: [0, 0, 1, 1, 0, 0, 0, 1, 0] }),
    gradients: [],
  }),
];

for (const backend of backends()) {
  describe(`timeDistributed on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());
    for (const test of CASES) it(test.name, () => compareCase(session, backend.kind, test));
  });
}

const wave = (shape: number[], step = 0.7): gs.Tensor<Float32Array> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return gs.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * step)),
    shape,
  );
};

/** A nested model: dense tanh, then dense tanh. */
const nested = () =>
  gs.sequential([L.dense({ units: 3, activation: 'tanh', inputShape: [4] }), L.dense({ units: 2, activation: 'tanh' })]);

describe('timeDistributed in models', () => {
  it('weights are named after the wrapper, and in a nested model after its layers', () => {
    const names = (layer: gs.Layer) => coreOf(gs.sequential([layer])).network.weights.map((w) => w.name);
    const inputShape = [3, 4];
    expect(names(L.timeDistributed({ layer: L.dense({ units: 2, name: 'inner' }), inputShape }))).to.deep.equal([
      'time_distributed/kernel',
      'time_distributed/bias',
    ]);
    expect(names(L.timeDistributed({ layer: nested(), inputShape, name: 'frames' }))).to.deep.equal([
      'frames/dense/kernel',
      'frames/dense/bias',
      'frames/dense_1/kernel',
      'frames/dense_1/bias',
    ]);
  });

  it('shapes', () => {
    const shape = (layer: gs.Layer, input: number[]) => L.timeDistributed({ layer }).apply(gs.input({ shape: input })).shape;
    expect(shape(L.dense({ units: 5 }), [3, 4])).to.deep.equal([3, 5]);
    expect(shape(L.flatten(), [3, 4, 2])).to.deep.equal([3, 8]);
    expect(shape(L.conv2d({ filters: 6, kernelSize: 3 }), [2, 8, 7, 1])).to.deep.equal([2, 6, 5, 6]);
    expect(shape(nested(), [3, 4])).to.deep.equal([3, 2]);
  });

  it('a nested model computes what its layers do, and comes back from a file', async () => {
    using model = gs.sequential([L.timeDistributed({ layer: nested(), inputShape: [3, 4] }), L.flatten()]);
    const x = wave([2, 3, 4]);
    const weights = [wave([4, 3], 0.3), wave([3], 0.9), wave([3, 2], 1.1), wave([2], 0.5)];
    await model.setWeights(weights);
    const [w, b, v, c] = weights.map((t) => [...t.data]) as [number[], number[], number[], number[]];
    const expected = denseRows(denseRows([...x.data], w, b), v, c);
    const y = await model.predict(x);
    expect(y.shape).to.deep.equal([2, 6]);
    expectClose(y.data, expected);
    const path = join(mkdtempSync(join(tmpdir(), 'gradstep-')), 'steps.safetensors');
    await model.save(path);
    using again = await gs.loadModel(path);
    expect([...(await again.predict(x)).data]).to.deep.equal([...y.data]);
  });

  it('a layer inside comes back from a file with its options', async () => {
    const inner = L.dense({ units: 2, activation: 'tanh', useBias: false, name: 'inner', trainable: false });
    using model = gs.sequential([L.timeDistributed({ layer: inner, inputShape: [3, 4] })]);
    const path = join(mkdtempSync(join(tmpdir(), 'gradstep-')), 'steps.safetensors');
    await model.save(path);
    using again = await gs.loadModel(path);
    const restored = coreOf(again).network.layers[0]!.layer.options.layer as gs.Layer;
    expect(restored.name).to.equal('inner');
    expect(restored.trainable).to.equal(false);
    expect(restored.options).to.include({ units: 2, useBias: false });
    const x = wave([2, 3, 4]);
    expect([...(await again.predict(x)).data]).to.deep.equal([...(await model.predict(x)).data]);
  });

  it('a layer that keeps a running mean sees every step of every sample', async () => {
    using model = gs.sequential([L.timeDistributed({ layer: centre(undefined), inputShape: [3, 2] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
    const x = wave([4, 3, 2]);
    await model.fit(x, new Float32Array(24), { epochs: 2, batchSize: 4, shuffle: false });
    const mean = [0, 1].map((c) => [...x.data].filter((_, i) => i % 2 === c).reduce((a, b) => a + b) / 12);
    const [running] = await model.getWeights();
    // Twice 0.75 · before + 0.25 · mean, from 0.
    expectClose(
      running!.data,
      mean.map((m) => m * (1 - 0.75 ** 2)),
    );
  });

  it('a layer frozen inside keeps its running mean', async () => {
    using model = gs.sequential([L.timeDistributed({ layer: centre({ trainable: false }), inputShape: [3, 2] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
    await model.fit(wave([4, 3, 2]), new Float32Array(24), { epochs: 1 });
    expect([...(await model.getWeights())[0]!.data]).to.deep.equal([0, 0]);
  });

  it('a layer frozen inside is not trained, and one that is not is', async () => {
    for (const trainable of [true, false]) {
      const inner = L.dense({ units: 1, trainable });
      using model = gs.sequential([L.timeDistributed({ layer: inner, inputShape: [2, 2] }), L.dense({ units: 1 })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss: 'meanSquaredError', device });
      const before = (await model.getWeights()).map((t) => [...t.data]);
      await model.fit(wave([4, 2, 2]), wave([4, 2, 1], 0.3), { epochs: 1 });
      const after = (await model.getWeights()).map((t) => [...t.data]);
      expect(before[0]!.every((v, i) => v === after[0]![i])).to.equal(!trainable);
      expect(before[2]!.every((v, i) => v === after[2]![i])).to.equal(false);
    }
  });

  it('a nested model that is frozen is not trained', async () => {
    const inner = nested();
    inner.trainable = false;
    using model = gs.sequential([L.timeDistributed({ layer: inner, inputShape: [3, 4] }), L.dense({ units: 1 })]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss: 'meanSquaredError', device });
    const before = (await model.getWeights()).map((t) => [...t.data]);
    await model.fit(wave([4, 3, 4]), wave([4, 3, 1], 0.3), { epochs: 1 });
    const after = (await model.getWeights()).map((t) => [...t.data]);
    const changed = before.map((w, i) => w.some((v, k) => v !== after[i]![k]));
    expect(changed).to.deep.equal([false, false, false, false, true, true]);
  });

  it('shares the weights of a layer that is used elsewhere too', async () => {
    const shared = L.dense({ units: 4, activation: 'tanh', useBias: false });
    const [frames, frame] = [gs.input({ shape: [3, 4] }), gs.input({ shape: [4] })];
    const y = L.timeDistributed({ layer: shared }).apply(frames);
    using model = gs.model({ inputs: [frames, frame], outputs: [y, shared.apply(frame)] });
    const { weights } = coreOf(model).network;
    expect(weights).to.have.length(1);
    const kernel = wave([4, 4], 0.3);
    await model.setWeights([kernel]);
    const [x, single] = [wave([2, 3, 4]), wave([2, 4], 0.2)];
    const [many, one] = await model.predictAll([x, single]);
    expectClose(many!.data as Float32Array, denseRows([...x.data], [...kernel.data], [0, 0, 0, 0]));
    expectClose(one!.data as Float32Array, denseRows([...single.data], [...kernel.data], [0, 0, 0, 0]));
  });

  it('wrong options, shapes and element types are named', async () => {
    const expectError = (body: () => unknown, code: string, message: string) =>
      expect(body).to.throw(message).with.property('code', code);
    const bad = (v: unknown) => v as never;
    for (const layer of [undefined, 'dense', {}]) {
      expectError(
        () => L.timeDistributed({ layer: bad(layer) }),
        'ERR_OPTION',
        'Expected layer or model for layers.timeDistributed.layer',
      );
    }
    expectError(
      () => L.timeDistributed({ layer: L.flatten() }).apply(gs.input({ shape: [] })),
      'ERR_SHAPE',
      'Expected samples of shape [steps, ...] but received []',
    );
    expectError(
      () => L.timeDistributed({ layer: L.conv2d({ filters: 1, kernelSize: 2 }) }).apply(gs.input({ shape: [2, 3] })),
      'ERR_SHAPE',
      '[height, width, channels]',
    );
    const pair = [gs.input({ shape: [2, 3] }), gs.input({ shape: [2, 3] })];
    expectError(
      () => L.timeDistributed({ layer: L.add() }).apply(pair),
      'ERR_SHAPE',
      'Expected one input for layers.timeDistributed but received 2',
    );
    const x = gs.input({ shape: [2, 3] });
    using model = gs.model({ inputs: x, outputs: L.timeDistributed({ layer: L.categoryEncoding({ numTokens: 2 }) }).apply(x) });
    let error: unknown;
    await model.predict(gs.tensor(new Float32Array(6), [1, 2, 3])).catch((e: unknown) => (error = e));
    expect(error).to.have.property('code', 'ERR_DTYPE');
  });
});
