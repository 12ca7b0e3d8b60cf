/**
 * What was chosen by measuring on CUDA, across saving and going on: a checkpoint has it, whoever goes on takes the same, to the
 * same bits, or is told. On the emulated device, whose products add their terms in the order that is "the fastest"
 * (test/native/cuda_emulation/machine.h). What a session makes of choices: test/native/cuda_backend.
 */
import { expect } from 'chai';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NativeChoices } from '../binding.js';
import * as gs from '../lib/index.js';
import { withGpus } from './helpers/emulated_gpus.js';
import { failure } from './helpers/failure.js';
import { rewrite, savedIn } from './helpers/saved_file.js';

const ROWS = 40;
const x = gs.tensor(
  Float32Array.from({ length: ROWS * 9 }, (_, i) => Math.sin(i * 1.37)),
  [ROWS, 9],
);
const y = Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i * 0.7));
const run = { epochs: 2, batchSize: 8 };

/** The machine that measures, on which adding backward is the fastest, and one that would choose otherwise. */
const backward = { products: 'forward,backward' };
const forward = { products: 'backward,forward' };

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 7, activation: 'tanh', inputShape: [9] }),
    // Dense layers in a row would be one step of the program.
    gs.layers.layerNormalization(),
    gs.layers.dense({ units: 1 }),
  ]);
  model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cuda:0', seed: 3, ...options });
  return model;
}

interface Saved {
  compile: { deterministic: boolean };
  training: { choices?: NativeChoices };
}

