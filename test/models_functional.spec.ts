/**
 * Functional models against PyTorch in float64 (test/golden/make_model_fixtures.py): two inputs, two outputs, a layer that
 * is applied twice, a residual connection; and what training does besides the update, in every variant.
 */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import * as gs from '../lib/index.js';
import { computeGradients } from '../lib/train/gradients.js';
import { describeProgram } from '../lib/train/inspect.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';

interface Variant {
  options: {
    lossWeights?: number[];
    sampleWeights?: true;
    clipValue?: number;
    clipNorm?: number;
    globalClipNorm?: number;
    weightDecay?: number;
    multipliers?: Record<string, number>;
    l1?: number;
    l2?: number;
    frozen?: string;
    emaMomentum?: number;
  };
  losses: [total: number, left: number, right: number][];
  weights: number[][];
}

interface Fixture {
  x: number[][][];
  y: [number[][], number[]];
  sampleWeights: number[][];
  rate: number;
  momentum: number;
  weights: Record<string, { shape: number[]; data: number[] }>;
  outputs: number[][];
  losses: number[];
  gradients: number[][];
  variants: Record<string, Variant>;
}

const golden = JSON.parse(readFileSync(new URL('./golden/models/functional.json', import.meta.url), 'utf8')) as Fixture;

function network({ multipliers, l1, l2, frozen }: Variant['options'] = {}): gs.Model {
  const { dense, add, concatenate } = gs.layers;
  const common = (name: string) => ({
    name,
    trainable: frozen !== name,
    ...(multipliers?.[name] !== undefined && { learningRateMultiplier: multipliers[name] }),
  });
  const [a, b] = [gs.input({ shape: [4], name: 'a' }), gs.input({ shape: [4], name: 'b' })];
  const shared = dense({ units: 3, activation: 'tanh', ...common('shared') });
  const kernelRegularizer = l1 === undefined ? undefined : gs.regularizers.l1l2({ l1, l2: l2! });
  const [one, two] = [shared.apply(a), shared.apply(b)];
  const hidden = dense({
    units: 5,
    activation: 'tanh',
    ...(kernelRegularizer && { kernelRegularizer }),
    ...common('hidden'),
  }).apply(concatenate().apply([one, two]));
  const wide = add().apply([hidden, dense({ units: 5, ...common('around') }).apply(hidden)]);
  const left = dense({ units: 2, ...common('left') }).apply(wide);
  const end = concatenate().apply([wide, add().apply([one, two])]);
  const right = dense({ units: 3, activation: 'softmax', ...common('right') }).apply(end);
  return gs.model({ inputs: [a, b], outputs: [left, right] });
}

const LOSS = ['meanSquaredError', 'sparseCategoricalCrossentropy'] as const;
const { x, y } = golden;

async function start(variant: Variant['options'], device: string, more: Partial<gs.CompileOptions> = {}): Promise<gs.Model> {
  const { lossWeights, clipValue, clipNorm, globalClipNorm, weightDecay, emaMomentum } = variant;
  const model = network(variant);
  const given = Object.entries({ clipValue, clipNorm, globalClipNorm, weightDecay, emaMomentum }).filter(
    ([, v]) => v !== undefined,
  );
  const optimizer = gs.optimizers.sgd({
    learningRate: golden.rate,
    momentum: golden.momentum,
    ...Object.fromEntries(given),
    ...(emaMomentum !== undefined && { useEma: true }),
  });
  model.compile({ optimizer, loss: LOSS, ...(lossWeights && { lossWeights }), device, seed: 1, ...more });
  const order = model.weights.map((w) => golden.weights[w.name]!);
  await model.setWeights(order.map(({ data, shape }) => gs.tensor(Float32Array.from(data), shape)));
  return model;
}

function expectClose(what: string, actual: ArrayLike<number>, expected: readonly number[], tolerance = 1e-5): void {
  expect(actual.length, what).to.equal(expected.length);
  const scale = Math.max(...expected.map(Math.abs));
  const worst = Math.max(...expected.map((e, i) => Math.abs(actual[i]! - e)));
  expect(worst / scale, `${what}: largest difference over largest magnitude`).to.be.at.most(tolerance);
}

