/** What diagnostics finds: six sick networks and five healthy ones, and the op that gave the first result that is not finite. */
import { expect } from 'chai';
import { loadDigits, slice } from '../examples/mnist_data.js';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';
import { numbers, watched, type DiagnosticsReport } from './helpers/watched.js';

const { layers, initializers, optimizers } = gs;
const { diagnostics } = gs.callbacks;

describe('diagnostics: what is sick', () => {
  const rows = 320;
  const digits = slice(loadDigits(), 0, rows);
  const pixels = Float32Array.from(digits.pixels, (v) => v / 255);
  const x = gs.tensor(pixels, [rows, 784]);
  const images = gs.tensor(pixels, [rows, 28, 28, 1]);
  const y = digits.labels;
  const deep = (count: number, options: Omit<Parameters<typeof layers.dense>[0], 'units'>) =>
    gs.sequential([
      ...Array.from({ length: count }, (_, i) => layers.dense({ units: 32, ...options, ...(i === 0 && { inputShape: [784] }) })),
      layers.dense({ units: 10, activation: 'softmax' }),
    ]);
  const normal = (stddev: number) => initializers.randomNormal({ stddev });
  const adam = (learningRate = 1e-3) => optimizers.adam({ learningRate });
  const sgd = (learningRate: number) => optimizers.sgd({ learningRate });

  const cases = [
    [
      'sigmoids one after the other, small weights',
      'vanishingGradient',
      /Vanishing gradient in dense.*relu or normalisation/,
      () => deep(8, { activation: 'sigmoid', kernelInitializer: normal(0.05) }),
      adam(),
    ],
    [
      'weights far too large',
      'explodingGradient',
      /Exploding gradient in .*clip gradients/,
      () => deep(8, { activation: 'relu', kernelInitializer: normal(2) }),
      adam(),
    ],
    [
      'biases far below 0',
      'deadUnits',
      /Dead units in dense.*: 100 %.*leakyReLU/,
      () => deep(2, { activation: 'relu', biasInitializer: initializers.constant({ value: -10 }) }),
      adam(),
    ],
    [
      'tanh of far too large sums',
      'saturatedUnits',
      /Saturated units in dense.*smaller initializer/,
      () => deep(3, { activation: 'tanh', kernelInitializer: normal(3) }),
      adam(),
    ],
    [
      'steps of 1 with Adam',
      'learningRateTooHigh',
      /too high: one update changes the weights by \d+ %/,
      () => deep(2, { activation: 'relu' }),
      adam(1),
    ],
    [
      'steps of 1e-8',
      'learningRateTooLow',
      /too low: .*the loss stays at 2\.\d/,
      () => deep(2, { activation: 'relu' }),
      adam(1e-8),
    ],
  ] as const;
  for (const [name, kind, message, make, optimizer] of cases) {
    it(`${name}: ${kind}`, async () => {
      const model = make();
      model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', device: 'cpu', seed: 3 });
      const lines: string[] = [];
      const reports = await watched(model, x, y, { epochs: 2 }, { every: 4, printFn: (line) => lines.push(line) });
      const found = reports.flatMap((r) => r.findings);
      expect([...new Set(found.map((f) => f.kind))]).to.deep.equal([kind]);
      expect(found[0]!.message).to.match(message);
      // Each finding is printed once.
      expect(lines.length).to.equal(new Set(found.map((f) => f.layer)).size);
      expect(lines[0])
        .to.match(message)
        .and.to.match(/^Step \d+: /);
      await model.dispose();
    });
  }

  it('a rate that is too high for gradient descent, as the loss grows', async () => {
    const model = deep(2, { activation: 'tanh' });
    model.compile({ optimizer: sgd(20), loss: 'sparseCategoricalCrossentropy', device: 'cpu', seed: 3 });
    const reports = await watched(model, x, y, { epochs: 2 }, { every: 5 });
    expect([...new Set(reports.flatMap((r) => r.findings.map((f) => f.kind)))]).to.deep.equal(['learningRateTooHigh']);
    await model.dispose();
  });

  const series = numbers(256 * 4, 9).map((v) => 1.5 * v);
  const table = gs.tensor(series, [256, 4]);
  const target = Array.from({ length: 256 }, (_, r) => series[4 * r]! - 0.5 * series[4 * r + 1]! ** 2);
  const healthy = [
    ['dense layers with Adam', () => deep(2, { activation: 'relu' }), adam(), 'sparseCategoricalCrossentropy', x, y, 4],
    [
      'convolutions with batch norm',
      () =>
        gs.sequential([
          layers.conv2d({ filters: 6, kernelSize: 5, strides: 2, inputShape: [28, 28, 1] }),
          layers.batchNormalization(),
          layers.activation({ activation: 'relu' }),
          layers.conv2d({ filters: 12, kernelSize: 3 }),
          layers.batchNormalization(),
          layers.activation({ activation: 'relu' }),
          layers.globalAveragePooling2d(),
          layers.dense({ units: 10, activation: 'softmax' }),
        ]),
      adam(),
      'sparseCategoricalCrossentropy',
      images,
      y,
      2,
    ],
    [
      'regression from zero',
      () =>
        gs.sequential([
          layers.dense({ units: 32, activation: 'relu', inputShape: [4] }),
          layers.dense({ units: 32, activation: 'gelu' }),
          layers.dense({ units: 1, kernelInitializer: 'zeros' }),
        ]),
      adam(),
      'meanSquaredError',
      table,
      gs.tensor(target, [256, 1]),
      30,
    ],
    [
      'two classes that are learned until the output is sure',
      () =>
        gs.sequential([
          layers.dense({ units: 16, activation: 'tanh', inputShape: [4] }),
          layers.dense({ units: 1, activation: 'sigmoid' }),
        ]),
      adam(0.01),
      'binaryCrossentropy',
      table,
      gs.tensor(
        target.map((v) => +(v > 0)),
        [256, 1],
      ),
      60,
    ],
    [
      'a linear model that begins at zero',
      () => gs.sequential([layers.dense({ units: 1, kernelInitializer: 'zeros', inputShape: [4] })]),
      adam(0.01),
      'meanSquaredError',
      table,
      gs.tensor(target, [256, 1]),
      20,
    ],
  ] as const;
  for (const [name, make, optimizer, loss, inputs, labels, epochs] of healthy) {
    it(`${name}: nothing`, async () => {
      const model = make();
      model.compile({ optimizer, loss, device: 'cpu', seed: 3 });
      const reports = await watched(model, inputs, labels, { epochs }, { every: 2 });
      expect(reports.length).to.be.greaterThan(8);
      expect(reports.flatMap((r) => r.findings)).to.deep.equal([]);
      expect(reports.at(-1)!.loss).to.be.lessThan(reports[0]!.loss);
      await model.dispose();
    });
  }
});

