/** Training that is killed between two checkpoints and goes on from the last in another process ends with the same bits. */
import { expect } from 'chai';
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import * as gs from '../lib/index.js';
import { coreOf } from '../lib/train/model_core.js';
import { expectFailure, failure } from './helpers/failure.js';
import { checkpointAt, train, type Setting } from './helpers/interrupted_training.js';
import { small, trainingIn, x, y, type Saved } from './helpers/resumed_model.js';
import { rewrite } from './helpers/saved_file.js';

const script = fileURLToPath(new URL('helpers/interrupted_training.ts', import.meta.url));
const command = (setting: Setting): string[] => ['--import', 'tsx', script, JSON.stringify(setting)];

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

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
      expected: { step: 180, epochs: 2, updates: 180, epochStart: 100 },
    },
    {
      name: 'a stream, among the batches of an update',
      setting: { ...stream, gradientAccumulationSteps: 3, saveFreq: 90 },
      killAt: 185,
      // An epoch: 33 updates of 3 batches and one of 1; chunks of up to 66 batches.
      expected: { step: 180, epochs: 2, updates: 34 + 26, epochStart: 100 },
    },
  ]) {
    it(name, async () => {
      const straight = await train({ ...setting, folder });
      const whole = sha256(straight.path);
      for (const file of readdirSync(folder)) rmSync(join(folder, file));

      await killed({ ...setting, folder, killAt });
      const from = checkpointAt(folder, expected.step);
      expect(readdirSync(folder)).to.include(`step-${expected.step}.safetensors`);
      const { tensors, training, cursor } = trainingIn(from);
      const { step, epochs, updates, unfinished } = training;
      const found = { step, epochs, updates, epochStart: unfinished?.epochStart };
      // Where a stream's chunks end depends on how fast they are made.
      expect(setting.data === 'rows' ? { ...found, cursor } : found).to.deep.equal(expected);
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
      // Each epoch of a stream visits every row once, and the resumed one the rows that were left; with those before where
      // batches share updates.
      const read = adds ? 0 : (step - expected.epochStart) * setting.batchSize;
      if (setting.data === 'stream') expect(resumed.visited).to.deep.equal(straight.visited.slice(setting.rows + read));
    });
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

  it('files that lie about an unfinished epoch are refused', async () => {
    using model = small();
    const path = join(folder, 'model.safetensors');
    const checkpoint = gs.callbacks.modelCheckpoint({ path, saveFreq: 3 });
    await model.fit(x, y, { batchSize: 6, stepsPerEpoch: 5, callbacks: [checkpoint] });
    const { training } = trainingIn(path);
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
      rewrite<Saved>(path, (saved) => (saved.training = { ...training, ...change }));
      await expectFailure(() => gs.loadModel(path), 'ERR_FILE', message);
    }
  });
});
