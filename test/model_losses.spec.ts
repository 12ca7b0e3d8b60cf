/**
 * Losses, metrics and a user's own loss. A model of one linear activation passes its input through, so `evaluate` shows
 * what a loss makes of chosen outputs; gradients are compared with formulas written out in float64.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';
import { computeGradients } from '../lib/train/gradients.js';
import { describeProgram } from '../lib/train/inspect.js';

const device = 'cpu';
const TINY = 1e-6;

/** Loss and metrics of outputs against labels; `activation` is put at the model's end. */
async function compare(
  loss: gs.CompileOptions['loss'],
  outputs: number[][] | number[][][],
  labels: gs.TensorLike,
  activation: gs.ActivationName = 'linear',
  metrics: gs.CompileOptions['metrics'] = ['accuracy'],
): Promise<gs.Logs> {
  const x = gs.tensor(outputs);
  using model = gs.sequential([gs.layers.activation({ activation, inputShape: x.shape.slice(1) })]);
  model.compile({ optimizer: 'sgd', loss, metrics, device });
  return await model.evaluate(x, labels, { batchSize: 2 });
}

const softmax = (z: number[]): number[] => {
  const e = z.map((v) => Math.exp(v - Math.max(...z)));
  return e.map((v) => v / e.reduce((a, b) => a + b));
};
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const mean = (v: number[]): number => v.reduce((a, b) => a + b) / v.length;

const LOGITS = [
  [1, 2, -1],
  [0.5, 0.1, 3],
  [-2, 0, 0.3],
];
const CLASSES = [1, 0, 2];
const ONE_HOT = CLASSES.map((c) => [0, 1, 2].map((k) => (k === c ? 1 : 0)));
const MIXED = [
  [0.2, 0.5, 0.3],
  [0.9, 0.1, 0],
  [0, 0, 1],
];

