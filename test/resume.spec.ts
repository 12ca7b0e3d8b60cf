/** Training that is killed between two checkpoints and goes on from the last in another process ends with the same bits. */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { expectFailure, failure } from './helpers/failure.js';
import { checkpointAt, train, type Setting } from './helpers/interrupted_training.js';

const script = fileURLToPath(new URL('helpers/interrupted_training.ts', import.meta.url));
const command = (setting: Setting): string[] => ['--import', 'tsx', script, JSON.stringify(setting)];

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

interface SavedTraining {
  step: number;
  epochs: number;
  updates: number;
  unfinished?: { epochStart: number; updatesBefore: number; report: string };
}

function headerOf(path: string): { tensors: string[]; training: SavedTraining; cursor: number } {
  const file = readFileSync(path);
  const { __metadata__: metadata, ...tensors } = JSON.parse(
    file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString('utf8'),
  ) as { __metadata__: { gradstep: string } };
  const { training } = JSON.parse(metadata.gradstep) as { training: SavedTraining };
  const report = Buffer.from(training.unfinished?.report ?? '', 'base64');
  return { tensors: Object.keys(tensors), training, cursor: report.length === 0 ? 0 : report.readInt32LE(4) };
}

/** Changes what a file says; its tensors stay. */
function rewrite(path: string, change: (saved: { model: object; training: SavedTraining }) => void): void {
  const file = readFileSync(path);
  const end = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.subarray(8, end).toString('utf8')) as { __metadata__: { gradstep: string } };
  const saved = JSON.parse(header.__metadata__.gradstep) as { model: object; training: SavedTraining };
  change(saved);
  header.__metadata__.gradstep = JSON.stringify(saved);
  const json = Buffer.from(JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([prefix, json, file.subarray(end)]));
}

/** Trains in a process that is killed when it has come to a step. */
async function killed(setting: Setting): Promise<void> {
  const child = spawn(process.execPath, command(setting), { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let output = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString('utf8');
    if (output.includes('\n')) child.kill('SIGKILL');
  });
  const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null];
  expect([code, signal], output).to.deep.equal([null, 'SIGKILL']);
  expect(output).to.equal(`at ${setting.killAt}\n`);
}

