/**
 * Normalisation layers against PyTorch in float64 (test/golden/make_norm_fixtures.py wrote the fixture): predictions,
 * gradients, weights and moving statistics after several steps, predictions with those. Then what fixtures do not show:
 * initializers, regularizers, constraints, masks, freezing, one pass with relu, saved forms, wrong options.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { Graph } from '../lib/graph/graph.js';
import { defineLayer } from '../lib/layers/define_layer.js';
import { saveLayer } from '../lib/layers/registry.js';
import { batchNorm, groupNorm } from '../lib/ops/channel_norm.js';
import { layerNorm, rmsNorm } from '../lib/ops/layer_norm.js';
import { movingAverage } from '../lib/ops/moving_average.js';
import { computeGradients } from '../lib/train/gradients.js';
import { describeProgram } from '../lib/train/inspect.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers } = gs;

/**
 * Largest difference, relative to the largest magnitude of each tensor, or to a quarter of that of all: the gradient of a
 * bias that the normalisation takes out again is zero but for rounding.
 */
const TOLERANCE = 1e-5;

interface Numbers {
  shape: number[];
  data: number[];
}

type Factory = 'batchNormalization' | 'groupNormalization' | 'layerNormalization' | 'rmsNormalization' | 'unitNormalization';

interface Fixture {
  factory: Factory;
  options: Record<string, unknown>;
  inputShape: number[];
  relu: boolean;
  batches: { x: Numbers; y: Numbers }[];
  weights: Numbers[];
  prediction: Numbers;
  gradients: Numbers[];
  trained: { weights: Numbers[]; prediction: Numbers };
}

const { rate, steps, cases } = JSON.parse(readFileSync(new URL('./golden/normalizations.json', import.meta.url), 'utf8')) as {
  rate: number;
  steps: number;
  cases: Record<string, Fixture>;
};

const floats = ({ shape, data }: Numbers): gs.Tensor<Float32Array> => gs.tensor(Float32Array.from(data), shape);

function networkOf({ factory, options, inputShape, relu }: Fixture): gs.Sequential {
  const make = layers[factory] as (options: Record<string, unknown>) => gs.Layer;
  return gs.sequential([
    layers.dense({ units: inputShape.at(-1)!, inputShape }),
    make(options),
    ...(relu ? [layers.activation({ activation: 'relu' })] : []),
    layers.flatten(),
    layers.dense({ units: 2 }),
  ]);
}

/** Steps of zeros do not count. */
const masking = defineLayer({
  className: 'MaskOfZeros',
  factory: 'maskOfZeros',
  baseName: 'mask',
  options: {},
  outputShape: (_options, input) => input,
  call(_options, x, context) {
    context.setMask(gs.ops.sign(gs.ops.sum(gs.ops.abs(x), { axis: x.shape.map((_, i) => i).slice(2) })));
    return x;
  },
});

function expectClose(what: string, actual: readonly gs.Tensor[], expected: readonly Numbers[]): void {
  expect(
    actual.map((t) => t.shape),
    what,
  ).to.deep.equal(expected.map((e) => e.shape));
  const largest = Math.max(...expected.flatMap(({ data }) => data.map(Math.abs)));
  expected.forEach(({ data }, i) => {
    const scale = Math.max(...data.map(Math.abs), largest / 4);
    const worst = Math.max(...data.map((e, k) => Math.abs(actual[i]!.data[k]! - e) / scale));
    expect(worst, `${what} ${i}: largest difference over largest magnitude`).to.be.at.most(TOLERANCE);
  });
}