describe('saved choices', () => {
  let folder: string;
  let path: string;
  const { GRADSTEP_CACHE: cacheBefore } = process.env;
  const { emitWarning } = process;
  const told: unknown[][] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-saved-choices-'));
    path = join(folder, 'model.safetensors');
    process.env.GRADSTEP_CACHE = join(folder, 'first');
    told.length = 0;
    process.emitWarning = (...args: unknown[]) => void told.push(args);
  });
  afterEach(() => {
    process.emitWarning = emitWarning;
    if (cacheBefore === undefined) delete process.env.GRADSTEP_CACHE;
    else process.env.GRADSTEP_CACHE = cacheBefore;
    rmSync(folder, { recursive: true, force: true });
  });

  /** Trains where adding backward is the fastest, and saves. */
  const trainAndSave = (options: Partial<gs.CompileOptions> = {}): Promise<void> =>
    withGpus(backward, async () => {
      using model = network(options);
      await model.fit(x, y, run);
      await model.save(path);
    });

  /** Goes on elsewhere: another machine has no file of this one's. */
  const goOn = (machine: Parameters<typeof withGpus>[0], device = 'cuda:0'): Promise<gs.Tensor<Float32Array>[]> =>
    withGpus(machine, async () => {
      process.env.GRADSTEP_CACHE = join(folder, 'second');
      using model = await gs.loadModel(path, { device });
      await model.fit(x, y, run);
      return await model.getWeights();
    });

  it('are in a checkpoint: what each is for, in order', async () => {
    await trainAndSave();
    const { choices } = savedIn<Saved>(path).saved.training;
    expect(choices!.device).to.match(
      /^emulated CUDA device, 9\.0, 4 multiprocessors, driver \d+, runtime \d+, emulated products$/,
    );
    const whats = choices!.taken.map(([what]) => what);
    expect(whats).to.deep.equal([...new Set(whats)].sort());
    // The first layer's product, of 8 rows with 9 inputs.
    expect(Object.fromEntries(choices!.taken)['product 8 7 9 1']).to.equal(Buffer.from('backward').toString('hex'));
  });

  it('are those of the programs that are loaded', async () => {
    await withGpus(backward, async () => {
      using model = network();
      await model.fit(x, y, run);
      await model.save(path);
      const before = savedIn<Saved>(path).saved.training.choices!.taken;
      await model.predict(x, { batchSize: 40 });
      await model.save(path);
      const { taken } = savedIn<Saved>(path).saved.training.choices!;
      expect(taken.length).to.be.greaterThan(before.length);
      expect(taken.map(([what]) => what)).to.include('product 40 7 9 1');
    });
  });

  it('are taken again, to the same bits, and are not written into the file of the machine', async () => {
    const whole = await withGpus(backward, async () => {
      using model = network();
      await model.fit(x, y, { ...run, epochs: 4 });
      return await model.getWeights();
    });
    await trainAndSave();
    expect(await goOn(forward)).to.deep.equal(whole);
    expect(told).to.deep.equal([]);
    expect(existsSync(join(folder, 'second', 'cuda_algorithms.txt'))).to.equal(false);
    // Without them the bits are others, and nobody knows.
    rewrite<Saved>(path, ({ training }) => delete training.choices);
    expect(await goOn(forward)).to.not.deep.equal(whole);
    expect(told).to.deep.equal([]);
  });

  it('are ways of a recurrent layer too', async () => {
    const sequences = gs.tensor(x.data, [ROWS, 3, 3]);
    const recurrent = (): gs.Sequential => {
      const model = gs.sequential([gs.layers.gru({ units: 4, inputShape: [3, 3] }), gs.layers.dense({ units: 1 })]);
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cuda:0', seed: 3 });
      return model;
    };
    const { GRADSTEP_CUDA_WAYS: waysBefore } = process.env;
    await withGpus({}, async () => {
      try {
        process.env.GRADSTEP_CUDA_WAYS = 'persistent';
        using straight = recurrent();
        await straight.fit(sequences, y, { ...run, epochs: 4 });
        using first = recurrent();
        await first.fit(sequences, y, run);
        await first.save(path);
        const { taken } = savedIn<Saved>(path).saved.training.choices!;
        const ways = taken.filter(([, choice]) => choice === Buffer.from('persistent').toString('hex'));
        expect(ways).to.have.length(2);
        // Nobody asks for a way now, and nothing has to be measured.
        delete process.env.GRADSTEP_CUDA_WAYS;
        using second = await gs.loadModel(path, { device: 'cuda:0' });
        await second.fit(sequences, y, run);
        expect(await second.getWeights()).to.deep.equal(await straight.getWeights());
        await second.save(path);
        expect(savedIn<Saved>(path).saved.training.choices!.taken).to.deep.equal(taken);
      } finally {
        process.env.GRADSTEP_CUDA_WAYS = waysBefore;
      }
    });
    expect(told).to.deep.equal([]);
    expect(existsSync(join(folder, 'first', 'cuda_algorithms.txt'))).to.equal(false);
  });

  it('are handed on by whoever goes on, and by whoever only predicts', async () => {
    await trainAndSave();
    const { choices } = savedIn<Saved>(path).saved.training;
    await withGpus(forward, async () => {
      process.env.GRADSTEP_CACHE = join(folder, 'second');
      using unused = await gs.loadModel(path, { device: 'cuda:0' });
      await unused.save(path);
      expect(savedIn<Saved>(path).saved.training.choices).to.deep.equal(choices);
      using predicting = await gs.loadModel(path, { device: 'cuda:0' });
      await predicting.predict(x);
      await predicting.save(path);
      expect(savedIn<Saved>(path).saved.training.choices).to.deep.equal(choices);
      using training = await gs.loadModel(path, { device: 'cuda:0' });
      await training.fit(x, y, run);
      await training.save(path);
      expect(savedIn<Saved>(path).saved.training.choices).to.deep.equal(choices);
    });
  });

  it('are handed on though another batch size is trained with in between', async () => {
    const whole = await withGpus(backward, async () => {
      using model = network();
      for (const batchSize of [8, 10, 8]) await model.fit(x, y, { ...run, batchSize });
      return await model.getWeights();
    });
    await trainAndSave();
    const before = savedIn<Saved>(path).saved.training.choices!;
    await withGpus(backward, async () => {
      process.env.GRADSTEP_CACHE = join(folder, 'second');
      using model = await gs.loadModel(path, { device: 'cuda:0' });
      await model.fit(x, y, { ...run, batchSize: 10 });
      await model.save(path);
    });
    const { device, taken } = savedIn<Saved>(path).saved.training.choices!;
    expect(device).to.equal(before.device);
    const whats = taken.map(([what]) => what);
    expect(whats).to.deep.equal([...new Set(whats)].sort());
    expect(taken).to.deep.include.members([...before.taken]);
    expect(whats).to.include('product 10 7 9 1');
    await withGpus(forward, async () => {
      process.env.GRADSTEP_CACHE = join(folder, 'third');
      using model = await gs.loadModel(path, { device: 'cuda:0' });
      await model.fit(x, y, run);
      expect(await model.getWeights()).to.deep.equal(whole);
    });
    expect(told).to.deep.equal([]);
    expect(existsSync(join(folder, 'third', 'cuda_algorithms.txt'))).to.equal(false);
  });

  it('are those that a profile of the model runs with', async () => {
    await trainAndSave();
    await withGpus(forward, async () => {
      process.env.GRADSTEP_CACHE = join(folder, 'second');
      using model = await gs.loadModel(path, { device: 'cuda:0' });
      await model.fit(x, y, run);
      await model.profile(gs.tensor(x.data.slice(0, 72), [8, 9]), y.slice(0, 8), { steps: 1, print: false });
    });
    // Only the products that tell how fast the device can be were measured.
    const file = readFileSync(join(folder, 'second', 'cuda_algorithms.txt'), 'utf8');
    expect(file).to.include(', product ');
    expect(file).to.not.include(', product 8 7 9 1\t');
  });

  const options = { type: 'GradstepWarning', code: 'GRADSTEP_CHOICES_DIFFER' };
  const sentence = (difference: string): RegExp =>
    new RegExp(`^Results may differ in their last bits from those of the training that was saved: ${difference}$`);

  for (const { name, machine, device, difference } of [
    {
      name: 'on another driver',
      machine: { ...forward, driver: 99990 },
      difference: 'its algorithms were chosen by measuring on .* driver 1.*, and this one runs on .* driver 99990, .*',
    },
    {
      name: 'on another GPU',
      machine: { ...forward, capability: '8.0' },
      difference: 'its algorithms were chosen by measuring on .* 9.0, .*, and this one runs on .* 8.0, .*',
    },
    {
      name: 'on the CPU',
      machine: forward,
      device: 'cpu',
      difference: 'its algorithms were chosen by measuring on emulated CUDA device, .*, and this one runs on the CPU',
    },
    {
      name: 'where the library refuses them',
      machine: { products: 'forward' },
      difference: 'its algorithms were chosen by measuring, and another one is used for product [\\d ]+ and \\d more',
    },
  ]) {
    it(`cannot be taken ${name}, which is told once`, async () => {
      await trainAndSave();
      await withGpus(machine, async () => {
        process.env.GRADSTEP_CACHE = join(folder, 'second');
        using model = await gs.loadModel(path, { device: device ?? 'cuda:0' });
        await model.predict(x);
        expect(told).to.deep.equal([]);
        await model.fit(x, y, run);
        await model.fit(x, y, { ...run, batchSize: 12 });
        expect(told).to.have.length(1);
        expect(told[0]![0]).to.match(sentence(difference));
        expect(told[0]![1]).to.deep.equal(options);
        // What is saved now is what was used now.
        await model.save(path);
        const products = (savedIn<Saved>(path).saved.training.choices?.taken ?? []).filter(([what]) =>
          what.startsWith('product'),
        );
        const names = products.map(([, choice]) => Buffer.from(choice, 'hex').toString());
        expect([...new Set(names)]).to.deep.equal(device === 'cpu' ? [] : ['forward']);
      });
    });
  }

  // On the emulated machine no way is a library's, so the file says it of a product.
  it('are others where a library has changed that some of the ways are of', async () => {
    await trainAndSave();
    rewrite<Saved>(path, ({ training }) => {
      const { device: there, taken } = training.choices!;
      training.choices = { device: there, taken: taken.map(([what, choice]) => [`${what}, cuDNN 92801`, choice] as const) };
    });
    await goOn(backward);
    expect(told).to.have.length(1);
    expect(told[0]![0]).to.match(
      sentence('its algorithms were chosen by measuring, and another one is used for .+ and \\d+ more'),
    );
  });

  it('are none of a deterministic model, which says so where it goes on from measured ones', async () => {
    await trainAndSave({ deterministic: true });
    expect(savedIn<Saved>(path).saved.training).to.not.have.property('choices');
    await goOn(forward);
    expect(told).to.deep.equal([]);
    await trainAndSave();
    rewrite<Saved>(path, ({ compile }) => (compile.deterministic = true));
    await goOn(forward);
    expect(told).to.have.length(1);
    expect(told[0]![0]).to.match(sentence('its algorithms were chosen by measuring on .*, and this one measures nothing'));
  });

  it('are none on the CPU', async () => {
    using model = network({ device: 'cpu' });
    await model.fit(x, y, run);
    await model.save(path);
    expect(savedIn<Saved>(path).saved.training).to.not.have.property('choices');
  });

  const device = 'a GPU';
  for (const [choices, message] of [
    ['x', /object for training\.choices but/],
    [{ device }, /array of at most 10000 for training\.choices\.taken but/],
    [{ device, taken: {} }, /array of at most 10000 for training\.choices\.taken but/],
    [
      { device, taken: Array.from({ length: 10_001 }, () => ['a', '00']) },
      /array of at most 10000 for training\.choices\.taken but/,
    ],
    [{ taken: [] }, /string of at most 1000 printable characters for training\.choices\.device but/],
    [{ device: 'a\u001b[31m', taken: [] }, /printable characters for training\.choices\.device but/],
    [{ device, taken: ['ab'] }, /pair for training\.choices\.taken\[0\] but/],
    [{ device, taken: [['a', '00'], ['a']] }, /pair for training\.choices\.taken\[1\] but/],
    [{ device, taken: [['a\tb', '00']] }, /printable characters for training\.choices\.taken\[0\]\[0\] but/],
    [{ device, taken: [['a'.repeat(1001), '00']] }, /printable characters for training\.choices\.taken\[0\]\[0\] but/],
    [{ device, taken: [['a', '0']] }, /hexadecimal digits for training\.choices\.taken\[0\]\[1\] but/],
    [{ device, taken: [['a', '00'.repeat(513)]] }, /hexadecimal digits for training\.choices\.taken\[0\]\[1\] but/],
    [{ device, taken: [['a', 7]] }, /hexadecimal digits for training\.choices\.taken\[0\]\[1\] but/],
  ] as const) {
    it(`that are broken are refused: ${JSON.stringify(choices).slice(0, 60)}`, async () => {
      using model = network({ device: 'cpu' });
      await model.fit(x, y, { epochs: 1 });
      await model.save(path);
      rewrite<Saved>(path, ({ training }) => (training.choices = choices as unknown as NativeChoices));
      const error = await failure(() => gs.loadModel(path, { device: 'cpu' }));
      expect(error.code).to.equal('ERR_FILE');
      expect(error.message).to.match(message);
    });
  }

  // What passes the checks and is nonsense all the same: no algorithm of that name, no such product.
  it('that mean nothing are as good as none, which is told', async () => {
    await trainAndSave();
    rewrite<Saved>(path, ({ training }) => {
      const { device: there, taken } = training.choices!;
      training.choices = { device: there, taken: [...taken.map(([what]) => [what, '00'] as const), ['nothing', 'ff']] };
    });
    await goOn(backward);
    expect(told).to.have.length(1);
  });
});
