/** `model.profile`: what it tells, that it leaves the model alone, what it writes, what it refuses. */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { native } from '../lib/runtime/native.js';
import { expectFailure, wrong } from './helpers/failure.js';

const [ROWS, FEATURES, UNITS, CLASSES] = [32, 12, 24, 5];
const x = gs.tensor(
  Float32Array.from({ length: ROWS * FEATURES }, (_, i) => Math.sin(i * 0.7)),
  [ROWS, FEATURES],
);
const y = Int32Array.from({ length: ROWS }, (_, i) => i % CLASSES);
const quiet = { print: false, steps: 8 };

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: UNITS, activation: 'relu', inputShape: [FEATURES] }),
    gs.layers.batchNormalization(),
    gs.layers.dropout({ rate: 0.2 }),
    gs.layers.dense({ units: CLASSES, activation: 'softmax' }),
  ]);
  const loss = 'sparseCategoricalCrossentropy';
  model.compile({ optimizer: 'adam', loss, metrics: ['accuracy'], device: 'cpu', seed: 1, threads: 1, ...options });
  return model;
}

/** What a body writes to the standard output. */
async function printed(body: () => Promise<unknown>): Promise<string> {
  const { write } = process.stdout;
  let text = '';
  process.stdout.write = ((part: string) => (text += part) !== '') as typeof write;
  try {
    await body();
  } finally {
    process.stdout.write = write;
  }
  return text;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

for (const device of ['cpu', 'cuda-emulated']) {
  describe(`profile on ${device}`, () => {
    let found: gs.Profile;
    before(async () => {
      using model = network({ device });
      found = await model.profile(x, y, quiet);
    });

    it('lists the instructions of a training step with their layers, in order', () => {
      const layersOf = (...ops: string[]): string[] => found.instructions.filter((i) => ops.includes(i.op)).map((i) => i.layer);
      // CUDA makes a kernel's gradient together with its bias's.
      const products = ['matmul', 'denseDw'];
      expect(layersOf('gather')).to.deep.equal(['data', 'data']);
      expect(layersOf('adam')).to.deep.equal(['optimizer']);
      // Forward, then the gradients of the second layer's kernel and input and of the first one's kernel.
      expect(layersOf(...products).slice(0, 2)).to.deep.equal(['dense', 'dense_1']);
      expect(
        layersOf(...products)
          .slice(2)
          .sort(),
      ).to.deep.equal(['dense', 'dense_1', 'dense_1']);
      const ops = found.instructions.map((i) => i.op);
      expect(ops[0]).to.equal('gather');
      expect(ops.at(-1)).to.equal('advance');
      expect(ops.indexOf('adam')).to.be.above(Math.max(...products.map((op) => ops.lastIndexOf(op))));
      expect(found.instructions[0]!.shapes).to.deep.equal([[ROWS, FEATURES]]);
    });

    it('says where it ran and how often', () => {
      expect(found).to.include({ device, precision: 'float32', threads: device === 'cpu' ? 1 : 0, rows: ROWS, steps: 8 });
      expect(found.milliseconds).to.be.above(0);
      expect(found.limits.gflops).to.be.above(0);
      expect(found.limits.gbs).to.be.above(0);
    });

    it('shares the time out', () => {
      const total = sum(found.instructions.map((i) => i.milliseconds));
      expect(sum(found.instructions.map((i) => i.share))).to.be.closeTo(1, 1e-9);
      for (const { milliseconds, share } of found.instructions) {
        expect(milliseconds).to.be.at.least(0);
        expect(share).to.be.closeTo(milliseconds / total, 1e-9);
      }
    });

    it('times the optimizer, whose work a flag would skip', () => {
      const adam = found.instructions.find((i) => i.op === 'adam')!;
      expect(adam.milliseconds).to.be.above(0);
      const parameters = FEATURES * UNITS + 3 * UNITS + UNITS * CLASSES + CLASSES;
      // Read: parameters, gradients, two moments; written: all but the gradients. Tensors begin at multiples of 64 bytes.
      expect((adam.gbs * adam.milliseconds) / 1e3).to.be.within(
        (7 * 4 * parameters) / 1e9,
        (7 * 4 * (parameters + 6 * 16)) / 1e9 + 1e-6,
      );
    });

    it('computes rates from operations, bytes and time', () => {
      const product = found.instructions.find((i) => i.op === 'matmul')!;
      const { milliseconds, gflops, gbs, roofline } = product;
      const flops = 2 * ROWS * FEATURES * UNITS;
      const bytes = 4 * (ROWS * FEATURES + FEATURES * UNITS + UNITS + ROWS * UNITS);
      expect(gflops * milliseconds * 1e6).to.be.closeTo(flops, 1e-6 * flops);
      expect(gbs * milliseconds * 1e6).to.be.closeTo(bytes, 1e-6 * bytes);
      const least = Math.max(flops / found.limits.gflops, bytes / found.limits.gbs) / 1e9;
      expect(roofline).to.be.closeTo(least / (milliseconds / 1e3), 1e-6 * roofline);
      expect(found.instructions.find((i) => i.op === 'dropout')!.gflops).to.equal(0);
    });

    it('shows a table, the longest first', () => {
      const lines = found.table().split('\n');
      expect(lines[0]).to.match(/^op +layer +result +ms +share +GFLOP\/s +GB\/s +of roofline$/);
      const times = lines.slice(2, -4).map((line) => Number(/ (\d+\.\d{3}) /.exec(line)![1]));
      expect(times.length).to.equal(Math.min(found.instructions.length, 25));
      expect(times.slice(0, 24)).to.deep.equal([...times.slice(0, 24)].sort((a, b) => b - a));
      expect(lines.at(-3)).to.match(/^all .* 100\.0 %/);
      expect(lines.at(-2))
        .to.contain(`A step of ${ROWS} rows takes ${found.milliseconds.toFixed(3)} ms`)
        .and.contain(device);
      expect(lines.at(-1)).to.match(/^Limits: matrix product \d+ GFLOP\/s, memory \d+\.\d GB\/s\.$/);
    });

    it('makes a trace whose events lie within the step, one after the other', () => {
      const { traceEvents, displayTimeUnit } = found.chromeTrace();
      expect(displayTimeUnit).to.equal('ms');
      const [step, ...events] = traceEvents;
      expect(step).to.include({ name: 'step', ph: 'X', ts: 0 });
      expect(events.map((e) => [e.name, e.cat])).to.deep.equal(found.instructions.map((i) => [i.op, i.layer]));
      let end = 0;
      events.forEach(({ ph, pid, tid, ts, dur, args }, i) => {
        expect([ph, pid, tid]).to.deep.equal(['X', step!.pid, step!.tid]);
        expect(ts).to.be.at.least(end);
        end = ts + dur;
        const { milliseconds, shapes, gflops } = found.instructions[i]!;
        expect(dur).to.be.closeTo(milliseconds * 1000, 1e-9);
        expect(args).to.include({ shapes, gflops });
      });
      expect(end).to.be.at.most(step!.dur);
    });

    it('profiles a prediction where there are no labels', async () => {
      using model = network({ device });
      const { instructions } = await model.profile(x, undefined, quiet);
      const ops = instructions.map((i) => i.op);
      expect(ops).to.include('scatter').and.not.include('adam').and.not.include('dropout');
      expect(ops.filter((op) => op === 'matmul')).to.have.length(2);
    });
  });
}

describe('profile', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('leaves weights, optimizer and random numbers as they are', async () => {
    const trained = async (between: (model: gs.Sequential) => Promise<unknown>) => {
      using model = network();
      const first = await model.fit(x, y, { epochs: 2, batchSize: 8 });
      await between(model);
      const second = await model.fit(x, y, { epochs: 2, batchSize: 8 });
      return { losses: [first.loss, second.loss], weights: (await model.getWeights()).map((w) => [...w.data]) };
    };
    const alone = await trained(async () => undefined);
    const profiled = await trained(async (model) => {
      const before = await model.getWeights();
      await model.profile(x, y, quiet);
      expect(await model.getWeights()).to.deep.equal(before);
    });
    expect(profiled).to.deep.equal(alone);
  });

  it('leaves what stateful layers carry over as it is', async () => {
    const sequences = gs.tensor(
      Float32Array.from({ length: 4 * 3 * 2 }, (_, i) => Math.sin(i)),
      [4, 3, 2],
    );
    const predicted = async (between: (model: gs.Sequential) => Promise<unknown>): Promise<number[]> => {
      using model = gs.sequential([gs.layers.lstm({ units: 3, stateful: true, inputShape: [3, 2] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
      await model.predict(sequences);
      await between(model);
      return [...(await model.predict(sequences)).data];
    };
    const target = new Float32Array(2 * 3);
    const profiled = await predicted(async (model) => {
      await model.profile(sequences, undefined, quiet);
      // Other batches may have other rows.
      await model.profile(sequences.rows(0, 2), gs.tensor(target, [2, 3]), quiet);
    });
    expect(profiled).to.deep.equal(await predicted(async () => undefined));
  });

  it('may run while the model trains', async () => {
    using alone = network();
    const expected = await alone.fit(x, y, { epochs: 50, batchSize: 4 });
    using model = network();
    const [history] = await Promise.all([model.fit(x, y, { epochs: 50, batchSize: 4 }), model.profile(x, y, quiet)]);
    expect(history).to.deep.equal(expected);
  });

  it('takes models of several inputs and outputs, compiled or not', async () => {
    const [a, b] = [gs.input({ shape: [3] }), gs.input({ shape: [2] })];
    const both = gs.layers.concatenate().apply([a, b]);
    const outputs = [gs.layers.dense({ units: 2 }).apply(both), gs.layers.dense({ units: 1 }).apply(both)];
    using model = gs.model({ inputs: [a, b], outputs });
    const inputs = [gs.tensor([[1, 2, 3]]), gs.tensor([[4, 5]])];
    const prediction = await model.profile(inputs, undefined, quiet);
    expect(prediction.instructions.filter((i) => i.op === 'scatter')).to.have.length(2);
    await expectFailure(() => model.profile(inputs, [[[1, 2]], [[3]]], quiet), 'ERR_NOT_COMPILED', /call compile first/);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const training = await model.profile(inputs, [gs.tensor([[1, 2]]), gs.tensor([[3]])], quiet);
    expect(training.instructions.map((i) => i.op)).to.include('sgd');
    expect(training.threads).to.equal(native().threads);
  });

  it('counts convolutions and bfloat16 products', async () => {
    using model = gs.sequential([
      gs.layers.conv2d({ filters: 4, kernelSize: 3, inputShape: [8, 8, 2] }),
      gs.layers.flatten(),
      gs.layers.dense({ units: 3 }),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', precision: 'bfloat16' });
    const images = gs.tensor(new Float32Array(2 * 8 * 8 * 2).fill(0.5), [2, 8, 8, 2]);
    const { instructions, precision } = await model.profile(images, gs.tensor(new Float32Array(6), [2, 3]), quiet);
    expect(precision).to.equal('bfloat16');
    const conv = instructions.find((i) => i.op === 'conv')!;
    // 2 images of 6×6 places with 4 filters, 3·3·2 products each.
    expect(conv.gflops * conv.milliseconds * 1e6).to.be.closeTo(2 * 2 * 6 * 6 * 4 * 18, 1e-6);
  });

  it('prints the table, and writes the trace to a file', async () => {
    using model = network();
    const trace = join(folder, 'trace.json');
    let found: gs.Profile | undefined;
    const text = await printed(async () => (found = await model.profile(x, y, { steps: 5, trace })));
    expect(text).to.equal(`${found!.table()}\n`);
    expect(JSON.parse(readFileSync(trace, 'utf8'))).to.deep.equal(found!.chromeTrace());
    expect(await printed(() => model.profile(x, y, quiet))).to.equal('');
  });

  it('chooses how many steps it times', async () => {
    using model = network();
    const { steps } = await model.profile(x, y, { print: false });
    expect(steps).to.be.within(5, 200);
    expect((await model.profile(x, y, { print: false, steps: 37 })).steps).to.equal(37);
  });

  it('refuses what is wrong', async () => {
    const model = network();
    const refuses = (options: unknown, message: string | RegExp): Promise<void> =>
      expectFailure(() => model.profile(x, y, wrong(options)), 'ERR_OPTION', message);
    await refuses({ step: 3 }, 'Unknown option "step" for profile: did you mean "steps"?');
    await refuses({ steps: 0 }, 'Expected integer > 0 for profile.steps but received 0 of type number');
    await refuses({ steps: 1.5 }, /integer > 0 for profile.steps but received 1.5/);
    await refuses({ print: 1 }, /for profile.print but received 1/);
    await refuses({ trace: '' }, 'Expected path of a file for profile.trace but received "" of type string');
    const trace = join(folder, 'nowhere', 'trace.json');
    await expectFailure(() => model.profile(x, y, { ...quiet, trace }), 'ERR_FILE', /nowhere.*cannot be written: ENOENT/);
    await expectFailure(() => model.profile(x.rows(0, 3), y, quiet), 'ERR_SHAPE', /rows/);
    await expectFailure(() => model.profile([[1, 2]], y, quiet), 'ERR_SHAPE', /x/);
    const labels = y.slice();
    labels[17] = CLASSES;
    await expectFailure(
      () => model.profile(x, labels, quiet),
      'ERR_LABEL_RANGE',
      `Expected labels from 0 to the number of classes - 1 but received ${CLASSES} in row 17 of y`,
    );
    using line = gs.sequential([gs.layers.dense({ units: 1, inputShape: [FEATURES] })]);
    line.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const endless = new Float32Array(ROWS).fill(Infinity);
    await expectFailure(() => line.profile(x, endless, quiet), 'ERR_NAN', /step 0 of the pass \(profile\)/);
    await model.dispose();
    await expectFailure(() => model.profile(x, y, quiet), 'ERR_DISPOSED', /disposed/);
  });
});
