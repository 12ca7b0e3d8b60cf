/** Models that share weights, stand in one another, are saved and described: whoever changes a weight, all see it. */
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectClose } from './helpers/close.js';
import { expectFailure } from './helpers/failure.js';

const device = 'cpu';
const { dense, dropout, add, timeDistributed } = gs.layers;

const x = [
  [1, -2, 0.5],
  [0.25, 1, 3],
];

interface Pair {
  encoder: gs.Model;
  autoencoder: gs.Model;
  classifier: gs.Model;
}

/** An encoder in two models: one that decodes, one that classifies. */
function models(): Pair {
  const input = gs.input({ shape: [3] });
  const code = dense({ units: 2, activation: 'tanh', name: 'code' }).apply(input);
  const encoder = gs.model({ inputs: input, outputs: code, name: 'encoder' });
  const autoencoder = gs.model({ inputs: input, outputs: dense({ units: 3, name: 'decode' }).apply(code) });
  const other = gs.input({ shape: [3] });
  const classifier = gs.model({
    inputs: other,
    outputs: dense({ units: 1, activation: 'sigmoid', name: 'class' }).apply(encoder.apply(other)),
  });
  autoencoder.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.25 }), loss: 'meanSquaredError', device, seed: 1 });
  classifier.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.25 }), loss: 'binaryCrossentropy', device, seed: 2 });
  encoder.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
  return { encoder, autoencoder, classifier };
}

async function disposeAll({ encoder, autoencoder, classifier }: Pair): Promise<void> {
  await Promise.all([encoder.dispose(), autoencoder.dispose(), classifier.dispose()]);
}

/** The code of x by a kernel [3, 2] and a bias [2]. */
const codeOf = (kernel: ArrayLike<number>, bias: ArrayLike<number>): number[] =>
  x.flatMap((row) => [0, 1].map((u) => Math.tanh(row.reduce((s, v, i) => s + v * kernel[2 * i + u]!, bias[u]!))));