/** Tensors in the model's order against the fixture's, which goes by name. */
function expectWeights(model: gs.Model, actual: readonly gs.Tensor[], expected: readonly number[][]): void {
  const names = Object.keys(golden.weights);
  model.weights.forEach(({ name }, i) => expectClose(name, actual[i]!.data, expected[names.indexOf(name)]!));
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe('outputs of whole numbers', () => {
    it('are predicted as floats', async () => {
      const numbers = gs.input({ shape: [2, 2], dtype: 'int32' });
      using model = gs.model({ inputs: numbers, outputs: gs.layers.reshape({ targetShape: [4] }).apply(numbers) });
      const { data, shape } = await model.predict([
        [
          [1, -2],
          [3, 4],
        ],
      ]);
      expect(shape).to.deep.equal([1, 4]);
      expect(data).to.deep.equal(Float32Array.of(1, -2, 3, 4));
    });
  });

  describe(`functional model: PyTorch's numbers on ${name}`, () => {
    it('outputs, losses and every gradient', async () => {
      using model = await start({}, device);
      expect(model.inputNames).to.deep.equal(['a', 'b']);
      expect(model.outputNames).to.deep.equal(['left', 'right']);
      const outputs = await model.predictAll(x, { batchSize: 3 });
      outputs.forEach((o, i) => expectClose(`output ${i}`, o.data, golden.outputs[i]!));
      const logs = await model.evaluate({ b: x[1]!, a: x[0]! }, { right: y[1], left: y[0] }, { batchSize: 5 });
      expectClose('losses', [logs.left_loss as number, logs.right_loss as number], golden.losses);
      expect(logs.loss).to.be.closeTo(golden.losses[0]! + golden.losses[1]!, 1e-5);
      expectWeights(model, await computeGradients(model, x, y), golden.gradients);
    });

    for (const [title, variant] of Object.entries(golden.variants)) {
      it(`training: ${title}`, async () => {
        using model = await start(variant.options, device);
        const sampleWeight = variant.options.sampleWeights && golden.sampleWeights;
        const options = { epochs: variant.losses.length, batchSize: 8, shuffle: false, ...(sampleWeight && { sampleWeight }) };
        const history = await model.fit(x, y, options);
        variant.losses.forEach(([total, left, right], i) => {
          const found = [history.loss[i]!, history.left_loss![i] as number, history.right_loss![i] as number];
          expectClose(`losses of step ${i}`, found, [total, left, right]);
        });
        expectWeights(model, await model.getWeights(), variant.weights);
      });
    }

    it('accumulation of four batches is one large batch', async () => {
      const { losses, weights } = golden.variants.plain!;
      const optimizer = gs.optimizers.sgd({ learningRate: golden.rate, momentum: golden.momentum, gradientAccumulationSteps: 4 });
      using model = await start({}, device, { optimizer });
      await model.fit(x, y, { epochs: losses.length, batchSize: 2, shuffle: false });
      expectWeights(model, await model.getWeights(), weights);
    });

    it('accumulation with batches left over weighs every row alike', async () => {
      const { losses, weights } = golden.variants.plain!;
      const optimizer = gs.optimizers.sgd({ learningRate: golden.rate, momentum: golden.momentum, gradientAccumulationSteps: 3 });
      using model = await start({}, device, { optimizer });
      await model.fit(x, y, { epochs: losses.length, batchSize: 3 });
      expectWeights(model, await model.getWeights(), weights);
    });

    it('full batch takes the exact mean gradient, whatever the order of rows', async () => {
      const { losses, weights } = golden.variants['sample weights']!;
      using model = await start({ lossWeights: [0.5, 2] }, device);
      const history = await model.fit(x, y, { epochs: losses.length, batchSize: 'full', sampleWeight: golden.sampleWeights });
      expectClose(
        'losses',
        history.loss,
        losses.map((l) => l[0]),
      );
      expectWeights(model, await model.getWeights(), weights);
    });

    it('trainOnBatch takes the same steps', async () => {
      const { losses, weights } = golden.variants.clipNorm!;
      using model = await start({ clipNorm: 0.1 }, device);
      for (const [total, left, right] of losses) {
        const logs = await model.trainOnBatch({ a: x[0]!, b: x[1]! }, y);
        expectClose('logs', [logs.loss, logs.left_loss as number, logs.right_loss as number], [total, left, right]);
      }
      expectWeights(model, await model.getWeights(), weights);
      const logs = await model.testOnBatch(x, y);
      const whole = await model.evaluate(x, y, { batchSize: 3 });
      expect(logs.loss).to.be.closeTo(whole.loss, 1e-6);
    });
  });
}

