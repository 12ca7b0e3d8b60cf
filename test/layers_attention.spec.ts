/**
 * multiHeadAttention and attention: numbers of PyTorch, every option at another value than its default, dropped weights
 * against a sum written out here, saving, and what is refused.
 */
import { expect } from 'chai';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import * as gs from '../lib/index.js';
import { Graph } from '../lib/graph/graph.js';
import { attention as attend, type AttentionOptions } from '../lib/ops/attention.js';
import { gradients } from '../lib/ops/autodiff.js';
import { embedding } from '../lib/ops/embedding.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';
import { philox4x32 } from './helpers/philox.js';
import { seedWords, streamOf } from '../lib/random.js';
import { expectFixture, readFixtures, type LayerFixture } from './helpers/layer_fixtures.js';

const { attention, dense, masking, multiHeadAttention } = gs.layers;

type Build = (inputs: gs.SymbolicTensor[]) => gs.SymbolicTensor;

const project = (units: number) => dense({ units, useBias: false });

/** The model of each fixture. */
const MODELS: Record<string, Build> = {
  self: ([x]) => multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply(x!),
  'causal, no bias, other sizes': ([x]) =>
    multiHeadAttention({ numHeads: 3, keyDim: 2, valueDim: 5, outputShape: 6, useBias: false, useCausalMask: true }).apply(x!),
  'query and value': (x) => multiHeadAttention({ numHeads: 2, keyDim: 3, outputShape: [2, 3] }).apply(x),
  'query, masked value and key': ([q, v, k]) =>
    multiHeadAttention({ numHeads: 2, keyDim: 3, valueDim: 4 }).apply([q!, masking().apply(v!), k!]),
  'masked value and masked key': ([q, v, k]) =>
    multiHeadAttention({ numHeads: 2, keyDim: 3, valueDim: 4 }).apply([q!, masking().apply(v!), masking().apply(k!)]),
  'masked self': ([x]) => multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply(masking().apply(x!)),
  'dot product': ([q, v, k]) => attention().apply([project(4).apply(q!), v!, k!]),
  'dot product, causal, learned scale': ([q, v, k]) =>
    attention({ useScale: true, useCausalMask: true }).apply([project(4).apply(q!), v!, k!]),
  'dot product, masked': ([q, v]) => attention().apply([project(3).apply(masking().apply(q!)), masking().apply(v!)]),
};

const fixtures = readFixtures('attention');

function build(fixture: LayerFixture, apply: Build): gs.Model {
  const inputs = fixture.inputs.map(({ shape }, i) => gs.input({ shape: shape.slice(1), name: `x${i}` }));
  return gs.model({ inputs, outputs: apply(inputs) });
}