describe('models that share layers', () => {
  it('see what training of either does, in any order', async () => {
    const all = models();
    const { encoder, autoencoder, classifier } = all;
    const seen: number[][] = [];
    const check = async (): Promise<void> => {
      const [kernel, bias] = await encoder.getWeights();
      expectClose((await encoder.predict(x)).data, codeOf(kernel!.data, bias!.data));
      for (const model of [autoencoder, classifier]) {
        const [k, b] = await model.getWeights();
        expect([k!.data, b!.data]).to.deep.equal([kernel!.data, bias!.data]);
      }
      seen.push([...kernel!.data]);
    };
    await check();
    await autoencoder.trainOnBatch(x, x);
    await check();
    await classifier.fit(x, [0, 1], { epochs: 2 });
    await check();
    await autoencoder.fit(x, x, { epochs: 2 });
    await check();
    await classifier.setWeights(
      (await classifier.getWeights()).map((w) =>
        gs.tensor(
          w.data.map((v) => v * 2),
          w.shape,
        ),
      ),
    );
    await check();
    expect(new Set(seen.map(String)).size).to.equal(seen.length);
    await disposeAll(all);
  });

  it('train the same as copies whose weights are carried over by hand', async () => {
    const [shared, apart] = [models(), models()];
    for (const { classifier, autoencoder } of [shared, apart]) {
      await autoencoder.setWeights([
        [
          [0.5, -0.5],
          [0.25, 1],
          [-1, 0.125],
        ],
        [0.1, -0.1],
        [
          [1, 0, 0.5],
          [0.5, 1, -1],
        ],
        [0, 0, 0],
      ]);
      await classifier.setWeights([...(await autoencoder.getWeights()).slice(0, 2), [[1], [-1]], [0.5]]);
    }
    // The copies: models of their own that hand the first two weights to each other.
    const copies = { autoencoder: models().autoencoder, classifier: models().classifier };
    await copies.autoencoder.setWeights(await apart.autoencoder.getWeights());
    await copies.classifier.setWeights(await apart.classifier.getWeights());
    for (let n = 0; n < 3; n++) {
      await shared.autoencoder.trainOnBatch(x, x);
      await shared.classifier.trainOnBatch(x, [1, 0]);
      await copies.autoencoder.trainOnBatch(x, x);
      const handOver = async (from: gs.Model, to: gs.Model) =>
        to.setWeights([...(await from.getWeights()).slice(0, 2), ...(await to.getWeights()).slice(2)]);
      await handOver(copies.autoencoder, copies.classifier);
      await copies.classifier.trainOnBatch(x, [1, 0]);
      await handOver(copies.classifier, copies.autoencoder);
    }
    expect(await shared.autoencoder.getWeights()).to.deep.equal(await copies.autoencoder.getWeights());
    expect(await shared.classifier.getWeights()).to.deep.equal(await copies.classifier.getWeights());
    await Promise.all([disposeAll(shared), disposeAll(apart), copies.autoencoder.dispose(), copies.classifier.dispose()]);
  });

  it('see the newest weights while another is being trained', async () => {
    const all = models();
    const { encoder, autoencoder } = all;
    const during: number[][] = [];
    const inside: number[][] = [];
    await autoencoder.fit(x, x, {
      epochs: 3,
      callbacks: [
        {
          async onEpochEnd() {
            during.push([...(await encoder.predict(x)).data]);
            const [kernel, bias] = await autoencoder.getWeights();
            inside.push(codeOf(kernel!.data, bias!.data));
          },
        },
      ],
    });
    during.forEach((found, i) => expectClose(found, inside[i]!));
    expect(new Set(during.map(String)).size).to.equal(3);
    await disposeAll(all);
  });

  it('see all weights of one step while another is being trained', async () => {
    const wide = 128;
    const alike = () => dense({ units: wide, useBias: false, kernelInitializer: 'ones' });
    const [one, two] = [alike(), alike()];
    const [a, b] = [gs.input({ shape: [wide] }), gs.input({ shape: [wide] })];
    // Both kernels have the same gradient, so they stay equal.
    using sum = gs.model({ inputs: a, outputs: add().apply([one.apply(a), two.apply(a)]) });
    using difference = gs.model({ inputs: b, outputs: gs.layers.subtract().apply([one.apply(b), two.apply(b)]) });
    sum.compile({ optimizer: gs.optimizers.sgd({ learningRate: 1e-4 }), loss: 'meanSquaredError', device });
    using apply = gs.compile((at) => difference.call(at.x, { training: false }), {
      inputs: { x: { shape: [1, wide] } },
      device,
    });
    const data = gs.tensor(
      Float32Array.from({ length: 16 * wide }, (_, i) => Math.sin(i)),
      [16, wide],
    );
    const row = data.rows(0, 1);
    const ended = new AbortController();
    const training = sum.fit(data, gs.tensor(new Float32Array(16 * wide), [16, wide]), { epochs: 1e6, signal: ended.signal });
    try {
      for (let n = 0; n < 30; n++) {
        expect(Math.max(...(await difference.predict(row)).data.map(Math.abs))).to.equal(0);
        expect(Math.max(...(await apply({ x: row })).data.map(Math.abs))).to.equal(0);
        const [first, second] = await difference.getWeights();
        expect(first!.data).to.deep.equal(second!.data);
      }
    } finally {
      ended.abort();
      await expectFailure(() => training, 'ERR_ABORTED', /aborted/);
    }
  });

  it('cannot be trained or changed while another trains the same weights', async () => {
    const all = models();
    const { encoder, autoencoder, classifier } = all;
    const [kernel] = encoder.trainableVariables;
    using change = gs.compile(() => kernel!.assign(gs.ops.mul(kernel!.read(), 0)), { device });
    using look = gs.compile(() => gs.ops.sum(kernel!.read()), { device });
    await look();
    let looked = 0;
    await autoencoder.fit(x, x, {
      callbacks: [
        {
          async onEpochEnd() {
            await expectFailure(() => classifier.fit(x, [0, 1]), 'ERR_BUSY', /being trained by another model or function/);
            await expectFailure(() => classifier.trainOnBatch(x, [0, 1]), 'ERR_BUSY', /being trained/);
            await expectFailure(async () => encoder.setWeights(await encoder.getWeights()), 'ERR_BUSY', /being trained/);
            await expectFailure(() => change(), 'ERR_BUSY', /being trained/);
            await expectFailure(() => kernel!.set(new Float32Array(6)), 'ERR_BUSY', /being trained/);
            const sum = (await kernel!.value()).data.reduce((a, b) => a + b);
            expect((await look()).data[0]).to.be.closeTo(sum, 1e-5);
            looked++;
          },
        },
      ],
    });
    expect(looked).to.equal(1);
    await classifier.fit(x, [0, 1]);
    await change();
    expect((await encoder.getWeights())[0]!.data.every((v) => v === 0)).to.equal(true);
    await disposeAll(all);
  });

  it('train side by side where what they share is frozen', async () => {
    const base = dense({ units: 4, inputShape: [3], trainable: false, name: 'base' });
    const heads = [1, 2].map((units) => {
      const model = gs.sequential([base, dense({ units })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 4 });
      return model;
    });
    const [one, two] = [heads[0]!, heads[1]!];
    await Promise.all([one.fit(x, [[1], [2]], { epochs: 5 }), two.fit(x, [[1, 2], [3, 4]], { epochs: 5 })]); // prettier-ignore
    expect((await one.getWeights())[0]).to.deep.equal((await two.getWeights())[0]);
    await Promise.all(heads.map((h) => h.dispose()));
  });

  it('keep their weights when others of them go', async () => {
    const all = models();
    const { encoder, autoencoder, classifier } = all;
    await autoencoder.fit(x, x, { epochs: 2 });
    const [kernel, bias] = await autoencoder.getWeights();
    const expected = codeOf(kernel!.data, bias!.data);
    await autoencoder.dispose();
    // The classifier was never used before.
    expect((await classifier.getWeights())[0]).to.deep.equal(kernel);
    await classifier.dispose();
    expectClose((await encoder.predict(x)).data, expected);
    await encoder.dispose();
    // Nobody is left; the layer still has them.
    using again = gs.sequential([encoder.getLayer('code')]);
    again.build([3]);
    expectClose((await again.predict(x)).data, expected);
    await expectFailure(() => encoder.predict(x), 'ERR_DISPOSED', /disposed/);
  });

  it('keep their weights when another goes while it trains', async () => {
    const all = models();
    const { encoder, autoencoder, classifier } = all;
    const first = await encoder.getWeights();
    const training = autoencoder.fit(x, x, { epochs: 1e6, callbacks: [{ onEpochEnd: () => autoencoder.dispose() }] });
    await expectFailure(() => training, 'ERR_DISPOSED', /disposed/);
    const [kernel, bias] = await encoder.getWeights();
    expect(kernel).not.to.deep.equal(first[0]);
    expectClose((await encoder.predict(x)).data, codeOf(kernel!.data, bias!.data));
    expect((await classifier.getWeights())[0]).to.deep.equal(kernel);
    await disposeAll(all);
  });

  it('are compiled again and again without losing weights', async () => {
    const { encoder, autoencoder, classifier } = models();
    const compile = () => autoencoder.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
    const before = await autoencoder.getWeights();
    const predictions: Promise<gs.Tensor>[] = [];
    for (let n = 0; n < 4; n++) {
      predictions.push(autoencoder.predict(x));
      compile();
    }
    const results = await Promise.all(predictions);
    for (const r of results) expect(r).to.deep.equal(results[0]);
    expect(await autoencoder.getWeights()).to.deep.equal(before);
    await disposeAll({ encoder, autoencoder, classifier });
  });
});