describe('functional model', () => {
  it('takes outputs and metrics that are named like members of every object', async () => {
    const x = [[1], [2]];
    const input = gs.input({ shape: [1] });
    const heads = ['valueOf', 'constructor'].map((name) => gs.layers.dense({ units: 1, name }).apply(input));
    using model = gs.model({ inputs: input, outputs: heads });
    const names = ['toString', '__proto__', 'hasOwnProperty'];
    const metrics = { valueOf: names.map((name) => gs.metrics.meanAbsoluteError({ name })) };
    const loss = { valueOf: 'meanSquaredError' as const, constructor: 'meanSquaredError' as const };
    model.compile({ optimizer: 'sgd', loss, lossWeights: { valueOf: 2 } as never, metrics: metrics as never, device: 'cpu' });
    const labels = { valueOf: [1, 2], constructor: [3, 4] } as never;
    const history = await model.fit(x, labels, { epochs: 2 });
    expect(Object.keys(history)).to.include.members(['constructor_loss', ...names.map((name) => `valueOf_${name}`)]);
    await expectFailure(
      () => model.fit(x, { constructor: [3, 4] } as never),
      'ERR_OPTION',
      'Expected tensor for y.valueOf but received undefined',
    );

    using single = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    single.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics: metrics.valueOf, device: 'cpu' });
    const named = await single.fit(x, [1, 2], { epochs: 2, validationData: [x, [1, 2]] });
    for (const name of names) expect(Object.getOwnPropertyDescriptor(named, name)?.value, name).to.have.length(2);
    const reports: string[][] = [];
    for await (const report of single.train(x, [1, 2])) reports.push(Object.keys(report));
    expect(reports).to.deep.equal([['epoch', 'loss', ...names]]);
  });

  it('refuses outputs and metrics whose keys in histories would be the same', async () => {
    const input = gs.input({ shape: [1] });
    const compile = (names: readonly string[], metrics: Readonly<Record<string, readonly gs.Metric[]>> = {}) => {
      const outputs = names.map((name) => gs.layers.dense({ units: 1, name }).apply(input));
      using model = gs.model({ inputs: input, outputs });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', metrics, device: 'cpu' });
    };
    const own = (name: string) => [gs.metrics.meanSquaredError({ name })];
    const twice = (key: string) => new RegExp(`^Expected a key of its own in histories .* but "${key}" is that of two`);
    await expectFailure(() => compile(['a', 'a_b'], { a: own('b_loss') }), 'ERR_OPTION', twice('a_b_loss'));
    await expectFailure(() => compile(['a', 'a_b'], { a: own('b_c'), a_b: own('c') }), 'ERR_OPTION', twice('a_b_c'));
    await expectFailure(() => compile(['a', 'val']), 'ERR_OPTION', twice('val_loss'));
    compile(['a', 'a_b'], { a: own('c'), a_b: own('c') });
  });

  it('computes no gradient for a frozen layer, nor what only that would need', () => {
    using model = network({ frozen: 'shared' });
    model.compile({ optimizer: 'sgd', loss: LOSS, device: 'cpu' });
    const program = describeProgram(model, { kind: 'train', rows: 8 });
    using free = network();
    free.compile({ optimizer: 'sgd', loss: LOSS, device: 'cpu' });
    const backwards = (text: string) => text.split('\n').filter((l) => /shared/.test(l)).length;
    const forward = describeProgram(model, { kind: 'predict', rows: 8 });
    expect(backwards(program)).to.equal(backwards(forward));
    expect(backwards(describeProgram(free, { kind: 'train', rows: 8 }))).to.be.above(backwards(program));
  });

  it('counts `trainable` as it was when the model was compiled', async () => {
    const layer = gs.layers.dense({ units: 1, inputShape: [2] });
    using model = gs.sequential([layer]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device: 'cpu', seed: 1 });
    layer.trainable = false;
    const before = await model.getWeights();
    await model.trainOnBatch([[1, 2]], [5]);
    const between = await model.getWeights();
    expect(between[0]!.data).not.to.deep.equal(before[0]!.data);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    await model.trainOnBatch([[1, 2]], [5]);
    expect((await model.getWeights())[0]!.data).to.deep.equal(between[0]!.data);
    layer.trainable = true;
    model.trainable = false;
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    await model.trainOnBatch([[1, 2]], [5]);
    expect((await model.getWeights())[0]!.data).to.deep.equal(between[0]!.data);
  });

  it('has a frozen batch normalisation use its statistics, and leaves them', async () => {
    for (const freeze of ['layer', 'model', 'nothing'] as const) {
      const norm = gs.layers.batchNormalization({ inputShape: [2], trainable: freeze !== 'layer' });
      using model = gs.sequential([norm]);
      if (freeze === 'model') model.trainable = false;
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: 'meanSquaredError', device: 'cpu' });
      const data = [
        [1, 2],
        [3, 5],
        [8, -4],
      ];
      const { loss } = await model.trainOnBatch(data, [
        [0, 0],
        [0, 0],
        [0, 0],
      ]);
      const mean = (await model.getWeights())[2]!;
      // With the first statistics, mean 0 and variance 1, the output is the input over √(1 + ε).
      const asItIs = data.flat().reduce((s, v) => s + v * v, 0) / 6 / 1.001;
      if (freeze === 'nothing') {
        expect(loss).to.be.closeTo(1, 1e-2);
        expect(mean.data[0]).to.be.closeTo(0.01 * 4, 1e-6);
      } else {
        expect(loss).to.be.closeTo(asItIs, 1e-4);
        expect([...mean.data]).to.deep.equal([0, 0]);
      }
    }
  });

  it('finds layers by name, and lists them after what they need', async () => {
    using model = network();
    expect(model.layers.map((l) => l.name ?? l.className)).to.deep.equal([
      'shared',
      'Concatenate',
      'hidden',
      'around',
      'Add',
      'Add',
      'Concatenate',
      'left',
      'right',
    ]);
    expect(model.getLayer('hidden').options.units).to.equal(5);
    await expectFailure(
      () => model.getLayer('hiden'),
      'ERR_OPTION',
      'Unknown layer "hiden" for getLayer: did you mean "hidden"?',
    );
    expect(model.weights.map((w) => w.name).slice(0, 2)).to.deep.equal(['shared/kernel', 'shared/bias']);
  });

  it('takes labels for outputs without a loss, and none', async () => {
    const input = gs.input({ shape: [4] });
    const [p, q, r] = ['p', 'q', 'r'].map((name) => gs.layers.dense({ units: 1, name }).apply(input));
    const rows = gs.tensor(x[0]!);
    const [a, b] = [Float32Array.from(x[0]!, (_, i) => i), gs.tensor(x[0]!.map((_, i) => [-i]))];
    const c = gs.tensor(x[0]!.map((_, i) => [i % 3]));
    using one = gs.model({ inputs: input, outputs: [p!, q!] });
    one.compile({ optimizer: 'sgd', loss: ['meanSquaredError', null], device: 'cpu', seed: 1 });
    const { loss } = await one.evaluate(rows, a);
    const forms = [[a], [a, b], [a, null], [a, undefined], [[...a], null], { p: a }, { p: a, q: b }, { p: a, q: null }];
    for (const y of forms) expect((await one.evaluate(rows, y)).loss, JSON.stringify(y)).to.equal(loss);
    using two = gs.model({ inputs: input, outputs: [p!, q!, r!] });
    two.compile({ optimizer: 'sgd', loss: { p: 'meanSquaredError', r: 'meanSquaredError' }, device: 'cpu', seed: 1 });
    const { loss: both } = await two.evaluate(rows, [a, c]);
    for (const y of [[a, b, c], [a, null, c], { r: c, p: a, q: b }]) expect((await two.evaluate(rows, y)).loss).to.equal(both);
    const weighted = await two.evaluate(rows, [a, b, c], { sampleWeight: [a, null, a] });
    expect(weighted).to.deep.equal(await two.evaluate(rows, [a, c], { sampleWeight: [a, a] }));
    await expectFailure(
      () => two.evaluate(rows, [a]),
      'ERR_OPTION',
      'Expected array of 2 or 3 tensors, or object with p, r for y but received [Float32Array] of type array',
    );
    await expectFailure(() => two.evaluate(rows, [a, b, null]), 'ERR_OPTION', 'Expected tensor for y[2] but received null');
    await expectFailure(() => one.evaluate(rows, { q: b }), 'ERR_OPTION', 'Expected tensor for y.p but received undefined');
    await expectFailure(() => one.evaluate(rows, { p: a, s: b }), 'ERR_OPTION', /Unknown entry "s" for y/);
  });

  it('takes null in elements and columns of datasets for labels of outputs without a loss', async () => {
    const input = gs.input({ shape: [4] });
    const [p, q, r] = ['p', 'q', 'r'].map((name) => gs.layers.dense({ units: 1, name }).apply(input));
    using model = gs.model({ inputs: input, outputs: [p!, q!, r!] });
    model.compile({ optimizer: 'sgd', loss: ['meanSquaredError', null, 'meanSquaredError'], device: 'cpu', seed: 1 });
    const rows = gs.tensor(x[0]!);
    const [a, c] = [gs.tensor(x[0]!.map((_, i) => [i])), gs.tensor(x[0]!.map((_, i) => [i % 3]))];
    const { loss } = await model.evaluate(rows, [a, c], { batchSize: 3 });
    const { dataset } = gs.data;
    const elements = <Y>(label: (i: number) => Y) => x[0]!.map((row, i) => ({ x: gs.tensor(row), y: label(i) }));
    const [t, u] = [(i: number) => gs.tensor([i]), (i: number) => gs.tensor([i % 3])];
    const forms = [
      dataset(elements((i) => [t(i), null, u(i)])),
      dataset(elements((i) => ({ p: t(i), q: null, r: u(i) }))),
      dataset(x[0]!.map((row, i) => ({ x: row, y: [[i], null, [i % 3]] }))),
      dataset(elements((i) => [t(i), null, u(i)])).batch(3),
      dataset({ x: rows, y: [a, null, c] }),
      dataset([rows, [a, null, c]]),
      dataset({ x: rows, y: { p: a, q: null, r: c } }),
      dataset([{ x: rows, y: [a, null, c] }]).unbatch(),
    ];
    for (const [i, form] of forms.entries())
      expect((await model.evaluate(form, { batchSize: 3 })).loss, `form ${i}`).to.equal(loss);
    const differ = (label: (i: number) => (gs.Tensor | null)[]) => model.evaluate(dataset(elements(label)), { batchSize: 3 });
    await expectFailure(
      () => differ((i) => [t(i), i === 2 ? t(i) : null, u(i)]),
      'ERR_SHAPE',
      /Expected null, as in element 0, for y\[1\] of element 2 but received Tensor/,
    );
    await expectFailure(
      () => differ((i) => [t(i), i === 2 ? null : t(i), u(i)]),
      'ERR_SHAPE',
      /Expected a tensor, as in element 0, for y\[1\] of element 2 but received null/,
    );
    await expectFailure(() => differ(() => [null, null, null]), 'ERR_DTYPE', /for y but received .*array/);
    await expectFailure(() => differ((i) => [t(i), t(i), null]), 'ERR_OPTION', /Expected tensor for y\[2\] but received null/);
  });

  it('says what is wrong with what it is given', async () => {
    using model = await start({}, 'cpu');
    const [a, b] = [gs.input({ shape: [2], name: 'a' }), gs.input({ shape: [3] })];
    const end = gs.layers.concatenate().apply([a, b]);
    await expectFailure(() => gs.model({ inputs: a, outputs: end }), 'ERR_OPTION', /depend on an input that is not among/);
    await expectFailure(() => gs.model({ inputs: [a, b, a], outputs: end }), 'ERR_OPTION', /model\.inputs\[2\]/);
    await expectFailure(() => gs.model({ inputs: [], outputs: end }), 'ERR_OPTION', /model\.inputs/);
    await expectFailure(() => gs.model({ inputs: [a, b], outputs: wrong('end') }), 'ERR_OPTION', /model\.outputs/);
    await expectFailure(() => model.predict(x), 'ERR_OPTION', /has 2: use predictAll/);
    await expectFailure(() => model.fit([x[0]!], y), 'ERR_OPTION', /array of 2 tensors/);
    await expectFailure(() => model.fit({ a: x[0]!, c: x[1]! }, y), 'ERR_OPTION', /Unknown entry "c" for x/);
    await expectFailure(() => model.fit({ a: x[0]! }, y), 'ERR_OPTION', /x\.b/);
    await expectFailure(() => model.fit(x, { left: y[0], write: y[1] }), 'ERR_OPTION', /Unknown entry "write" for y/);
    await expectFailure(
      () => model.fit([x[0]!, x[1]!.slice(1)], y),
      'ERR_SHAPE',
      /as many rows in x\[1\] as in x but received 7 and 8/,
    );
    await expectFailure(() => model.fit(x, [y[0].slice(2), y[1]]), 'ERR_SHAPE', /y\[0\]/);
    await expectFailure(() => model.fit(x, y, { classWeight: { 0: 2 } }), 'ERR_OPTION', /one output where classWeight/);
    const compile = (options: Partial<gs.CompileOptions>) => () => model.compile({ optimizer: 'sgd', loss: LOSS, ...options });
    await expectFailure(compile({ loss: ['meanSquaredError'] }), 'ERR_OPTION', /Expected 2 entries for compile\.loss/);
    await expectFailure(
      compile({ loss: { left: 'meanSquaredError', rihgt: 'meanSquaredError' } }),
      'ERR_OPTION',
      /output "rihgt"/,
    );
    await expectFailure(compile({ loss: {} }), 'ERR_OPTION', /at least one output/);
    await expectFailure(compile({ lossWeights: [1] }), 'ERR_OPTION', /Expected 2 entries for compile\.lossWeights/);
    await expectFailure(compile({ lossWeights: { left: -1 } }), 'ERR_OPTION', /compile\.lossWeights\.left/);
    await expectFailure(compile({ metrics: { top: ['accuracy'] } }), 'ERR_OPTION', /output "top"/);
    const narrow = gs.layers.dense({ units: 2, name: 'narrow' });
    gs.model({ inputs: a, outputs: narrow.apply(a) });
    await expectFailure(
      () => gs.model({ inputs: [a, b], outputs: [narrow.apply(a), narrow.apply(b)] }),
      'ERR_SHAPE',
      /would need kernel of shape \[3, 2\] where its first call has \[2, 2\] \(in narrow\)/,
    );
    await expectFailure(() => gs.layers.conv2d({ filters: 1, kernelSize: 2, name: 'eye' }).apply(a), 'ERR_SHAPE', /\(in eye\)/);
  });
});
