/** What a model does between and beside runs: weights, compiling again, predicting while it trains, aborting, disposing. */
import { expect } from 'chai';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as gs from '../lib/index.js';
import { Session } from '../lib/runtime/session.js';
import { failure } from './helpers/failure.js';

const device = 'cpu';

function network(seed = 1): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 64, activation: 'relu', inputShape: [32] }),
    gs.layers.dense({ units: 4, activation: 'softmax' }),
  ]);
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, seed, threads: 1 });
  return model;
}

const COUNT = 2000;
const x = gs.tensor(
  Float32Array.from({ length: COUNT * 32 }, (_, i) => Math.sin(i * 0.37)),
  [COUNT, 32],
);
const y = Int32Array.from({ length: COUNT }, (_, i) => i % 4);

describe('model', () => {
  it('predicts and keeps weights before it is compiled', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 2, inputShape: [3], activation: 'relu' })]);
    const kernel = [
      [1, -1],
      [2, 0.5],
      [0, 1],
    ];
    await model.setWeights([kernel, [0.5, -4]]);
    const { data, shape } = await model.predict([
      [1, 2, 3],
      [0, 1, 4],
    ]);
    expect(shape).to.deep.equal([2, 2]);
    expect([...data]).to.deep.equal([5.5, 0, 2.5, 0.5]);
    const [w] = await model.getWeights();
    expect([...w!.data]).to.deep.equal(kernel.flat());
  });

  it('keeps its weights when it is compiled again', async () => {
    using model = network();
    await model.fit(x, y, { batchSize: 500 });
    const before = await model.getWeights();
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device });
    expect(await model.getWeights()).to.deep.equal(before);
    const [first] = (await model.predict(x.rows(0, 1))).data;
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, threads: 2 });
    expect((await model.predict(x.rows(0, 1))).data[0]).to.be.closeTo(first!, 1e-6);
    expect(await model.getWeights()).to.deep.equal(before);
  });

  it('gives and saves its weights though it is compiled and used meanwhile', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gradstep-meanwhile-'));
    try {
      const compile = (model: gs.Model): void =>
        model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, threads: 1 });
      for (let round = 0; round < 5; round++) {
        using model = network();
        await model.fit(x, y, { batchSize: 500 });
        const before = await model.getWeights();
        const path = join(folder, `${round}.safetensors`);
        const saving = [model.save(path), model.getWeights()] as const;
        compile(model);
        const predicted = model.predict(x.rows(0, 1));
        const [, weights] = await Promise.all(saving);
        expect(weights).to.deep.equal(before);
        await predicted;
        using loaded = await gs.loadModel(path, { device });
        expect(await loaded.getWeights()).to.deep.equal(before);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('predicts the same in batches of any size', async () => {
    using model = network();
    const whole = await model.predict(x.rows(0, 50), { batchSize: 50 });
    for (const batchSize of [1, 7, 32]) {
      const { data } = await model.predict(x.rows(0, 50), { batchSize });
      data.forEach((v, i) => expect(v).to.be.closeTo(whole.data[i]!, 1e-6));
    }
  });

  it('answers many predictions at once, each with its own rows', async () => {
    using model = gs.sequential([gs.layers.rescaling({ scale: 2, inputShape: [1] })]);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) => model.predict(Array.from({ length: 1 + (i % 5) }, (__, j) => [i + j]))),
    );
    answers.forEach(({ data }, i) => expect([...data]).to.deep.equal(Array.from({ length: 1 + (i % 5) }, (_, j) => 2 * (i + j))));
  });

  it('predicts and evaluates while it trains, without disturbing it', async () => {
    using alone = network();
    const expected = await alone.fit(x, y, { epochs: 30, batchSize: 16, validationSplit: 0.1 });
    using model = network();
    let trained = false;
    const training = model.fit(x, y, { epochs: 30, batchSize: 16, validationSplit: 0.1 }).finally(() => (trained = true));
    let during = 0;
    while (!trained) {
      const [{ data }, { loss }] = await Promise.all([
        model.predict(x.rows(0, 5)),
        model.evaluate(x.rows(0, 8), y.subarray(0, 8)),
      ]);
      expect(data.every((p) => p >= 0 && p <= 1)).to.equal(true);
      expect(loss).to.be.above(0);
      if (!trained) during++;
    }
    expect(during).to.be.at.least(1);
    expect(await training).to.deep.equal(expected);
    expect(await model.getWeights()).to.deep.equal(await alone.getWeights());
  });

  it('answers calls of any size one after the other, in memory that earlier ones left', async () => {
    using model = network();
    const [bytes, few] = [gs.tensor(new Uint8Array(3 * 32).fill(1), [3, 32]), x.rows(0, 3)];
    const whole = (await model.predict(x)).data;
    const ofBytes = (await network().predict(gs.tensor(new Float32Array(3 * 32).fill(1), [3, 32]))).data;
    const losses = [await network().evaluate(x, y), await network().evaluate(few, y.subarray(0, 3))];
    for (const rows of [COUNT, 3, 1, 40, 3]) {
      const { data } = await model.predict(x.rows(0, rows));
      expect(data).to.have.length(4 * rows);
      data.forEach((p, i) => expect(p).to.be.closeTo(whole[i]!, 1e-5));
      expect((await model.predict(bytes)).data).to.deep.equal(ofBytes);
      expect(await model.evaluate(few, y.subarray(0, 3))).to.deep.equal(losses[1]);
      expect(await model.evaluate(x, y)).to.deep.equal(losses[0]);
    }
  });

  it('predicts though its run was stopped with others', async () => {
    using model = network();
    const { run } = Session.prototype;
    const [expected, before] = [await model.predict(x.rows(0, 2)), await model.predict(x.rows(2, 4))];
    expect(before.data).not.to.deep.equal(expected.data);
    let stopped = 0;
    Session.prototype.run = function (stretches, report) {
      const running = run.call(this, stretches, report);
      if (stopped++ === 0) this.stop();
      return running;
    };
    try {
      for (let i = 0; i < 50; i++) {
        stopped = 0;
        await model.predict(x.rows(2, 4));
        stopped = 0;
        expect((await model.predict(x.rows(0, 2))).data).to.deep.equal(expected.data);
      }
    } finally {
      Session.prototype.run = run;
    }
  });

  it('refuses a second fit, compile and setWeights while it trains', async () => {
    using model = network();
    const training = model.fit(x, y, { epochs: 5 });
    const weights = (await model.getWeights()).map((w) => w);
    expect((await failure(model.fit(x, y))).code).to.equal('ERR_BUSY');
    expect((await failure(model.setWeights(weights))).code).to.equal('ERR_BUSY');
    expect(() => model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' })).to.throw(gs.GradstepError, /being trained/);
    expect((await training).loss).to.have.length(5);
  });

  it('stops in mid-epoch when the signal says so, and can go on', async () => {
    using model = network();
    const before = await model.getWeights();
    const abort = new AbortController();
    const training = model.fit(x, y, { epochs: 100_000, batchSize: 1, signal: abort.signal });
    await sleep(50);
    abort.abort(new Error('enough'));
    const error = await failure(training);
    expect(error.code).to.equal('ERR_ABORTED');
    expect((error.cause as Error).message).to.equal('enough');
    const after = await model.getWeights();
    expect(after).not.to.deep.equal(before);
    expect(after.every((w) => w.data.every(Number.isFinite))).to.equal(true);
    expect((await model.fit(x, y, { batchSize: 500 })).loss).to.have.length(1);
    const late = await failure(model.fit(x, y, { signal: abort.signal }));
    expect(late.code).to.equal('ERR_ABORTED');
  });

  it('makes first values only while somebody waits for them', async () => {
    let made = 0;
    const counting: gs.Initializer = { ...gs.initializers.ones(), sampler: () => () => ++made };
    const dense = (units: number): gs.Layer =>
      gs.layers.dense({ units, inputShape: [4096], kernelInitializer: counting, useBias: false });

    using tooLarge = gs.sequential([dense(2 ** 29)]);
    expect((await failure(tooLarge.predict(new Float32Array(4096)))).code).to.equal('ERR_OOM');
    await sleep(20);
    expect(made, 'after ERR_OOM').to.equal(0);

    const layer = dense(2048);
    const model = gs.sequential([layer]);
    const [predicted, read] = [failure(model.predict(new Float32Array(4096))), failure(model.getWeights())];
    while (made === 0) await sleep(0);
    await model.dispose();
    for (const error of [await predicted, await read]) expect(error.code, error.message).to.equal('ERR_DISPOSED');
    const then = made;
    expect(then).to.be.below(4096 * 2048);
    await sleep(20);
    expect(made, 'after dispose').to.equal(then);

    // The layer is none the worse, and a model that waits for its weights gets them whatever becomes of another.
    const [one, other] = [gs.sequential([layer]), gs.sequential([layer])];
    const [first, second] = [one.getWeights(), other.getWeights()];
    while (made === then) await sleep(0);
    await one.dispose();
    const [kernel] = await second;
    expect(kernel!.data.at(-1)! - kernel!.data[0]!).to.equal(4096 * 2048 - 1);
    await Promise.allSettled([first, other.dispose()]);
  });

  it('rejects what waits for data that never comes once it is disposed', async () => {
    const element = { x: new Float32Array(32), y: 0 };
    async function* stuck(): AsyncGenerator<typeof element> {
      yield element;
      await new Promise(() => undefined);
    }
    for (const run of ['fit', 'evaluate', 'predict', 'validation'] as const) {
      const model = network();
      const waiting = gs.data.dataset(stuck).batch(1);
      const running =
        run === 'validation'
          ? model.fit(x, y, { validationData: waiting })
          : run === 'fit'
            ? model.fit(waiting)
            : model[run](waiting);
      const failed = failure(running);
      await sleep(20);
      await model.dispose();
      expect((await failed).code, run).to.equal('ERR_DISPOSED');
    }
  });

  it('many calls wait on one signal without a warning, and end with it before it is their turn', async () => {
    using model = network();
    async function* stuck(): AsyncGenerator<{ x: Float32Array; y: number }> {
      yield { x: new Float32Array(32), y: 0 };
      await new Promise(() => undefined);
    }
    const warnings: string[] = [];
    const hear = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', hear);
    const first = new AbortController();
    const rest = new AbortController();
    const hanging = failure(model.evaluate(gs.data.dataset(stuck).batch(1), { signal: first.signal }));
    await sleep(20); // it has its turn
    const waiting = Array.from({ length: 12 }, () => [
      failure(model.evaluate(gs.data.dataset({ x, y }), { signal: rest.signal })),
      failure(model.predict(x, { signal: rest.signal })),
    ]).flat();
    await sleep(20);
    rest.abort(new Error('enough'));
    for (const error of await Promise.all(waiting)) {
      expect(error.code).to.equal('ERR_ABORTED');
      expect((error.cause as Error).message).to.equal('enough');
    }
    first.abort();
    expect((await hanging).code).to.equal('ERR_ABORTED');
    expect((await model.predict(x.rows(0, 2))).shape).to.deep.equal([2, 4]);
    await sleep(0);
    process.off('warning', hear);
    expect(warnings).to.deep.equal([]);
  });

  it('rejects what runs and what comes later once it is disposed', async () => {
    const model = network();
    const training = model.fit(x, y, { epochs: 100_000 });
    await model.predict(x.rows(0, 1));
    const failed = failure(training);
    await model.dispose();
    expect((await failed).code).to.equal('ERR_DISPOSED');
    for (const late of [
      model.fit(x, y),
      model.predict(x),
      model.evaluate(x, y),
      model.getWeights(),
      model.save('x.safetensors'),
    ]) {
      expect((await failure(late)).code).to.equal('ERR_DISPOSED');
    }
    await model.dispose();
    using other = network();
    expect((await other.predict(x.rows(0, 1))).shape).to.deep.equal([1, 4]);
  });

  it('leaves the event loop free while a convolutional network trains', async function () {
    // What else runs on the machine can delay a timer too: one quiet spell of three seconds is enough.
    this.retries(3);
    using model = gs.sequential([
      gs.layers.conv2d({ filters: 32, kernelSize: 3, activation: 'relu', inputShape: [28, 28, 1] }),
      gs.layers.conv2d({ filters: 64, kernelSize: 3, activation: 'relu' }),
      gs.layers.maxPooling2d({ poolSize: 2 }),
      gs.layers.flatten(),
      gs.layers.dense({ units: 128, activation: 'relu' }),
      gs.layers.dense({ units: 10, activation: 'softmax' }),
    ]);
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, seed: 1 });
    const images = gs.tensor(
      Uint8Array.from({ length: 512 * 784 }, (_, i) => i % 251),
      [512, 28, 28, 1],
    );
    const labels = Uint8Array.from({ length: 512 }, (_, i) => i % 10);
    await model.fit(images, labels, { batchSize: 64 });
    const abort = new AbortController();
    const lateness: number[] = [];
    let due = performance.now() + 5;
    const timer = setInterval(() => {
      const now = performance.now();
      lateness.push(Math.max(0, now - due));
      due = now + 5;
    }, 5);
    const training = failure(model.fit(images, labels, { epochs: 10_000, batchSize: 64, signal: abort.signal }));
    const text = await readFile(fileURLToPath(import.meta.url), 'utf8');
    expect(text).to.contain('leaves the event loop free');
    await sleep(3000);
    abort.abort();
    expect((await training).code).to.equal('ERR_ABORTED');
    clearInterval(timer);
    lateness.sort((a, b) => a - b);
    expect(lateness.length).to.be.above(100);
    expect(lateness[Math.floor(lateness.length * 0.99)]).to.be.at.most(30);
  });
});