describe('models in models', () => {
  it('have weights, names and frozen parts as one model', async () => {
    const { encoder, classifier, autoencoder } = models();
    expect(classifier.weights.map((w) => w.name)).to.deep.equal([
      'encoder/code/kernel',
      'encoder/code/bias',
      'class/kernel',
      'class/bias',
    ]);
    expect(classifier.getLayer('encoder')).to.equal(encoder);
    encoder.trainable = false;
    expect(classifier.weights.map((w) => w.trainable)).to.deep.equal([false, false, true, true]);
    expect(encoder.trainableVariables).to.deep.equal([]);
    classifier.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', device });
    const before = await classifier.getWeights();
    await classifier.fit(x, [0, 1]);
    const after = await classifier.getWeights();
    expect(after.slice(0, 2)).to.deep.equal(before.slice(0, 2));
    expect(after[2]).not.to.deep.equal(before[2]);
    await expectFailure(
      () => encoder.apply(gs.input({ shape: [4] })),
      'ERR_SHAPE',
      /takes inputs of shape \[3\] but received \[4\] \(in encoder\)/,
    );
    await disposeAll({ encoder, autoencoder, classifier });
  });

  it('are called twice with one set of weights, and draw random numbers of their own in each call', async () => {
    const twin = gs.sequential([dense({ units: 64, inputShape: [3] }), dropout({ rate: 0.5 })]);
    const [a, b] = [gs.input({ shape: [3] }), gs.input({ shape: [3] })];
    const [one, two] = [twin.apply(a), twin.apply(b)];
    using model = gs.model({ inputs: [a, b], outputs: [add().apply([one, two]), one, two] });
    expect(model.weights).to.have.length(2);
    // The loss shows the outputs of training: a row of the second output against the third.
    const loss = (_y: gs.Value, p: gs.Value) => p;
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss: [null, loss, loss], device, seed: 1 });
    const logs = await model.trainOnBatch([[x[0]!], [x[0]!]], [[0], [0]]);
    const [first, second] = Object.values(logs).slice(1);
    expect(first).not.to.equal(second);
    const [sum, left, right] = await model.predictAll([[x[0]!], [x[0]!]]);
    expect(left).to.deep.equal(right);
    expectClose(
      sum!.data,
      left!.data.map((v) => 2 * v),
    );
  });

  it('come back from JSON and from files, shared parts as one', async () => {
    const twin = gs.sequential([dense({ units: 4, activation: 'tanh', inputShape: [3] }), dense({ units: 4 })]);
    const [a, b] = [gs.input({ shape: [3], name: 'a' }), gs.input({ shape: [3], name: 'b' })];
    const step = timeDistributed({ layer: dense({ units: 2, learningRateMultiplier: 0.5 }) });
    const merged = add().apply([twin.apply(a), twin.apply(b)]);
    const end = step.apply(gs.layers.reshape({ targetShape: [2, 2] }).apply(merged));
    using model = gs.model({ inputs: [a, b], outputs: [end, merged] });
    twin.trainable = false;
    const json = JSON.parse(JSON.stringify(model.toJSON())) as unknown;
    using described = gs.modelFromJson(json);
    expect(described.toJSON()).to.deep.equal(model.toJSON());
    expect(described.weights).to.deep.equal(model.weights);
    expect([described.inputNames, described.outputNames]).to.deep.equal([model.inputNames, model.outputNames]);
    model.compile({ optimizer: 'adam', loss: ['meanSquaredError', null], lossWeights: [2, 1], device, seed: 1 });
    const data = [x, x];
    const labels = gs.tensor(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 2, 2]);
    await model.fit(data, labels, { epochs: 3 });
    const folder = await mkdtemp(join(tmpdir(), 'gradstep-'));
    try {
      const path = join(folder, 'm.safetensors');
      await model.save(path);
      using loaded = await gs.loadModel(path, { device });
      expect(await loaded.predictAll(data)).to.deep.equal(await model.predictAll(data));
      await described.loadWeights(path);
      expect(await described.getWeights()).to.deep.equal(await model.getWeights());
      for (const m of [model, loaded]) await m.fit(data, labels, { epochs: 5, initialEpoch: 3 });
      expect(await loaded.getWeights()).to.deep.equal(await model.getWeights());
      const parts = gs.sequential([dense({ units: 4, inputShape: [3], name: 'sequential' })]);
      const found = await parts.loadWeights(path, { byName: true });
      expect(found).to.deep.equal({ loaded: [], missing: ['sequential/kernel', 'sequential/bias'], differing: [] });
      await parts.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('use a layer both themselves and in a model inside, wherever they stand', async () => {
    const build = (): { mid: gs.Model; outer: gs.Model } => {
      const [both, norm] = [dense({ units: 3, name: 'both' }), gs.layers.batchNormalization({ momentum: 0.5, name: 'norm' })];
      const [a, b, c] = [gs.input({ shape: [3] }), gs.input({ shape: [3] }), gs.input({ shape: [3] })];
      const inner = gs.model({ inputs: a, outputs: norm.apply(both.apply(a)), name: 'inner' });
      const mid = gs.model({ inputs: b, outputs: inner.apply(norm.apply(both.apply(b))), name: 'mid' });
      return { mid, outer: gs.model({ inputs: c, outputs: mid.apply(c) }) };
    };
    const { mid } = build();
    const { outer } = build();
    expect(outer.weights.map((w) => w.name)).to.deep.equal(mid.weights.map((w) => `mid/${w.name}`));
    const start = [[[1, 0, 0.5], [0, 2, 0], [-1, 0, 3]], [0, 0, 1], [1, 1, 2], [0, 1, 0], [0, 0, 0], [1, 1, 1]]; // prettier-ignore
    const called = async (model: gs.Model) => {
      using f = gs.compile(({ at }) => model.call(at, { training: false }), { inputs: { at: { shape: [2, 3] } }, device });
      return [...(await f({ at: x })).data];
    };
    for (const model of [mid, outer]) {
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.25 }), loss: 'meanSquaredError', device });
      await model.setWeights(start);
    }
    for (let n = 0; n < 2; n++) {
      const expected = [...(await mid.predict(x)).data];
      expect([...(await outer.predict(x)).data]).to.deep.equal(expected);
      expectClose(await called(mid), expected);
      expectClose(await called(outer), expected);
      await mid.trainOnBatch(x, x);
      await outer.trainOnBatch(x, x);
      expect(await outer.getWeights()).to.deep.equal(await mid.getWeights());
    }
    await expectFailure(() => outer.toJSON(), 'ERR_OPTION', /inner\/both\/kernel is the same weight as both\/kernel/);
    await Promise.all([mid.dispose(), outer.dispose()]);
  });

  it('cannot be saved where two parts of them share a layer', async () => {
    const layer = dense({ units: 3, name: 'both' });
    const [a, b] = [gs.input({ shape: [3] }), gs.input({ shape: [3] })];
    const one = gs.model({ inputs: a, outputs: layer.apply(a), name: 'one' });
    const two = gs.model({ inputs: b, outputs: layer.apply(b), name: 'two' });
    const input = gs.input({ shape: [3] });
    using model = gs.model({ inputs: input, outputs: two.apply(one.apply(input)) });
    expect(model.weights).to.have.length(2);
    await model.setWeights([[[1, 0, 0], [0, 2, 0], [0, 0, 3]], [0, 0, 1]]); // prettier-ignore
    expect([...(await model.predict([[1, 1, 1]])).data]).to.deep.equal([1, 4, 13]);
    await expectFailure(() => model.toJSON(), 'ERR_OPTION', /two\/both\/kernel .* one\/both\/kernel/);
  });
});

describe('learning-rate multipliers of wrapped layers', () => {
  it('multiply along the way in: the layer, its wrapper, and no more', async () => {
    const { dense, timeDistributed } = gs.layers;
    const layer = dense({ units: 1, useBias: false, kernelInitializer: 'ones', learningRateMultiplier: 0.5 });
    const inner = gs.sequential([timeDistributed({ layer, learningRateMultiplier: 0.25, inputShape: [1, 1] })]);
    using model = gs.sequential([inner]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 1 }), loss: 'meanSquaredError', device: 'cpu' });
    await model.fit(gs.tensor([[[1]]]), gs.tensor([[[0]]]));
    // dL/dw = 2·(w·1 − 0)·1 = 2 at w = 1; the step is 1 · 0.5 · 0.25 · 2.
    expect((await model.getWeights())[0]!.data[0]).to.equal(0.75);
  });
});