describe('diagnostics: what is not finite first', () => {
  const x = gs.tensor([1, 2, 3, 4, 5, 6, 7, 8], [8, 1]);
  const y = gs.tensor([1, 1, 1, 1, 1, 1, 1, 1], [8, 1]);
  const line = (loss: gs.LossFunction | 'meanSquaredError', compile: Partial<gs.CompileOptions> = {}, device = 'cpu') => {
    const model = gs.sequential([
      layers.dense({ units: 2, inputShape: [1], kernelInitializer: 'ones', name: 'first' }),
      layers.dense({ units: 1, kernelInitializer: 'ones', name: 'second' }),
    ]);
    model.compile({ optimizer: optimizers.sgd({ learningRate: 1e-4 }), loss, device, seed: 1, ...compile });
    return model;
  };
  const logOfRest: gs.LossFunction = (_y, p) => gs.ops.mean(gs.ops.log(gs.ops.sub(11, p)), { axis: -1 });

  for (const device of ['cpu', 'cuda-emulated']) {
    it(`the op is named, and the error says it (${device})`, async () => {
      // The second output is 2x: 11 − 2x is negative from the sixth row on, so in the third batch of two rows.
      const model = line(logOfRest, {}, device);
      const before: DiagnosticsReport[] = [];
      const callbacks = [diagnostics({ every: 100, onReport: (r) => void before.push(r) })];
      await expectFailure(
        () => model.fit(x, y, { batchSize: 2, shuffle: false, callbacks }),
        'ERR_NAN',
        /step 2 of the pass.*First: the op log in loss gave/,
      );
      const { step, findings } = before.at(-1)!;
      expect(step).to.equal(2);
      expect(findings.map((f) => [f.kind, f.layer])).to.deep.equal([['notFinite', 'loss']]);
      await model.dispose();
    });
  }

  it('without the callback the error is as ever', async () => {
    const model = line(logOfRest);
    await expectFailure(() => model.fit(x, y, { batchSize: 2, shuffle: false }), 'ERR_NAN', /onNaN: "continue"$/);
    await model.dispose();
  });

  it('a derivative that is infinite is found on the way back, from the weights before the update', async () => {
    const root: gs.LossFunction = (_y, p) => gs.ops.mean(gs.ops.sqrt(gs.ops.relu(gs.ops.sub(p, 100))), { axis: -1 });
    const model = line(root, { onNaN: 'continue' });
    const [report] = await watched(model, x, y, { batchSize: 8, shuffle: false });
    expect(report!.findings[0]!.kind).to.equal('notFinite');
    expect(report!.findings[0]!.message).to.match(/the op div on the way back through loss/);
    // The search leaves what the step made of the weights.
    const [kernel] = await model.getWeights();
    expect(Number.isNaN(kernel!.data[0])).to.equal(true);
    await model.dispose();
  });

  it('so is one that ends training', async () => {
    const root: gs.LossFunction = (_y, p) => gs.ops.mean(gs.ops.sqrt(gs.ops.relu(gs.ops.sub(p, 100))), { axis: -1 });
    const model = line(root);
    await expectFailure(
      () => watched(model, x, y, { batchSize: 8, shuffle: false }),
      'ERR_NAN',
      /^The gradient of second\/bias .*First: the op div on the way back through loss/,
    );
    await model.dispose();
  });

  it('data, and weights', async () => {
    const model = line('meanSquaredError');
    const bad = gs.tensor([1, 2, 3, 4, 5, NaN, 7, 8], [8, 1]);
    await expectFailure(() => watched(model, bad, y, { batchSize: 2, shuffle: false }), 'ERR_NAN', /First: the data holds NaN/);
    await model.setWeights([[[1, 1]], [0, 0], [[1], [Infinity]], [0]]);
    await expectFailure(
      () => watched(model, x, y, { batchSize: 2 }),
      'ERR_NAN',
      /First: the weight second\/kernel was not finite/,
    );
    await model.dispose();
  });

  it('in a stream, and where batches share an update', async () => {
    const model = line(logOfRest, { optimizer: optimizers.sgd({ learningRate: 1e-4, gradientAccumulationSteps: 2 }) });
    const pairs = gs.data.dataset({ x, y }).batch(2);
    await expectFailure(
      () => model.fit(pairs, { callbacks: [diagnostics({ every: 3, printFn: () => undefined })] }),
      'ERR_NAN',
      /First: the op log in loss/,
    );
    await model.dispose();
  });
});