describe('losses', () => {
  const crossEntropy = (p: number[][], t: number[][]): number =>
    mean(p.map((row, r) => -row.reduce((sum, v, c) => sum + (t[r]![c]! === 0 ? 0 : t[r]![c]! * Math.log(v)), 0)));
  const clip = (v: number): number => Math.min(Math.max(v, 1e-7), 1 - 1e-7);

  it('meanSquaredError: 1/n Σ (y − ŷ)²', async () => {
    const { loss } = await compare('meanSquaredError', LOGITS, MIXED, 'linear', []);
    expect(loss).to.be.closeTo(mean(LOGITS.flatMap((row, r) => row.map((v, c) => (v - MIXED[r]![c]!) ** 2))), TINY);
  });

  it('Keras’s short names mean the same losses', async () => {
    const names = {
      mse: 'meanSquaredError',
      mae: 'meanAbsoluteError',
      mape: 'meanAbsolutePercentageError',
      msle: 'meanSquaredLogarithmicError',
      bce: 'binaryCrossentropy',
      kld: 'kullbackLeiblerDivergence',
    } as const;
    for (const [short, long] of Object.entries(names)) {
      const { loss } = await compare(long, LOGITS, MIXED, 'sigmoid', []);
      expect(await compare(short as gs.LossName, LOGITS, MIXED, 'sigmoid', []), short).to.deep.equal({ loss });
    }
  });

  it('sparseCategoricalCrossentropy from a softmax, from logits, from probabilities', async () => {
    const expected = crossEntropy(LOGITS.map(softmax), ONE_HOT);
    const fromLogits = gs.losses.sparseCategoricalCrossentropy({ fromLogits: true });
    for (const result of [
      await compare('sparseCategoricalCrossentropy', LOGITS, CLASSES, 'softmax'),
      await compare(fromLogits, LOGITS, CLASSES),
      await compare('sparseCategoricalCrossentropy', LOGITS.map(softmax), CLASSES),
    ]) {
      expect(result.loss).to.be.closeTo(expected, TINY);
      expect(result.accuracy).to.be.closeTo(2 / 3, TINY);
    }
  });

  it('probabilities that do not add up to 1 are divided by their sum; zeros are clipped', async () => {
    const outputs = [
      [0.2, 0.2, 0.1],
      [0, 0.5, 0.5],
      [2, 3, 5],
      [0, 0, 0],
    ];
    const divided = outputs.map((row) => row.map((v) => clip(v / (row.reduce((a, b) => a + b) || 1))));
    const t = outputs.map(() => [1, 0, 0]);
    const expected = crossEntropy(divided, t);
    expect((await compare('categoricalCrossentropy', outputs, t)).loss).to.be.closeTo(expected, 1e-5);
    const sparse = await compare('sparseCategoricalCrossentropy', outputs.slice(0, 3), [0, 0, 0], 'linear', ['perplexity']);
    expect(sparse.loss).to.be.closeTo(crossEntropy(divided.slice(0, 3), t), 1e-5);
    expect(sparse.perplexity).to.be.closeTo(Math.exp(sparse.loss), 1e-3);
  });

  it('sparseCategoricalCrossentropy of outputs above 1 trains as categoricalCrossentropy does', async () => {
    // dL/dz_c = (Σ⁻¹ − [c = y]/p_c)·σ(z_c), the slope of softplus; all z equal at first.
    const p = Math.log(1 + Math.exp(4));
    const slope = 1 / (1 + Math.exp(-4));
    const expected = [0, 1, 2].map((c) => 2 - 0.1 * (1 / (3 * p) - (c === 0 ? 1 / p : 0)) * slope);
    for (const [loss, y] of [
      ['sparseCategoricalCrossentropy', gs.tensor([0])],
      ['categoricalCrossentropy', gs.tensor([[1, 0, 0]])],
    ] as const) {
      const two = gs.initializers.constant({ value: 2 });
      const layer = { units: 3, activation: 'softplus', kernelInitializer: two, biasInitializer: two } as const;
      using model = gs.sequential([gs.layers.dense({ ...layer, inputShape: [1] })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss, device });
      await model.fit(gs.tensor([[1]]), y, { epochs: 1 });
      const [, bias] = await model.getWeights();
      expected.forEach((v, c) => expect(bias!.data[c]).to.be.closeTo(v, 1e-6));
    }
  });

  it('categoricalCrossentropy with one-hot and mixed labels', async () => {
    for (const labels of [ONE_HOT, MIXED]) {
      const expected = crossEntropy(LOGITS.map(softmax), labels);
      expect((await compare('categoricalCrossentropy', LOGITS, labels, 'softmax')).loss).to.be.closeTo(expected, TINY);
      expect((await compare('categoricalCrossentropy', LOGITS.map(softmax), labels)).loss).to.be.closeTo(expected, TINY);
      const fromLogits = gs.losses.categoricalCrossentropy({ fromLogits: true });
      expect((await compare(fromLogits, LOGITS, labels)).loss).to.be.closeTo(expected, TINY);
    }
  });

  it('binaryCrossentropy from a sigmoid, from logits, from probabilities, far out too', async () => {
    const z = [[3], [-2], [40], [0.5]];
    const t = [[1], [1], [0], [0]];
    const expected = mean(z.map(([v], r) => Math.max(v!, 0) + Math.log1p(Math.exp(-Math.abs(v!))) - v! * t[r]![0]!));
    expect((await compare('binaryCrossentropy', z, t, 'sigmoid')).loss).to.be.closeTo(expected, 1e-5);
    expect((await compare(gs.losses.binaryCrossentropy({ fromLogits: true }), z, t)).loss).to.be.closeTo(expected, 1e-5);
    const p = [[0.9], [0.2], [0], [0.4]];
    const direct = mean(p.map(([v], r) => -(t[r]![0]! * Math.log(clip(v!)) + (1 - t[r]![0]!) * Math.log(1 - clip(v!)))));
    const result = await compare('binaryCrossentropy', p, t);
    expect(result.loss).to.be.closeTo(direct, 1e-5);
    expect(result.accuracy).to.equal(3 / 4);
  });

  it('several outputs a sample, and sequences of classes', async () => {
    const z = [
      [0.3, -1],
      [2, 0.1],
    ];
    const t = [
      [1, 0],
      [0, 1],
    ];
    const each = z.flatMap((row, r) => row.map((v, c) => Math.log1p(Math.exp(v)) - v * t[r]![c]!));
    const binary = await compare('binaryCrossentropy', z, t, 'sigmoid');
    expect(binary.loss).to.be.closeTo(mean(each), TINY);
    expect(binary.accuracy).to.equal(3 / 4);
    const sequences = [LOGITS, [...LOGITS].reverse()];
    const classes = [CLASSES, CLASSES];
    const losses = sequences.flatMap((rows, s) => rows.map((row, r) => -Math.log(softmax(row)[classes[s]![r]!]!)));
    const sparse = await compare('sparseCategoricalCrossentropy', sequences, classes, 'softmax');
    expect(sparse.loss).to.be.closeTo(mean(losses), TINY);
    const right = sequences.flatMap((rows, s) =>
      rows.map((row, r) => (row.indexOf(Math.max(...row)) === classes[s]![r]! ? 1 : 0) as number),
    );
    expect(sparse.accuracy).to.be.closeTo(mean(right), TINY);
  });

  it('a softmax or sigmoid before the loss is fused with it', () => {
    for (const [activation, loss] of [
      ['softmax', 'sparseCategoricalCrossentropy'],
      ['softmax', 'categoricalCrossentropy'],
      ['sigmoid', 'binaryCrossentropy'],
    ] as const) {
      const model = gs.sequential([gs.layers.dense({ units: 3, activation, inputShape: [2] })]);
      model.compile({ optimizer: 'sgd', loss });
      const text = describeProgram(model, { kind: 'train', rows: 4 });
      expect(text).to.match(activation === 'softmax' ? /softmaxCrossEntropy / : /softplus/);
      expect(text).not.to.match(/ softmax {2,}|log\(/);
    }
  });

  it('a metric of one’s own is averaged under its name', async () => {
    const absoluteError = (yTrue: gs.Value, yPred: gs.Value): gs.Value => gs.ops.abs(gs.ops.sub(yPred, yTrue));
    const result = await compare('meanSquaredError', LOGITS, MIXED, 'linear', [absoluteError]);
    expect(result.absoluteError).to.be.closeTo(
      mean(LOGITS.flatMap((row, r) => row.map((v, c) => Math.abs(v - MIXED[r]![c]!)))),
      TINY,
    );
  });
});

describe('a loss of one’s own', () => {
  const DELTA = 0.7;
  const huber = (yTrue: gs.Value, yPred: gs.Value): gs.Value => {
    const { abs, sub, where, lessEqual, mul, square } = gs.ops;
    const error = sub(yPred, yTrue);
    const size = abs(error);
    return where(lessEqual(size, DELTA), mul(0.5, square(error)), mul(DELTA, sub(size, 0.5 * DELTA)));
  };
  const X = [0.5, -1, 2, 0.25, 1.5, -0.75];
  const Y = [1, 0.3, 3.5, 0.2, 2, 0.3];
  const W = 0.8;
  const B = 0.15;
  const errors = X.map((v, i) => W * v + B - Y[i]!);

  async function line(loss: gs.LossFunction): Promise<gs.Sequential> {
    const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss, device, seed: 1 });
    await model.setWeights([[[W]], [B]]);
    return model;
  }

  it('Huber: value, gradients and step', async () => {
    using model = await line(huber);
    const x = gs.tensor(X, [6, 1]);
    const y = gs.tensor(Y, [6, 1]);
    expect(errors.some((e) => Math.abs(e) > DELTA) && errors.some((e) => Math.abs(e) < DELTA)).to.equal(true);
    const value = mean(errors.map((e) => (Math.abs(e) <= DELTA ? 0.5 * e * e : DELTA * (Math.abs(e) - 0.5 * DELTA))));
    const slopes = errors.map((e) => (Math.abs(e) <= DELTA ? e : DELTA * Math.sign(e)));
    const [dw, db] = [mean(slopes.map((s, i) => s * X[i]!)), mean(slopes)];
    expect((await model.evaluate(x, y)).loss).to.be.closeTo(value, TINY);
    const [kernel, bias] = await computeGradients(model, x, y);
    expect(kernel!.data[0]).to.be.closeTo(dw, TINY);
    expect(bias!.data[0]).to.be.closeTo(db, TINY);
    await model.fit(x, y, { batchSize: 6, shuffle: false });
    const [w, b] = await model.getWeights();
    expect(w!.data[0]).to.be.closeTo(W - 0.1 * dw, TINY);
    expect(b!.data[0]).to.be.closeTo(B - 0.1 * db, TINY);
  });

  it('may return a scalar, [rows] or [rows, …]', async () => {
    const expected = mean(errors.map((e) => e * e));
    const square = (yTrue: gs.Value, yPred: gs.Value): gs.Value => gs.ops.square(gs.ops.sub(yTrue, yPred));
    for (const loss of [
      square,
      (t: gs.Value, p: gs.Value) => gs.ops.mean(square(t, p), { axis: -1 }),
      (t: gs.Value, p: gs.Value) => gs.ops.mean(square(t, p)),
    ]) {
      using model = await line(loss);
      const x = gs.tensor(X, [6, 1]);
      expect((await model.evaluate(x, gs.tensor(Y, [6, 1]))).loss).to.be.closeTo(expected, TINY);
      const [kernel] = await computeGradients(model, x, gs.tensor(Y, [6, 1]));
      expect(kernel!.data[0]).to.be.closeTo(mean(errors.map((e, i) => 2 * e * X[i]!)), TINY);
    }
  });

  it('of class numbers: metrics of classes beside it are those beside the loss of that name', async () => {
    const own: gs.LossFunction = (yTrue, yPred) =>
      gs.ops.neg(gs.ops.log(gs.ops.gather(yPred, gs.ops.cast(yTrue, 'int32'), { batchDims: 1 })));
    const metrics = [
      'accuracy',
      'sparseCategoricalAccuracy',
      gs.metrics.sparseTopKCategoricalAccuracy({ k: 2 }),
      'sparseCategoricalCrossentropy',
      'perplexity',
      gs.metrics.f1Score({ average: 'macro' }),
    ] as const;
    const x = gs.tensor(
      Float32Array.from({ length: 24 }, (_, i) => Math.sin(3 * i)),
      [8, 3],
    );
    const y = Int32Array.of(0, 2, 1, 3, 2, 0, 1, 2);
    const found = await Promise.all(
      [own, 'sparseCategoricalCrossentropy' as const].map(async (loss) => {
        using model = gs.sequential([gs.layers.dense({ units: 4, activation: 'softmax', inputShape: [3] })]);
        model.compile({ optimizer: 'sgd', loss, metrics, device, seed: 5 });
        return await model.evaluate(x, y);
      }),
    );
    expect(Object.keys(found[0]!)).to.have.length(7);
    for (const [name, value] of Object.entries(found[1]!)) expect(found[0]![name], name).to.be.closeTo(value, 1e-5);
    for (const label of [NaN, 1.5]) {
      using model = gs.sequential([gs.layers.dense({ units: 4, activation: 'softmax', inputShape: [3] })]);
      model.compile({ optimizer: 'sgd', loss: (_t, p) => gs.ops.mean(p, { axis: -1 }), metrics: ['perplexity'], device });
      await expectFailure(() => model.evaluate(x, Float32Array.of(0, 2, 1, label, 2, 0, 1, 2)), 'ERR_LABEL_RANGE', /received -1/);
    }
    using model = gs.sequential([gs.layers.dense({ units: 4, inputShape: [3] })]);
    model.compile({ optimizer: 'sgd', loss: (t, p) => gs.ops.sub(t, p), metrics: ['sparseCategoricalAccuracy'], device });
    await expectFailure(
      () => model.evaluate(x, gs.tensor(new Float32Array(32), [8, 4])),
      'ERR_OPTION',
      /^Expected labels that are class numbers for metrics\.sparseCategoricalAccuracy but they are distributions/,
    );
  });

  it('without a gradient is an error of training, not of evaluation', async () => {
    using model = await line((t, p) => gs.ops.notEqual(gs.ops.floor(p), t));
    const [x, y] = [gs.tensor(X, [6, 1]), gs.tensor(Y, [6, 1])];
    expect((await model.evaluate(x, y)).loss).to.equal(1);
    await expectFailure(
      () => model.fit(x, y),
      'ERR_NOT_DIFFERENTIABLE',
      /^The loss depends on no weight that is trained, or only/,
    );
  });

  it('gets labels with the last axis of size 1 that the output has, and a metric beside it, too', async () => {
    const square: gs.LossFunction = (t, p) => gs.ops.square(gs.ops.sub(t, p));
    const bias: gs.MetricFunction = function bias(t, p) {
      return gs.ops.sub(p, t);
    };
    const squares = mean(errors.map((e) => e * e));
    const x = gs.tensor(X, [6, 1]);
    for (const y of [Float32Array.from(Y), gs.tensor(Y, [6]), gs.tensor(Y, [6, 1]), Y]) {
      using model = await line(square);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss: square, metrics: [bias], device });
      const logs = await model.evaluate(x, y);
      expect(logs.loss).to.be.closeTo(squares, TINY);
      expect(logs.bias).to.be.closeTo(mean(errors), TINY);
      const [kernel] = await computeGradients(model, x, y);
      expect(kernel!.data[0]).to.be.closeTo(mean(errors.map((e, i) => 2 * e * X[i]!)), TINY);
    }
    const sequences = LOGITS.map((row) => row.map((v) => [v]));
    const expected = mean(LOGITS.flatMap((row, r) => row.map((v, c) => (v - MIXED[r]![c]!) ** 2)));
    expect((await compare(square, sequences, MIXED, 'linear', [])).loss).to.be.closeTo(expected, TINY);
    expect((await compare(square, LOGITS, gs.tensor(MIXED.flat(), [3, 3, 1]), 'linear', [])).loss).to.be.closeTo(expected, TINY);
  });

  it('gets class numbers of several outputs as they are', async () => {
    const shapes: string[] = [];
    const picked: gs.LossFunction = (t, p) => {
      shapes.push(`${t.shape.join()} ${p.shape.join()}`);
      return gs.ops.mul(gs.ops.mean(p, { axis: -1 }), t);
    };
    const expected = mean(LOGITS.map((row, r) => mean(row) * CLASSES[r]!));
    for (const labels of [CLASSES, Float32Array.from(CLASSES)]) {
      expect((await compare(picked, LOGITS, labels, 'linear', [])).loss).to.be.closeTo(expected, TINY);
    }
    expect([...new Set(shapes)]).to.deep.equal(['2 2,3', '1 1,3']);
  });

  it('of class numbers: they are floats there, and oneHot takes them', async () => {
    const loss: gs.LossFunction = (yTrue, yPred) => {
      const wanted = gs.ops.oneHot(gs.ops.reshape(yTrue, [-1]), 3);
      return gs.ops.neg(gs.ops.sum(gs.ops.mul(wanted, gs.ops.logSoftmax(yPred)), { axis: -1 }));
    };
    const expected = mean(LOGITS.map((row, r) => -Math.log(softmax(row)[CLASSES[r]!]!)));
    expect((await compare(loss, LOGITS, Int32Array.from(CLASSES), 'linear', [])).loss).to.be.closeTo(expected, TINY);
  });

  const identities: [string, (x: gs.Value) => gs.Value, (x: number) => number, (x: number) => number][] = [
    ['exp', gs.ops.exp, Math.exp, Math.exp],
    ['sigmoid', gs.ops.sigmoid, sigmoid, (v) => sigmoid(v) * (1 - sigmoid(v))],
    ['tanh', gs.ops.tanh, Math.tanh, (v) => 1 - Math.tanh(v) ** 2],
    ['softplus', gs.ops.softplus, (v) => Math.log1p(Math.exp(v)), sigmoid],
    ['maximum', (v) => gs.ops.maximum(v, 0.4), (v) => Math.max(v, 0.4), (v) => (v > 0.4 ? 1 : 0)],
    ['div', (v) => gs.ops.div(1, gs.ops.add(2, gs.ops.square(v))), (v) => 1 / (2 + v * v), (v) => (-2 * v) / (2 + v * v) ** 2],
    ['sqrt of sum', (v) => gs.ops.sqrt(gs.ops.add(gs.ops.square(v), 1)), (v) => Math.hypot(v, 1), (v) => v / Math.hypot(v, 1)],
    ['broadcast', (v) => gs.ops.mul(v, gs.ops.broadcastTo(gs.ops.mean(v), [6, 1])), () => NaN, () => NaN],
  ];
  for (const [name, op, f, slope] of identities) {
    it(`${name}: value and gradient`, async () => {
      using model = await line((_yTrue, yPred) => op(yPred));
      const x = gs.tensor(X, [6, 1]);
      const p = X.map((v) => W * v + B);
      const isProduct = name === 'broadcast';
      const value = isProduct ? mean(p) ** 2 : mean(p.map(f));
      const slopes = isProduct ? p.map(() => 2 * mean(p)) : p.map(slope);
      expect((await model.evaluate(x, gs.tensor(Y, [6, 1]))).loss).to.be.closeTo(value, TINY);
      const [kernel, bias] = await computeGradients(model, x, gs.tensor(Y, [6, 1]));
      expect(kernel!.data[0]).to.be.closeTo(mean(slopes.map((s, i) => s * X[i]!)), 2 * TINY);
      expect(bias!.data[0]).to.be.closeTo(mean(slopes), 2 * TINY);
    });
  }
});