describe('resuming', function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-resume-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const rows = { data: 'rows', rows: 53, batchSize: 8, gradientAccumulationSteps: 1 } as const;
  const stream = { data: 'stream', rows: 398, batchSize: 4, gradientAccumulationSteps: 1 } as const;
  for (const { name, setting, killAt, expected } of [
    {
      name: 'rows, in the midst of the second epoch',
      setting: { ...rows, saveFreq: 3 },
      killAt: 11,
      expected: { step: 9, epochs: 2, updates: 9, epochStart: 7, cursor: 16 },
    },
    {
      name: 'rows, after the last step of an epoch, before it was ended',
      setting: { ...rows, saveFreq: 7 },
      killAt: 9,
      expected: { step: 7, epochs: 1, updates: 7, epochStart: 0, cursor: 53 },
    },
    {
      name: 'rows, among the batches of an update',
      setting: { ...rows, gradientAccumulationSteps: 4, saveFreq: 3 },
      killAt: 14,
      expected: { step: 12, epochs: 2, updates: 3, epochStart: 7, cursor: 40 },
    },
    {
      name: 'a stream, in its second chunk',
      setting: { ...stream, saveFreq: 90 },
      killAt: 185,
      expected: { step: 180, epochs: 2, updates: 180, epochStart: 100, cursor: 4 * (80 - 64) },
    },
    {
      name: 'a stream, among the batches of an update',
      setting: { ...stream, gradientAccumulationSteps: 3, saveFreq: 90 },
      killAt: 185,
      // An epoch: 33 updates of 3 batches and one of 1; chunks of 66 batches.
      expected: { step: 180, epochs: 2, updates: 34 + 26, epochStart: 100, cursor: 4 * (80 - 66) },
    },
  ]) {
    it(name, async () => {
      const straight = await train({ ...setting, folder });
      const whole = sha256(straight.path);
      for (const file of readdirSync(folder)) rmSync(join(folder, file));

      await killed({ ...setting, folder, killAt });
      const from = checkpointAt(folder, expected.step);
      expect(readdirSync(folder)).to.include(`step-${expected.step}.safetensors`);
      const { tensors, training, cursor } = headerOf(from);
      const { step, epochs, updates, unfinished } = training;
      expect({ step, epochs, updates, epochStart: unfinished?.epochStart, cursor }).to.deep.equal(expected);
      const adds = setting.gradientAccumulationSteps > 1;
      expect(tensors.some((t) => t.startsWith('optimizer/accumulated/'))).to.equal(adds);

      const child = spawnSync(process.execPath, command({ ...setting, folder, from }), { encoding: 'utf8' });
      expect(child.status, child.stderr).to.equal(0);
      const resumed = JSON.parse(child.stdout) as Awaited<ReturnType<typeof train>>;
      expect(sha256(resumed.path)).to.equal(whole);
      const skipped = expected.epochs - 1;
      expect(resumed.history.epoch).to.deep.equal([0, 1].slice(skipped));
      for (const [key, values] of Object.entries(straight.history)) {
        expect(resumed.history[key], key).to.deep.equal(values.slice(skipped));
      }
      // Each epoch of a stream visits every row once, and the resumed one the rows of the epoch that was cut.
      if (setting.data === 'stream') expect(resumed.visited).to.deep.equal(straight.visited.slice(setting.rows));
    });
  }

  const x = gs.tensor(
    Float32Array.from({ length: 40 * 3 }, (_, i) => Math.cos(i * 0.9)),
    [40, 3],
  );
  const y = Float32Array.from({ length: 40 }, (_, i) => Math.sin(i));

  function small(gradientAccumulationSteps?: number): gs.Sequential {
    const model = gs.sequential([
      gs.layers.dense({ units: 4, activation: 'tanh', inputShape: [3] }),
      gs.layers.dropout({ rate: 0.3 }),
      gs.layers.dense({ units: 1 }),
    ]);
    const grouping = gradientAccumulationSteps === undefined ? {} : { gradientAccumulationSteps };
    const optimizer = gs.optimizers.sgd({ learningRate: 0.05, momentum: 0.9, ...grouping });
    model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
    return model;
  }

  for (const grouping of [undefined, 3]) {
    it(`in the same process, after a callback stopped it${grouping ? ' among the batches of an update' : ''}`, async () => {
      using straight = small(grouping);
      const whole = await straight.fit(x, y, { epochs: 3, batchSize: 6 });
      using model = small(grouping);
      for (const at of [4, 8, 14, 16]) {
        const stop: gs.Callback = {
          onBatchEnd: (_batch, _logs, context) => (context.totalSteps === at ? context.stop() : undefined),
        };
        await model.fit(x, y, { epochs: 3, batchSize: 6, resume: true, callbacks: [stop] });
      }
      const rest = await model.fit(x, y, { epochs: 3, batchSize: 6, resume: true });
      expect(rest.epoch).to.deep.equal([2]);
      expect(rest.loss).to.deep.equal(whole.loss.slice(2));
      expect(await model.getWeights()).to.deep.equal(await straight.getWeights());
    });
  }

  it('with a moving average of the weights, after a callback stopped it in the midst of an epoch', async () => {
    const optimizer = gs.optimizers.sgd({ learningRate: 0.05, useEma: true, emaMomentum: 0.5 });
    const averaging = (): gs.Sequential => {
      const model = small();
      model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
      return model;
    };
    using straight = averaging();
    await straight.fit(x, y, { epochs: 2, batchSize: 6 });
    using model = averaging();
    let stopped: readonly gs.Tensor[] = [];
    const stop: gs.Callback = {
      async onBatchEnd(_batch, _logs, context) {
        if (context.totalSteps !== 4) return;
        stopped = await model.getWeights();
        context.stop();
      },
    };
    await model.fit(x, y, { epochs: 2, batchSize: 6, callbacks: [stop] });
    expect(await model.getWeights()).to.deep.equal(stopped);
    await model.fit(x, y, { epochs: 2, batchSize: 6, resume: true });
    expect(await model.getWeights()).to.deep.equal(await straight.getWeights());
  });

  it('between the batches of an update, from a file of a model that came from a file and predicted', async () => {
    const accumulating = (): gs.Sequential => {
      const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [3] })]);
      const optimizer = gs.optimizers.sgd({ learningRate: 0.1, gradientAccumulationSteps: 3 });
      model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 4, threads: 1 });
      return model;
    };
    using straight = accumulating();
    await straight.fit(x, y, { batchSize: 6 });
    using model = accumulating();
    await model.fit(x, y, {
      batchSize: 6,
      callbacks: [{ onBatchEnd: (batch, _l, context) => void (batch === 1 && context.stop()) }],
    });
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
    const file = join(folder, 'model.safetensors');
    await model.save(file);
    for (let i = 0; i < 2; i++) {
      using loaded = await gs.loadModel(file, { device: 'cpu' });
      await loaded.predict(x);
      await loaded.save(file);
    }
    using again = await gs.loadModel(file, { device: 'cpu' });
    await again.fit(x, y, { batchSize: 6, resume: true });
    expect(await again.getWeights()).to.deep.equal(await straight.getWeights());
    rmSync(folder, { recursive: true });
  });

  it('an update begins with no gradients that earlier training left', async () => {
    for (const leave of [
      (model: gs.Model) => model.fit(x, y, { batchSize: 6 }),
      (model: gs.Model) => model.trainOnBatch(x, y),
      (model: gs.Model) => model.fit(x, y, { batchSize: 6, callbacks: [{ onBatchEnd: (_b, _l, context) => context.stop() }] }),
    ]) {
      using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [3] })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.1 }), loss: 'meanSquaredError', device: 'cpu', seed: 4 });
      await leave(model);
      const [kernel, bias] = (await model.getWeights()).map((w) => [...w.data]);
      await model.fit(x, y, { batchSize: 'full' });
      const after = (await model.getWeights()).map((w) => [...w.data]);
      // d/dw of the mean of (x·w + b − y)²: 2/n Σ (x·w + b − y) x.
      const errors = Array.from(y, (t, i) => [0, 1, 2].reduce((s, j) => s + x.data[3 * i + j]! * kernel![j]!, bias![0]!) - t);
      const expected = [0, 1, 2].map((j) => kernel![j]! - 0.1 * errors.reduce((s, e, i) => s + (e * x.data[3 * i + j]!) / 20, 0));
      expected.forEach((w, j) => expect(after[0]![j]).to.be.closeTo(w, 1e-5));
      expect(after[1]![0]).to.be.closeTo(bias![0]! - (0.1 * errors.reduce((s, e) => s + e, 0)) / 20, 1e-5);
    }
  });

  it('after an abort, with the bits of a run that was not aborted', async () => {
    using straight = small();
    await straight.fit(x, y, { epochs: 400, batchSize: 6 });
    using model = small();
    const abort = new AbortController();
    const aborted = failure(
      model.fit(x, y, { epochs: 400, batchSize: 6, signal: abort.signal, callbacks: [{ onBatchEnd: () => sleep(1) }] }),
    );
    await sleep(40);
    abort.abort();
    expect((await aborted).code).to.equal('ERR_ABORTED');
    await model.fit(x, y, { epochs: 400, batchSize: 6, resume: true });
    expect(await model.getWeights()).to.deep.equal(await straight.getWeights());
  });

  it('a file has the counters of its weights, though the next epoch begins while they are read', async () => {
    using model = small();
    await model.fit(x, y, { epochs: 3 });
    const engine = await coreOf(model).engine();
    const read = engine.session.read.bind(engine.session);
    engine.session.read = async (range) => {
      const bytes = await read(range);
      engine.beginEpoch(0);
      return bytes;
    };
    const { training } = await engine.snapshot();
    expect(engine.epochs).to.equal(4);
    expect(training!.epochs).to.equal(3);
    expect(training).not.to.have.property('unfinished');
  });

  for (const [name, optimizer] of [
    ['adam', gs.optimizers.adam({ learningRate: 0.05 })],
    ['plain sgd', gs.optimizers.sgd({ learningRate: 0.05 })],
  ] as const) {
    for (const after of [true, false]) {
      it(`though trainable became ${after} after compile, until the model is compiled again: ${name}`, async () => {
        const inner = gs.sequential([gs.layers.dense({ units: 4, activation: 'tanh', name: 'a' })]);
        const own = gs.layers.dense({ units: 4, name: 'b', trainable: !after });
        inner.trainable = !after;
        using model = gs.sequential([
          gs.layers.dense({ units: 3, inputShape: [3] }),
          inner,
          own,
          gs.layers.dense({ units: 1, name: 'end' }),
        ]);
        model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
        await model.fit(x, y, { batchSize: 6 });
        inner.trainable = after;
        own.trainable = after;
        const path = join(folder, 'model.safetensors');
        const checkpoint = gs.callbacks.modelCheckpoint({ path, saveFreq: 10 });
        await model.fit(x, y, { epochs: 2, batchSize: 6, resume: true, callbacks: [checkpoint] });
        using again = await gs.loadModel(path, { device: 'cpu' });
        expect(again.getLayer('b').trainable).to.equal(after);
        await again.fit(x, y, { epochs: 2, batchSize: 6, resume: true });
        expect(await again.getWeights()).to.deep.equal(await model.getWeights());
        again.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu' });
        const before = await again.getWeights();
        await again.fit(x, y, { batchSize: 6 });
        const changed = (await again.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(changed).to.deep.equal([true, true, after, after, after, after, true, true]);
      });
    }
  }

  describe('with a loss and a metric of one’s own', () => {
    const loss: gs.LossFunction = (t, p) => gs.ops.square(gs.ops.sub(t, p));
    const metrics: gs.MetricFunction[] = [
      function mine(t, p) {
        return gs.ops.abs(gs.ops.sub(t, p));
      },
    ];
    const adam = gs.optimizers.adam({ learningRate: 0.02 });
    const own = { loss, metrics, optimizer: adam, device: 'cpu', threads: 1 } as const;
    const fit = { epochs: 3, batchSize: 6 };

    /** Lowers the rate once. */
    const lowering: gs.Callback = {
      onEpochBegin: (epoch, context) => (epoch === 0 ? context.setLearningRate(0.01) : undefined),
    };

    function named(epochPath: string): { model: gs.Sequential; checkpoint: gs.Callback } {
      const model = small();
      model.compile({ ...own, seed: 2 });
      return { model, checkpoint: gs.callbacks.modelCheckpoint({ path: join(folder, epochPath), saveFreq: 10 }) };
    }

    it('goes on after compile to the bits of a run that never stopped, in the middle of an epoch', async () => {
      const { model, checkpoint } = named('own.safetensors');
      using straight = model;
      const whole = await straight.fit(x, y, { ...fit, callbacks: [lowering, checkpoint] });
      const path = join(folder, 'own.safetensors');
      expect(headerOf(path).training).to.deep.include({ step: 20, epochs: 3, learningRate: 0.01 });
      using again = await gs.loadModel(path, { device: 'cpu' });
      // Neither predictions nor saving take anything away.
      await again.predict(x);
      await again.save(path);
      using model2 = await gs.loadModel(path, { device: 'cpu' });
      model2.compile(own);
      const rest = await model2.fit(x, y, { ...fit, resume: true });
      expect(rest.epoch).to.deep.equal([2]);
      expect(rest.loss).to.deep.equal(whole.loss.slice(2));
      expect(rest.mine).to.deep.equal(whole.mine!.slice(2));
      expect(await model2.getWeights()).to.deep.equal(await straight.getWeights());
    });

    it('goes on with another learning rate where compile says another', async () => {
      const { model, checkpoint } = named('own.safetensors');
      using first = model;
      await first.fit(x, y, { ...fit, callbacks: [lowering, checkpoint] });
      using again = await gs.loadModel(join(folder, 'own.safetensors'), { device: 'cpu' });
      again.compile({ ...own, optimizer: gs.optimizers.adam({ learningRate: 0.3 }) });
      const rates: number[] = [];
      const onEpochEnd = async (_epoch: number, _logs: gs.Logs, context: gs.TrainingContext): Promise<void> => {
        rates.push(await context.readLearningRate());
      };
      const { epoch } = await again.fit(x, y, { ...fit, epochs: 4, resume: true, callbacks: [{ onEpochEnd }] });
      expect(epoch).to.deep.equal([2, 3]);
      expect(rates).to.deep.equal([0.3, 0.3]);
    });

    const says = (why: string) =>
      `Expected false for fit.resume but received true: compile could not take up the state that was loaded, as ${why}`;
    const refused: [string, (model: gs.Model) => void, string][] = [
      [
        'another optimizer',
        (model) => model.compile({ ...own, optimizer: gs.optimizers.sgd({ momentum: 0.9 }) }),
        'its optimizer keeps velocity and the saved one m, v',
      ],
      [
        'an optimizer that keeps nothing, and then the right one',
        (model) => {
          model.compile({ ...own, optimizer: 'sgd' });
          model.compile(own);
        },
        'its optimizer keeps nothing and the saved one m, v',
      ],
      [
        'a moving average',
        (model) => model.compile({ ...own, optimizer: gs.optimizers.adam({ useEma: true }) }),
        'its optimizer keeps m, v, ema and the saved one m, v',
      ],
      [
        'a layer frozen',
        (model) => {
          model.layers[0]!.trainable = false;
          model.compile(own);
        },
        'other weights are trained',
      ],
      [
        'other metrics in the middle of an epoch',
        (model) => model.compile({ ...own, metrics: [] }),
        'loss and metrics of the epoch that was not finished are other ones',
      ],
    ];
    for (const [name, compile, why] of refused) {
      it(`says so where compile cannot take the state up: ${name}`, async () => {
        const { model, checkpoint } = named('own.safetensors');
        using first = model;
        await first.fit(x, y, { ...fit, callbacks: [checkpoint] });
        using again = await gs.loadModel(join(folder, 'own.safetensors'), { device: 'cpu' });
        compile(again);
        await expectFailure(() => again.fit(x, y, { ...fit, resume: true }), 'ERR_OPTION', says(why));
        // Training anew is what it says, and can be gone on with.
        expect((await again.fit(x, y, { ...fit, epochs: 1 })).epoch).to.deep.equal([0]);
        expect((await again.fit(x, y, { ...fit, resume: true })).epoch).to.deep.equal([1, 2]);
      });
    }

    it('refuses files that lie about it', async () => {
      const { model } = named('');
      using first = model;
      await first.fit(x, y, { ...fit, epochs: 1 });
      const path = join(folder, 'own.safetensors');
      for (const [kind, message] of [
        [undefined, /Expected object for training\.kind but received undefined/],
        [{ slots: 'm', learningRate: 1 }, /Expected array of names for training\.kind\.slots but received "m"/],
        [{ slots: ['m', 'v'] }, /Expected number for training\.kind\.learningRate but received undefined/],
        [{ slots: ['m'], learningRate: 1 }, /has a tensor that its architecture does not: "optimizer\/v\/dense\/kernel"/],
        [{ slots: ['m', 'v', 'x'], learningRate: 1 }, /lacks the tensor optimizer\/x\/dense\/kernel/],
      ] as const) {
        await first.save(path);
        rewrite(path, (saved) => Object.assign(saved.training, { kind }));
        await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
      }
    });
  });

  for (const plain of [false, true]) {
    for (const after of [true, false]) {
      const what = plain ? 'without gamma and beta' : 'with gamma and beta';
      it(`with statistics as they were counted at compile, though trainable became ${after}: ${what}`, async () => {
        const { batchNormalization, bidirectional, dense, reshape, simpleRNN, timeDistributed } = gs.layers;
        const norm = () => batchNormalization({ ...(plain && { center: false, scale: false }), momentum: 0.5 });
        const made = () => {
          const inner = gs.sequential([dense({ units: 4 }), norm()]);
          const wrapped = timeDistributed({ layer: gs.sequential([norm()]) });
          const both = bidirectional({ layer: simpleRNN({ units: 2 }) });
          const last = norm();
          const model = gs.sequential([
            dense({ units: 3, inputShape: [3] }),
            inner,
            reshape({ targetShape: [2, 2] }),
            wrapped,
            both,
            last,
            dense({ units: 1 }),
          ]);
          const parts = [inner, wrapped.options['layer'] as gs.Layer, both.options['layer'] as gs.Layer, last];
          const freeze = (trainable: boolean) => parts.forEach((part) => (part.trainable = trainable));
          freeze(!after);
          const optimizer = gs.optimizers.adam({ learningRate: 0.05 });
          model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
          return { model, freeze };
        };
        const { model, freeze } = made();
        const { model: unchanged } = made();
        const train = async (m: gs.Model) => {
          await m.fit(x, y, { epochs: 2, batchSize: 6, resume: true });
          await m.fit(x, y, { epochs: 3, batchSize: 8, resume: true });
          return m.getWeights();
        };
        await model.fit(x, y, { batchSize: 6 });
        await unchanged.fit(x, y, { batchSize: 6 });
        freeze(after);
        const path = join(folder, 'model.safetensors');
        await model.save(path);
        const again = await gs.loadModel(path, { device: 'cpu' });
        const wanted = await train(unchanged);
        expect(await train(model)).to.deep.equal(wanted);
        expect(await train(again)).to.deep.equal(wanted);
        for (const m of [model, unchanged, again]) await m.dispose();
      });
    }
  }

  for (const after of [true, false]) {
    it(`with statistics as they were counted at compile, though the model's trainable became ${after}`, async () => {
      const { batchNormalization, dense } = gs.layers;
      using model = gs.sequential([dense({ units: 3, inputShape: [3] }), batchNormalization(), dense({ units: 1 })]);
      model.trainable = !after;
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu', seed: 2, threads: 1 });
      model.trainable = after;
      const path = join(folder, 'model.safetensors');
      await model.save(path);
      using again = await gs.loadModel(path, { device: 'cpu' });
      for (const m of [model, again]) {
        const before = await m.getWeights();
        await m.fit(x, y);
        const changed = (await m.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(changed).to.deep.equal(Array(8).fill(!after));
        m.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu', threads: 1 });
        await m.fit(x, y);
        const now = (await m.getWeights()).map((w, i) => w.data.some((v, k) => v !== before[i]!.data[k]));
        expect(now).to.deep.equal(Array(8).fill(true));
      }
    });
  }

  it('with a model that is frozen as a whole', async () => {
    using model = small();
    model.trainable = false;
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cpu' });
    await model.fit(x, y);
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    using again = await gs.loadModel(path, { device: 'cpu' });
    expect(again.trainable).to.equal(false);
    await again.fit(x, y, { epochs: 2, resume: true });
    expect(await again.getWeights()).to.deep.equal(await model.getWeights());
    expect(gs.modelFromJson(model.toJSON()).trainable).to.equal(false);
  });

  it('files that lie about what is trained are refused', async () => {
    using model = small();
    const path = join(folder, 'model.safetensors');
    await model.save(path);
    for (const [trained, message] of [
      ['dense/kernel', /Expected array of names for training\.trained but received "dense\/kernel"/],
      [['dense/kernel', 'x'], /Expected name of a weight for training\.trained\[1\] but received "x"/],
      [[['dense/kernel']], /for training\.trained\[0\] but/],
    ] as const) {
      rewrite(path, (saved) => Object.assign(saved.training, { trained }));
      await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
    }
    rewrite(path, (saved) => {
      delete (saved.training as { trained?: unknown }).trained;
      Object.assign(saved.model, { trainable: 'no' });
    });
    await expectFailure(() => gs.loadModel(path), 'ERR_FILE', /Expected boolean for model\.trainable but received "no"/);
  });

  it('files that lie about an unfinished epoch are refused', async () => {
    using model = small();
    const path = join(folder, 'model.safetensors');
    const checkpoint = gs.callbacks.modelCheckpoint({ path, saveFreq: 3 });
    await model.fit(x, y, { batchSize: 6, stepsPerEpoch: 5, callbacks: [checkpoint] });
    const { training } = headerOf(path);
    const unfinished = training.unfinished!;
    for (const [change, message] of [
      [
        { unfinished: { ...unfinished, report: unfinished.report.slice(0, 8) } },
        /Expected \d+ bytes in base64 for training\.unfinished\.report/,
      ],
      [{ unfinished: { ...unfinished, epochStart: 4 } }, /Expected integer from 0 to 3 for training\.unfinished\.epochStart/],
      [
        { unfinished: { ...unfinished, updatesBefore: 4 } },
        /Expected integer from 0 to 3 for training\.unfinished\.updatesBefore/,
      ],
      [{ epochs: 0 }, /for training\.epochs/],
      [{ step: 2, unfinished: { ...unfinished, epochStart: 0 } }, /the step in training\.unfinished\.report/],
    ] as const) {
      rewrite(path, (saved) => (saved.training = { ...training, ...change }));
      await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
    }
  });
});