for (const { device, name, order } of backends()) {
  if ((order ?? 0) !== 0) continue;
  describe(`normalisation layers: PyTorch's numbers on ${name}`, () => {
    for (const [title, fixture] of Object.entries(cases)) {
      it(title, async () => {
        const [first] = fixture.batches;
        using model = networkOf(fixture);
        await model.setWeights(fixture.weights.map(floats));
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: rate }), loss: 'meanSquaredError', device });
        expectClose('prediction', [await model.predict(floats(first!.x))], [fixture.prediction]);
        expectClose('gradient', await computeGradients(model, floats(first!.x), floats(first!.y)), fixture.gradients);
        for (let step = 0; step < steps; step++) {
          const { x, y } = fixture.batches[step % 2]!;
          await model.trainOnBatch(floats(x), floats(y));
        }
        expectClose('weight after training', await model.getWeights(), fixture.trained.weights);
        expectClose('prediction after training', [await model.predict(floats(first!.x))], [fixture.trained.prediction]);
      });
    }

    it('batchNormalization: a mask leaves out the steps that do not count', async () => {
      const [rows, time, channels] = [3, 4, 2];
      const x = Float32Array.from({ length: rows * time * channels }, (_, i) => Math.sin(1 + 1.7 * i) * 2 + 0.5);
      const lengths = [4, 1, 2];
      for (let r = 0; r < rows; r++)
        for (let i = lengths[r]! * channels; i < time * channels; i++) x[r * time * channels + i] = 0;
      using model = gs.sequential([
        masking({ inputShape: [time, channels] }),
        layers.batchNormalization({ momentum: 0.5, name: 'norm' }),
      ]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device });
      const tensor = gs.tensor(x, [rows, time, channels]);
      const [dgamma, dbeta] = await computeGradients(model, tensor, tensor);
      await model.trainOnBatch(tensor, tensor);
      const counted = (c: number): number[] =>
        lengths.flatMap((n, r) => Array.from({ length: n }, (_, t) => x[(r * time + t) * channels + c]!));
      const mean = [0, 1].map((c) => counted(c).reduce((s, v) => s + v / 7, 0));
      const variance = [0, 1].map((c) => counted(c).reduce((s, v) => s + (v - mean[c]!) ** 2 / 7, 0));
      const [, , movingMean, movingVariance] = await model.getWeights();
      mean.forEach((m, c) => expect(movingMean!.data[c]).to.be.closeTo(0.5 * m, 1e-6));
      variance.forEach((v, c) => expect(movingVariance!.data[c]).to.be.closeTo(0.5 + 0.5 * v, 1e-6));
      // The loss is the mean of (hat·gamma + beta − x)² over 7 steps and 2 channels, gamma 1 and beta 0.
      for (const c of [0, 1]) {
        const hat = counted(c).map((v) => (v - mean[c]!) / Math.sqrt(variance[c]! + 1e-3));
        const slopes = counted(c).map((v, i) => (2 * (hat[i]! - v)) / 14);
        expect(dgamma!.data[c]).to.be.closeTo(
          slopes.reduce((s, v, i) => s + v * hat[i]!, 0),
          1e-5,
        );
        expect(dbeta!.data[c]).to.be.closeTo(
          slopes.reduce((s, v) => s + v, 0),
          1e-5,
        );
      }
    });

    it('batchNormalization: of steps or columns as channels, a mask leaves out the same', async () => {
      // [rows, time, columns]; the second row ends before its last step.
      for (const [columns, numbers] of [
        [3, [5, 7, 9, 1, 2, 3, 4, 5, 9, 2, 4, 6, 1, 1, 4, 0, 0, 0]],
        [2, [5, 7, 1, 2, 4, 9, 2, 6, 1, 4, 0, 0]],
      ] as const) {
        const x = gs.tensor(Float32Array.from(numbers), [2, 3, columns]);
        const at = (row: number, step: number) => numbers.slice((row * 3 + step) * columns, (row * 3 + step + 1) * columns);
        const mean = (v: readonly number[]) => v.reduce((s, n) => s + n / v.length, 0);
        const counted = [[...at(0, 0), ...at(1, 0)], [...at(0, 1), ...at(1, 1)], at(0, 2)];
        using model = gs.sequential([masking({ inputShape: [3, columns] }), layers.batchNormalization({ axis: 1, momentum: 0 })]);
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device });
        await model.trainOnBatch(x, x);
        const [, , means, variances] = await model.getWeights();
        counted.forEach((v, step) => {
          expect(means!.data[step]).to.be.closeTo(mean(v), 1e-5);
          expect(variances!.data[step]).to.be.closeTo(mean(v.map((n) => (n - mean(v)) ** 2)), 1e-5);
        });
      }
      // [rows, time, height, columns], of which height is the channels' axis.
      const x = gs.tensor(Float32Array.of(1, 2, 3, 4, /**/ 5, 7, 8, 9, /**/ 2, 3, 1, 6, /**/ 0, 0, 0, 0), [2, 2, 2, 2]);
      using model = gs.sequential([masking({ inputShape: [2, 2, 2] }), layers.batchNormalization({ axis: 2, momentum: 0 })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device });
      await model.trainOnBatch(x, x);
      const [, , means] = await model.getWeights();
      [20 / 6, 31 / 6].forEach((v, height) => expect(means!.data[height]).to.be.closeTo(v, 1e-5));
    });
  });
}