describe('attention layers', () => {
  it('every fixture has a model', () => {
    expect(Object.keys(MODELS)).to.deep.equal(Object.keys(fixtures));
  });

  for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
    describe(`PyTorch's numbers on ${name}`, () => {
      for (const [title, fixture] of Object.entries(fixtures)) {
        it(title, async () => {
          using model = build(fixture, MODELS[title]!);
          await expectFixture(model, fixture, device);
        });
      }

      for (const [title, layer, heads] of [
        ['attention', attention({ useScale: true, dropout: 0.375 }), 1],
        ['multiHeadAttention', multiHeadAttention({ numHeads: 2, keyDim: 1, dropout: 0.375 }), 2],
      ] as const) {
        it(`${title}: weights are dropped while training, by the layer's random stream, and not otherwise`, async () => {
          const [rows, queries, keys, seed] = [3, 6, 7, 0x1234567890];
          const [q, v] = [gs.input({ shape: [queries, 1] }), gs.input({ shape: [keys, 1] })];
          using model = gs.model({ inputs: [q, v], outputs: layer.apply([q, v]) });
          model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed });
          // Scores are 0 everywhere: each weight is 1 / keys, and each head's value is 1.
          const x = [
            gs.tensor(new Float32Array(rows * queries), [rows, queries, 1]),
            gs.tensor(ones(rows * keys), [rows, keys, 1]),
          ];
          if (heads === 2) {
            const [zero, one] = [0, 1].map((value) => gs.tensor(new Float32Array(2).fill(value), [1, 2, 1]));
            const zeros = gs.tensor(new Float32Array(2), [2, 1]);
            const out = [gs.tensor(new Float32Array(2).fill(0.5), [2, 1, 1]), gs.tensor(new Float32Array(1), [1])];
            await model.setWeights([zero!, zeros, zero!, zeros, one!, zeros, ...out]);
          }
          const y = gs.tensor(new Float32Array(rows * queries), [rows, queries, 1]);
          expect((await model.predict(x)).data.every((p) => Math.abs(p - 1) < 1e-6)).to.equal(true);
          const { loss } = await model.fit(x, y, { epochs: 1, batchSize: rows, shuffle: false });
          const stream = streamOf(`${title === 'attention' ? 'attention' : 'multi_head_attention'}/dropout`);
          let total = 0;
          for (let b = 0; b < rows; b++) {
            for (let i = 0; i < queries; i++) {
              let sum = 0;
              for (let h = 0; h < heads; h++) {
                for (let j = 0; j < keys; j++) {
                  const draw = ((b * heads + h) * queries + i) * Math.ceil(keys / 4) + Math.floor(j / 4);
                  const key: [number, number] = [(seedWords(seed).low ^ stream) >>> 0, seedWords(seed).high];
                  const word = philox4x32([draw, 0, 0, 0], key)[j % 4]!;
                  if ((word >>> 8) * 2 ** -24 >= 0.375) sum += 1 / (1 - 0.375) / keys / heads;
                }
              }
              total += sum ** 2;
            }
          }
          expect(loss[0]!).to.be.closeTo(total / rows / queries, 1e-5);
          expect(Math.abs(loss[0]! - 1), 'something was dropped').to.be.above(1e-3);
        });
      }
    });
  }

  it('hold and penalise each of their weights', async () => {
    const make = (penalised: boolean): gs.Model => {
      const x = gs.input({ shape: [3, 2] });
      const heads = multiHeadAttention({
        numHeads: 2,
        keyDim: 2,
        kernelInitializer: 'ones',
        biasInitializer: 'ones',
        ...(penalised && {
          kernelRegularizer: gs.regularizers.l2({ l2: 0.5 }),
          biasRegularizer: gs.regularizers.l1({ l1: 0.25 }),
        }),
        kernelConstraint: gs.constraints.maxNorm({ maxValue: 0.5, axis: 0 }),
        biasConstraint: gs.constraints.minMaxNorm({ minValue: 0, maxValue: 0.75, axis: 0 }),
      });
      const model = gs.model({ inputs: x, outputs: heads.apply(x) });
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device: 'cpu' });
      return model;
    };
    const [x, y] = [gs.tensor(new Float32Array(6).fill(0.5), [1, 3, 2]), gs.tensor(new Float32Array(6), [1, 3, 2])];
    using plain = make(false);
    using penalised = make(true);
    // Ones everywhere: three kernels of 2·2·2 and one of 2·2·2; biases of 4, 4, 4 and 2.
    const penalty = 0.5 * 32 + 0.25 * 14;
    expect((await penalised.evaluate(x, y)).loss - (await plain.evaluate(x, y)).loss).to.be.closeTo(penalty, 1e-3);
    await penalised.fit(x, y);
    for (const [i, weight] of (await penalised.getWeights()).entries()) {
      const { name } = penalised.weights[i]!;
      const [limit, length] = [name.endsWith('kernel') ? 0.5 : 0.75, weight.shape[0]!];
      for (const v of weight.data) expect(v, name).to.be.closeTo(limit / Math.sqrt(length), 1e-5);
    }
  });

  it('are saved with their options and weights', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
    try {
      const x = gs.input({ shape: [5, 4] });
      const heads = multiHeadAttention({
        numHeads: 3,
        keyDim: 2,
        valueDim: 5,
        dropout: 0.25,
        useBias: false,
        outputShape: [4],
        useCausalMask: true,
        kernelInitializer: 'heNormal',
        kernelRegularizer: gs.regularizers.l2({ l2: 0.5 }),
      }).apply(x);
      const outputs = attention({ useScale: true, dropout: 0.125, useCausalMask: true }).apply([heads, x]);
      using model = gs.model({ inputs: x, outputs });
      const sample = gs.tensor(
        Float32Array.from({ length: 40 }, (_, i) => Math.sin(i)),
        [2, 5, 4],
      );
      const before = await model.predict(sample);
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      using again = await gs.loadModel(path);
      expect([...(await again.predict(sample)).data]).to.deep.equal([...before.data]);
      expect((await again.getWeights()).map((w) => w.shape)).to.deep.equal([[4, 3, 2], [4, 3, 2], [4, 3, 5], [3, 5, 4], []]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('begin with glorotUniform kernels and zero biases, a scale of 1', async () => {
    const x = gs.input({ shape: [5, 4] });
    const heads = multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply(x);
    using model = gs.model({ inputs: x, outputs: attention({ useScale: true }).apply([heads, x]) });
    const weights = await model.getWeights();
    expect(weights.map((w) => w.shape)).to.deep.equal([
      [4, 2, 3],
      [2, 3],
      [4, 2, 3],
      [2, 3],
      [4, 2, 3],
      [2, 3],
      [2, 3, 4],
      [4],
      [],
    ]);
    for (const [i, w] of weights.entries()) {
      if (i === 8) expect([...w.data]).to.deep.equal([1]);
      else if (i % 2 === 1) expect(w.data.every((v) => v === 0)).to.equal(true);
      else {
        // Keras 3.15: what goes into heads is one axis, what comes out of them another.
        const [a, b, c] = w.shape as [number, number, number];
        const limit = Math.sqrt(6 / (i === 6 ? a * b + c : a + b * c));
        expect(w.data.every((v) => Math.abs(v) <= limit)).to.equal(true);
        expect(Math.max(...w.data.map(Math.abs))).to.be.above(limit / 2);
      }
    }
  });

  const refused: [what: string, make: () => unknown, code: gs.ErrorCode, message: RegExp][] = [
    [
      'no heads',
      () => multiHeadAttention({ numHeads: 0, keyDim: 1 }),
      'ERR_OPTION',
      /integer > 0 for layers\.multiHeadAttention\.numHeads/,
    ],
    ['no keyDim', () => multiHeadAttention(wrong({ numHeads: 1 })), 'ERR_OPTION', /multiHeadAttention\.keyDim/],
    [
      'a fraction',
      () => multiHeadAttention({ numHeads: 1, keyDim: 1, valueDim: 1.5 }),
      'ERR_OPTION',
      /multiHeadAttention\.valueDim/,
    ],
    [
      'dropout 1',
      () => multiHeadAttention({ numHeads: 1, keyDim: 1, dropout: 1 }),
      'ERR_OPTION',
      /number in \[0, 1\) for .*dropout/,
    ],
    ['useBias', () => multiHeadAttention({ numHeads: 1, keyDim: 1, useBias: wrong(1) }), 'ERR_OPTION', /boolean for .*useBias/],
    ['outputShape []', () => multiHeadAttention({ numHeads: 1, keyDim: 1, outputShape: [] }), 'ERR_OPTION', /outputShape/],
    ['outputShape 0', () => multiHeadAttention({ numHeads: 1, keyDim: 1, outputShape: 0 }), 'ERR_OPTION', /outputShape/],
    [
      'useCausalMask',
      () => multiHeadAttention({ numHeads: 1, keyDim: 1, useCausalMask: wrong(1) }),
      'ERR_OPTION',
      /useCausalMask/,
    ],
    [
      'a kernel initializer',
      () => multiHeadAttention({ numHeads: 1, keyDim: 1, kernelInitializer: wrong('x') }),
      'ERR_OPTION',
      /kernelInitializer/,
    ],
    [
      'a bias constraint',
      () => multiHeadAttention({ numHeads: 1, keyDim: 1, biasConstraint: wrong(3) }),
      'ERR_OPTION',
      /biasConstraint/,
    ],
    ['useScale', () => attention({ useScale: wrong('yes') }), 'ERR_OPTION', /boolean for layers\.attention\.useScale/],
    ['dropout -1', () => attention({ dropout: -1 }), 'ERR_OPTION', /attention\.dropout/],
    ['causal', () => attention({ useCausalMask: wrong(0) }), 'ERR_OPTION', /attention\.useCausalMask/],
    ['an unknown option', () => attention(wrong({ scoreMode: 'concat' })), 'ERR_OPTION', /Unknown option "scoreMode"/],
    ['images', () => apply([[4, 4, 3]]), 'ERR_SHAPE', /\[time, features\] but received \[4, 4, 3\]/],
    [
      'four inputs',
      () =>
        apply([
          [4, 3],
          [4, 3],
          [4, 3],
          [4, 3],
        ]),
      'ERR_SHAPE',
      /\[query, value, key\] .* received 4/,
    ],
    [
      'a key that is longer than its value',
      () =>
        apply([
          [4, 3],
          [5, 3],
          [6, 3],
        ]),
      'ERR_SHAPE',
      /\[5, 3\] and \[6, 3\]/,
    ],
    [
      'a key with other features than the query',
      () =>
        attention().apply(
          [
            [4, 3],
            [5, 2],
          ].map((shape) => gs.input({ shape })),
        ),
      'ERR_SHAPE',
      /\[4, 3\] and \[5, 2\]/,
    ],
  ];
  const graph = new Graph();
  const value = (...shape: number[]): gs.Value => graph.read({ name: `v${shape.join('x')}`, shape, dtype: 'float32' });
  const state = graph.read({ name: 'state', shape: [4], dtype: 'int32' });
  const q = value(2, 5, 3, 4);
  const k = value(2, 7, 3, 4);
  const scores = value(2, 1, 5, 7);
  const op = (...[v, options]: [gs.Value, AttentionOptions?]) => attend(q, k, v, state, options);
  refused.push(
    ['values of other heads (the op)', () => op(value(2, 7, 1, 4)), 'ERR_SHAPE', /Cannot attend with queries \[2, 5, 3, 4\]/],
    ['values of another length (the op)', () => op(value(2, 6, 3, 4)), 'ERR_SHAPE', /and values \[2, 6, 3, 4\]/],
    ['keys of another depth (the op)', () => attend(q, value(2, 7, 3, 5), k, state), 'ERR_SHAPE', /to keys \[2, 7, 3, 5\]/],
    ['a mask of the queries (the op)', () => op(k, { mask: value(2, 5) }), 'ERR_SHAPE', /shape \[2, 7\] but received \[2, 5\]/],
    ['a bias of another shape (the op)', () => op(k, { bias: value(2, 2, 5, 7) }), 'ERR_SHAPE', /received \[2, 2, 5, 7\]/],
    [
      'a gradient by the bias (the op)',
      () => gradients(op(k, { bias: scores }), [scores]),
      'ERR_NOT_DIFFERENTIABLE',
      /no gradient with respect to its mask and bias/,
    ],
    [
      'a gradient of the denominators (the op)',
      () => gradients(op(k).node!.outputs.lse!, [q]),
      'ERR_NOT_DIFFERENTIABLE',
      /no gradient through its softmax's denominators/,
    ],
    [
      'a table of one axis (embedding, the op)',
      () => embedding(value(5), state, state, state),
      'ERR_SHAPE',
      /table \[vocabulary, width\] but received \[5\]/,
    ],
  );
  for (const [what, make, code, message] of refused) {
    it(`refuse ${what}`, async () => {
      await expectFailure(make, code, message);
    });
  }
});

function apply(shapes: number[][]): gs.SymbolicTensor {
  return multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply(shapes.map((shape) => gs.input({ shape })));
}

function ones(n: number): Float32Array {
  return new Float32Array(n).fill(1);
}