describe('normalisation layers', () => {
  it('pass masks on', async () => {
    const { ones, constant } = gs.initializers;
    for (const norm of [
      layers.normalization({ mean: 0.5, variance: 4 }),
      layers.layerNormalization({ center: false, axis: [1, 2], scale: false }),
      layers.batchNormalization(),
      layers.groupNormalization({ groups: 1 }),
      layers.unitNormalization(),
      layers.rmsNormalization(),
    ]) {
      const rnn = layers.simpleRNN({ units: 1, kernelInitializer: ones(), recurrentInitializer: constant({ value: 0.5 }) });
      const x = gs.tensor([[[1], [0], [0]]]);
      using model = gs.sequential([masking({ inputShape: [3, 1] }), norm, rnn]);
      using alone = gs.sequential([masking({ inputShape: [3, 1] }), norm]);
      const [first] = (await alone.predict(x)).data;
      const [last] = (await model.predict(x)).data;
      expect(last, norm.name).to.be.closeTo(Math.tanh(first!), 1e-6);
    }
  });

  const weightsOf = (layer: gs.Layer, input: readonly number[]) => layer.parts.weights([input]);

  it('have the weights that Keras gives them, by name, shape and order', () => {
    const listed = (layer: gs.Layer, input: readonly number[]) =>
      weightsOf(layer, input).map((w) => `${w.role} [${w.shape.join(', ')}]${w.trainable === false ? ' kept' : ''}`);
    expect(listed(layers.batchNormalization(), [7, 3])).to.deep.equal([
      'gamma [3]',
      'beta [3]',
      'moving_mean [3] kept',
      'moving_variance [3] kept',
    ]);
    expect(listed(layers.batchNormalization({ axis: 1, scale: false }), [7, 3])).to.deep.equal([
      'beta [7]',
      'moving_mean [7] kept',
      'moving_variance [7] kept',
    ]);
    expect(listed(layers.layerNormalization({ axis: [-1, 1] }), [7, 3])).to.deep.equal(['gamma [7, 3]', 'beta [7, 3]']);
    expect(listed(layers.layerNormalization({ scale: false }), [7, 3])).to.deep.equal(['beta [3]']);
    expect(listed(layers.groupNormalization({ groups: 3, center: false }), [7, 3])).to.deep.equal(['gamma [3]']);
    expect(listed(layers.rmsNormalization({ axis: [1, 2] }), [7, 3])).to.deep.equal(['scale [7, 3]']);
    expect(listed(layers.unitNormalization(), [7, 3])).to.deep.equal([]);
  });

  it('begin as their initializers say: gamma and moving variance as ones, the others as zeros', async () => {
    const first = async (layer: gs.Layer): Promise<number[][]> => {
      using model = gs.sequential([layer]);
      model.build([2]);
      return (await model.getWeights()).map((w) => [...w.data]);
    };
    expect(await first(layers.batchNormalization())).to.deep.equal([
      [1, 1],
      [0, 0],
      [0, 0],
      [1, 1],
    ]);
    const constant = (value: number) => gs.initializers.constant({ value });
    const given = { gammaInitializer: constant(2), betaInitializer: constant(3) };
    const moving = { movingMeanInitializer: constant(4), movingVarianceInitializer: constant(5) };
    expect(await first(layers.batchNormalization({ ...given, ...moving }))).to.deep.equal([
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 5],
    ]);
    for (const layer of [layers.layerNormalization(given), layers.groupNormalization({ ...given, groups: 1 })]) {
      expect(await first(layer)).to.deep.equal([
        [2, 2],
        [3, 3],
      ]);
    }
    expect(await first(layers.rmsNormalization())).to.deep.equal([[1, 1]]);
  });

  const regularized = {
    gammaRegularizer: gs.regularizers.l2({ l2: 0.5 }),
    betaRegularizer: gs.regularizers.l1({ l1: 0.25 }),
    gammaConstraint: gs.constraints.nonNeg(),
    betaConstraint: gs.constraints.minMaxNorm({ minValue: 0.5 }),
  };
  for (const [title, layer] of [
    ['batchNormalization', layers.batchNormalization(regularized)],
    ['layerNormalization', layers.layerNormalization(regularized)],
    ['groupNormalization', layers.groupNormalization({ ...regularized, groups: 1 })],
  ] as const) {
    it(`${title} carries regularizers and constraints of gamma and beta`, () => {
      const [gamma, beta] = weightsOf(layer, [4]);
      expect(gamma!.regularizer?.config).to.deep.equal({ l2: 0.5 });
      expect(beta!.regularizer?.config).to.deep.equal({ l1: 0.25 });
      expect(gamma!.constraint?.name).to.equal('nonNeg');
      expect(beta!.constraint?.name).to.equal('minMaxNorm');
    });
  }

  it('unitNormalization leaves zeros as they are, with a finite gradient', async () => {
    using model = gs.sequential([layers.dense({ units: 3, useBias: false, inputShape: [2] }), layers.unitNormalization()]);
    await model.setWeights([gs.tensor(new Float32Array(6), [2, 3])]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const x = gs.tensor(Float32Array.of(1, 2), [1, 2]);
    expect([...(await model.predict(x)).data]).to.deep.equal([0, 0, 0]);
    const [gradient] = await computeGradients(model, x, gs.tensor(new Float32Array(3), [1, 3]));
    expect([...gradient!.data]).to.deep.equal([0, 0, 0, 0, 0, 0]);
  });

  const block = (): gs.Sequential =>
    gs.sequential([
      layers.conv2d({ filters: 4, kernelSize: 3, useBias: false, inputShape: [8, 8, 3] }),
      layers.batchNormalization({ name: 'norm' }),
      layers.activation({ activation: 'relu' }),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ]);

  it('batchNormalization and the relu behind it are one step forward and one backward', () => {
    using model = block();
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const lines = describeProgram(model, { kind: 'train', rows: 4 }).split('\n');
    const norms = lines.filter((line) => /channelNorm/.test(line));
    expect(norms, norms.join('\n')).to.have.length(2);
    for (const line of norms) expect(line).to.match(/activation=relu/);
    expect(lines.filter((line) => /^ *\d+ +map .*\((norm|activation)\)$/.test(line))).to.deep.equal([]);
  });

  it('batchNormalization is frozen by trainable = false at the next compile', async () => {
    using model = block();
    const x = gs.tensor(
      Float32Array.from({ length: 4 * 192 }, (_, i) => Math.sin(i)),
      [4, 8, 8, 3],
    );
    const y = gs.tensor(new Float32Array(8), [4, 2]);
    const norm = async (): Promise<number[]> => (await model.getWeights()).slice(1, 5).flatMap((w) => [...w.data]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const initial = await norm();
    await model.trainOnBatch(x, y);
    const trained = await norm();
    trained.slice(8).forEach((v, i) => expect(v).not.to.equal(initial[8 + i]));
    model.layers[1]!.trainable = false;
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    await model.trainOnBatch(x, y);
    expect(await norm()).to.deep.equal(trained);
  });

  it('come back from a file, options and moving statistics with them', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
    try {
      using model = gs.sequential([
        layers.batchNormalization({ momentum: 0.25, epsilon: 0.5, axis: 1, inputShape: [4, 6], ...regularized }),
        layers.groupNormalization({ groups: 2, epsilon: 0.5 }),
        layers.layerNormalization({ axis: [1, 2], epsilon: 0.5, center: false }),
        layers.rmsNormalization({ epsilon: 0.5 }),
        layers.unitNormalization({ axis: 1 }),
      ]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
      const x = gs.tensor(
        Float32Array.from({ length: 72 }, (_, i) => Math.sin(i)),
        [3, 4, 6],
      );
      await model.trainOnBatch(x, x);
      await model.save(join(folder, 'model.safetensors'));
      using again = await gs.loadModel(join(folder, 'model.safetensors'));
      const saved = (m: gs.Model) => m.layers.map((l) => saveLayer(l, 'layer'));
      expect(saved(again as gs.Model)).to.deep.equal(saved(model));
      expect([...(await again.predict(x)).data]).to.deep.equal([...(await model.predict(x)).data]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const wrongOptions: [string, () => unknown, RegExp][] = [
    ['axis 0', () => layers.batchNormalization({ axis: 0 }), /integer other than 0 .* for layers.batchNormalization.axis but/],
    ['an axis that is no integer', () => layers.groupNormalization({ axis: 0.5 }), /for layers.groupNormalization.axis but/],
    ['no axes', () => layers.layerNormalization({ axis: [] }), /for layers.layerNormalization.axis but/],
    ['axes with the batch', () => layers.rmsNormalization({ axis: [0, 1] }), /for layers.rmsNormalization.axis but/],
    ['an axis by name', () => layers.unitNormalization({ axis: wrong('last') }), /for layers.unitNormalization.axis but/],
    ['a momentum above 1', () => layers.batchNormalization({ momentum: 1.5 }), /number in \[0, 1\] for .*momentum/],
    ['a negative momentum', () => layers.batchNormalization({ momentum: -0.5 }), /number in \[0, 1\] for .*momentum/],
    ...(['batchNormalization', 'layerNormalization', 'groupNormalization', 'rmsNormalization'] as const).map(
      (factory): [string, () => unknown, RegExp] => [
        `${factory} with epsilon 0`,
        () => (layers[factory] as (o: { epsilon: number }) => gs.Layer)({ epsilon: 0 }),
        /number > 0 for layers\.\w+\.epsilon but received 0/,
      ],
    ),
    ...(['batchNormalization', 'layerNormalization', 'groupNormalization'] as const).flatMap((factory) =>
      [
        'center',
        'scale',
        'gammaInitializer',
        'betaInitializer',
        'gammaRegularizer',
        'betaRegularizer',
        'gammaConstraint',
        'betaConstraint',
        ...(factory === 'batchNormalization' ? ['movingMeanInitializer', 'movingVarianceInitializer'] : []),
      ].map((option): [string, () => unknown, RegExp] => [
        `${factory} with a number as ${option}`,
        () => (layers[factory] as (o: object) => gs.Layer)({ [option]: 3 }),
        new RegExp(`layers\\.${factory}\\.${option} `),
      ]),
    ),
    ['no groups', () => layers.groupNormalization({ groups: 0 }), /integer > 0 or -1 for layers.groupNormalization.groups/],
    ['half a group', () => layers.groupNormalization({ groups: 1.5 }), /integer > 0 or -1 for layers.groupNormalization.groups/],
    ['an unknown option', () => layers.layerNormalization(wrong({ groups: 2 })), /Unknown option "groups"/],
  ];
  for (const [what, make, message] of wrongOptions) {
    it(`refuse ${what}`, () => expectFailure(make, 'ERR_OPTION', message));
  }

  const wrongShapes: [string, gs.Layer, number[], RegExp][] = [
    ['an axis beyond the shape', layers.batchNormalization({ axis: 3 }), [4, 5], /\[4, 5\] have no axis 3/],
    ['an axis before the shape', layers.layerNormalization({ axis: -3 }), [4, 5], /\[4, 5\] have no axis -3/],
    ['the same axis twice', layers.rmsNormalization({ axis: [1, -1] }), [4], /distinct axes but received \[1, -1\]/],
    ['no axis at all', layers.unitNormalization(), [], /\[\] have no axis -1/],
    ['groups that do not divide', layers.groupNormalization({ groups: 4 }), [5, 6], /4 groups divide .* \[5, 6\]/],
  ];
  for (const [what, layer, shape, message] of wrongShapes) {
    it(`refuse ${what}`, () => expectFailure(() => layer.apply(gs.input({ shape })), 'ERR_SHAPE', message));
  }

  describe('their ops', () => {
    const value = (shape: number[]) => (graph: Graph) => graph.read({ name: `of ${shape.join('x')}`, shape, dtype: 'float32' });
    const [x, three, four] = [value([2, 4]), value([3]), value([4])];
    const wrongValues: [string, (g: Graph) => unknown, string, RegExp][] = [
      ['batchNorm: gamma', (g) => batchNorm(x(g), three(g), four(g), 1), 'ERR_SHAPE', /gamma of shape \[4\] but received \[3\]/],
      ['batchNorm: beta', (g) => batchNorm(x(g), four(g), three(g), 1), 'ERR_SHAPE', /beta of shape \[4\] but received \[3\]/],
      ['batchNorm: one axis', (g) => batchNorm(four(g), four(g), four(g), 1), 'ERR_SHAPE', /Cannot normalise \[4\]/],
      ['groupNorm: groups', (g) => groupNorm(x(g), four(g), four(g), 3, 1), 'ERR_SHAPE', /\[2, 4\] in 3 groups/],
      ['layerNorm: gamma', (g) => layerNorm(x(g), three(g), four(g), 1), 'ERR_SHAPE', /gamma of 4 elements .* \[3\]/],
      ['rmsNorm: gamma', (g) => rmsNorm(x(g), four(g), 1, { axes: 2 }), 'ERR_SHAPE', /gamma of 8 elements .* \[4\]/],
      [
        'movingAverage: sizes',
        (g) => movingAverage(three(g), four(g), 0.5, g.read({ name: 'flag', shape: [4], dtype: 'int32' })),
        'ERR_SHAPE',
        /values of shape \[4\] in one of shape \[3\]/,
      ],
    ];
    for (const [what, run, code, message] of wrongValues) {
      it(`refuse ${what}`, () => expectFailure(() => run(new Graph()), code as gs.ErrorCode, message));
    }
  });
});
