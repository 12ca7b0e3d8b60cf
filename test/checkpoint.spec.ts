/** Saving and loading: the same bits afterwards, files that others can read, and files that lie. */
import { expect } from 'chai';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as gs from '../lib/index.js';
import { VERSION } from '../lib/train/version.js';
import { failure } from './helpers/failure.js';

const device = 'cpu';

function network(options: Partial<gs.CompileOptions> = {}): gs.Sequential {
  const model = gs.sequential([
    gs.layers.rescaling({ scale: 0.5, offset: -0.25, inputShape: [6, 6, 1] }),
    gs.layers.conv2d({ filters: 3, kernelSize: [3, 2], padding: 'same', activation: 'relu', kernelInitializer: 'heNormal' }),
    gs.layers.maxPooling2d({ poolSize: 2, strides: 1 }),
    gs.layers.averagePooling2d(),
    gs.layers.flatten(),
    gs.layers.dropout({ rate: 0.2 }),
    gs.layers.dense({ units: 5, useBias: false, name: 'hidden' }),
    gs.layers.activation({ activation: 'tanh' }),
    gs.layers.dense({ units: 3, activation: 'softmax' }),
  ]);
  model.compile({
    optimizer: gs.optimizers.adam({ learningRate: 0.01, beta1: 0.8 }),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
    device,
    seed: 9,
    threads: 1,
    ...options,
  });
  return model;
}

const x = gs.tensor(
  Float32Array.from({ length: 50 * 36 }, (_, i) => Math.sin(i * 1.7)),
  [50, 6, 6, 1],
);
const y = Int32Array.from({ length: 50 }, (_, i) => (i * 7) % 3);
const run = { epochs: 2, batchSize: 16 };

interface Header {
  [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
}

/** The parts of a safetensors file, read here on our own. */
function split(file: Buffer): { header: Header & { __metadata__: Record<string, string> }; data: Buffer } {
  const length = Number(file.readBigUInt64LE(0));
  return { header: JSON.parse(file.subarray(8, 8 + length).toString('utf8')), data: file.subarray(8 + length) };
}

function join_(header: unknown, data: Uint8Array): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

describe('checkpoints', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-test-'));
    path = join(folder, 'model.safetensors');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('predict the same bits after loading', async () => {
    using model = network();
    await model.fit(x, y, run);
    const expected = await model.predict(x);
    await model.save(path);
    expect(readdirSync(folder)).to.deep.equal(['model.safetensors']);
    using again = await gs.loadModel(path, { device });
    expect((await again.predict(x)).data).to.deep.equal(expected.data);
    expect(await again.getWeights()).to.deep.equal(await model.getWeights());
    expect(await again.evaluate(x, y)).to.deep.equal(await model.evaluate(x, y));
  });

  for (const [name, optimizer] of [
    ['adam', gs.optimizers.adam({ learningRate: 0.01 })],
    ['sgd with momentum', gs.optimizers.sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true })],
    ['plain sgd', gs.optimizers.sgd()],
    ['plain rmsprop', gs.optimizers.rmsprop()],
    ['centered rmsprop with momentum', gs.optimizers.rmsprop({ learningRate: 0.01, momentum: 0.5, centered: true })],
    ['adagrad', gs.optimizers.adagrad({ learningRate: 0.1, initialAccumulatorValue: 0.5 })],
    ['adadelta', gs.optimizers.adadelta({ learningRate: 1 })],
    ['amsgrad', gs.optimizers.adam({ learningRate: 0.01, beta2: 0.75, amsgrad: true })],
    ['adamW', gs.optimizers.adamW({ learningRate: 0.01, weightDecay: 0.5, amsgrad: true })],
    ['adamax', gs.optimizers.adamax({ learningRate: 0.01 })],
    ['nadam', gs.optimizers.nadam({ learningRate: 0.01 })],
    ['lion', gs.optimizers.lion()],
  ] as const) {
    it(`resume with the bits of a run that never stopped: ${name}`, async () => {
      using straight = network({ optimizer });
      const whole = await straight.fit(x, y, { epochs: 4, batchSize: 16 });
      using first = network({ optimizer });
      await first.fit(x, y, run);
      await first.save(path);
      using second = await gs.loadModel(path, { device });
      const rest = await second.fit(x, y, run);
      expect(rest.loss).to.deep.equal(whole.loss.slice(2));
      expect(await second.getWeights()).to.deep.equal(await straight.getWeights());
      await second.save(path);
      using third = await gs.loadModel(path, { device });
      expect(await third.getWeights()).to.deep.equal(await straight.getWeights());
    });
  }

  it('are plain safetensors: names, shapes, order and alignment', async () => {
    using model = network();
    await model.fit(x, y, run);
    await model.save(path);
    const { header, data } = split(readFileSync(path));
    const { __metadata__: metadata, ...tensors } = header;
    expect((readFileSync(path).length - data.length) % 8).to.equal(0);
    const names = ['conv2d/kernel', 'conv2d/bias', 'hidden/kernel', 'dense/kernel', 'dense/bias'];
    expect(Object.keys(tensors)).to.deep.equal([...names, ...['m', 'v'].flatMap((s) => names.map((n) => `optimizer/${s}/${n}`))]);
    expect(tensors['conv2d/kernel']).to.deep.equal({ dtype: 'F32', shape: [3, 2, 1, 3], data_offsets: [0, 72] });
    expect(tensors['hidden/kernel']!.shape).to.deep.equal([12, 5]);
    let at = 0;
    for (const { data_offsets: offsets } of Object.values(tensors)) {
      expect(offsets[0]).to.equal(at);
      at = offsets[1];
    }
    expect(at).to.equal(data.length);
    const [kernel] = await model.getWeights();
    expect(new Float32Array(Uint8Array.from(data.subarray(0, 72)).buffer)).to.deep.equal(kernel!.data);
    const saved = JSON.parse(metadata.gradstep!);
    expect(saved).to.deep.include({
      format: 2,
      version: VERSION,
      training: { seed: 9, step: 8, updates: 8, epochs: 2, learningRate: 0.01, pass: { key: 1, start: 4, updates: 0 } },
    });
    expect(saved.version).to.equal(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
    expect(saved.model.layers.map((l: { className: string }) => l.className)).to.deep.equal([
      'Rescaling',
      'Conv2D',
      'MaxPooling2D',
      'AveragePooling2D',
      'Flatten',
      'Dropout',
      'Dense',
      'Activation',
      'Dense',
    ]);
  });

  it('without the optimizer, or with a loss of one’s own, must be compiled again', async () => {
    using model = network();
    await model.save(path, { includeOptimizer: false });
    using plain = await gs.loadModel(path, { device });
    expect((await failure(plain.fit(x, y))).code).to.equal('ERR_NOT_COMPILED');
    expect(await plain.getWeights()).to.deep.equal(await model.getWeights());
    model.compile({ optimizer: 'sgd', loss: (_t, p) => p, device });
    await model.save(path);
    using own = await gs.loadModel(path, { device });
    expect((await failure(own.evaluate(x, y))).code).to.equal('ERR_NOT_COMPILED');
  });

  it('can be made before any training, and before compile', async () => {
    using model = network();
    await model.save(path);
    using again = await gs.loadModel(path, { device });
    const histories = [await model.fit(x, y, run), await again.fit(x, y, run)];
    expect(histories[1]).to.deep.equal(histories[0]);
    using bare = gs.sequential([gs.layers.dense({ units: 2, inputShape: [2] })]);
    await bare.save(path);
    using loaded = await gs.loadModel(path);
    expect(await loaded.getWeights()).to.deep.equal(await bare.getWeights());
  });

  it('can be made during training', async () => {
    using model = network();
    const training = model.fit(x, y, { epochs: 200, batchSize: 4 });
    await model.save(path);
    await training;
    using again = await gs.loadModel(path, { device });
    expect((await again.predict(x)).data.every(Number.isFinite)).to.equal(true);
  });

  it('refuse what has no name to save', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1], activation: (v) => gs.ops.square(v) })]);
    const error = await failure(model.save(path));
    expect(error.code).to.equal('ERR_OPTION');
    expect(error.message).to.match(/^An activation that is a function of your own .* cannot be saved$/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('leave nothing behind, and the old file whole, when they cannot be written', async () => {
    using model = network();
    const error = await failure(model.save(join(folder, 'nowhere', 'model.safetensors')));
    expect(error.code).to.equal('ERR_FILE');
    expect(error.message).to.match(/cannot be written: ENOENT/);
    const failed = await failure(model.save(folder));
    expect(failed.code).to.equal('ERR_FILE');
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('may have the longest name there is', async () => {
    using model = network();
    const name = `${'n'.repeat(255 - '.safetensors'.length)}.safetensors`;
    await model.save(pathToFileURL(join(folder, name)));
    expect(readdirSync(folder)).to.deep.equal([name]);
    await (await gs.loadModel(pathToFileURL(join(folder, name)))).dispose();
    await gs.data.writeNpy(join(folder, 'n'.repeat(255)), x);
    const error = await failure(model.save(join(folder, 'n'.repeat(256))));
    expect(error.code).to.equal('ERR_FILE');
    expect(error.message).to.match(/cannot be written: ENAMETOOLONG/);
  });

  it('are written to where a symbolic link leads', async () => {
    using model = network();
    mkdirSync(join(folder, 'runs', 'first'), { recursive: true });
    symlinkSync(join('runs', 'first'), join(folder, 'run'));
    // To a file by way of another link, and to one that is not there yet, from a folder that is a link itself.
    writeFileSync(join(folder, 'runs', 'there'), '');
    symlinkSync(join('..', 'there'), join(folder, 'run', 'inner'));
    symlinkSync(join('run', 'inner'), path);
    symlinkSync(join('..', 'not-yet'), join(folder, 'run', 'new'));
    for (const [link, target] of [
      [path, join('runs', 'there')],
      [join(folder, 'run', 'new'), join('runs', 'not-yet')],
    ] as const) {
      await model.save(link);
      expect(lstatSync(link).isSymbolicLink()).to.equal(true);
      using again = await gs.loadModel(join(folder, target), { device });
      expect(await again.getWeights()).to.deep.equal(await model.getWeights());
    }
    expect(readdirSync(folder).sort()).to.deep.equal(['model.safetensors', 'run', 'runs']);
    expect(readdirSync(join(folder, 'runs')).sort()).to.deep.equal(['first', 'not-yet', 'there']);
    symlinkSync('round', join(folder, 'round'));
    const error = await failure(model.save(join(folder, 'round')));
    expect(error.code).to.equal('ERR_FILE');
    expect(error.message).to.match(/round cannot be written: ELOOP/);
  });

  describe('that lie', () => {
    let file: Buffer;
    beforeEach(async () => {
      using model = network();
      await model.fit(x, y, { batchSize: 50 });
      await model.save(path);
      file = readFileSync(path);
    });

    async function refusal(content: Uint8Array, message: RegExp): Promise<void> {
      writeFileSync(path, content);
      const error = await failure(gs.loadModel(path, { device }));
      expect(error.code, error.message).to.equal('ERR_FILE');
      expect(error.message).to.contain(path);
      expect(error.message).to.match(message);
    }

    it('are missing, or folders', async () => {
      expect((await failure(gs.loadModel(join(folder, 'none')))).message).to.match(/none cannot be read: ENOENT/);
      const error = await failure(gs.loadModel(folder));
      expect(error.code).to.equal('ERR_FILE');
      expect(error.message).to.match(/is not a file/);
    });

    it('end early, at every 97th byte', async () => {
      for (let length = 0; length < file.length; length += 97) {
        await refusal(file.subarray(0, length), /is not a (whole )?safetensors file|outside the file's \d+ bytes/);
      }
    });

    it('have a byte of the header changed: an ERR_FILE or a model, never anything else', async () => {
      const length = Number(file.readBigUInt64LE(0));
      for (let at = 0; at < 8 + length; at += 13) {
        const changed = Buffer.from(file);
        changed[at] = changed[at]! ^ 0x11;
        writeFileSync(path, changed);
        try {
          await (await gs.loadModel(path, { device })).dispose();
        } catch (error) {
          expect((error as gs.GradstepError).code, String(error)).to.equal('ERR_FILE');
        }
      }
    });

    /** Puts a value (nothing: removes it) at a path of keys. */
    function put(object: object, [key, ...rest]: readonly (string | number)[], value: unknown): void {
      const into = object as Record<string | number, unknown>;
      if (rest.length > 0) put(into[key!] as object, rest, value);
      else if (value === undefined) Reflect.deleteProperty(into, key!);
      else into[key!] = value;
    }

    const headers: [string, RegExp, (string | number)[], unknown][] = [
      ['have metadata of another kind', /has metadata that is not a JSON object/, ['__metadata__'], 'x'],
      ['have metadata that is no text', /has metadata "gradstep" that is not a string/, ['__metadata__', 'gradstep'], {}],
      ['come from elsewhere', /was not saved by gradstep/, ['__metadata__', 'gradstep'], undefined],
      [
        'have a tensor of a type that is none',
        /"conv2d\/kernel" of dtype "F31", which is none/,
        ['conv2d/kernel', 'dtype'],
        'F31',
      ],
      [
        'have a tensor of integers',
        /"conv2d\/kernel" of dtype I32; weights are F32, F64, F16/,
        ['conv2d/kernel', 'dtype'],
        'I32',
      ],
      ['have fewer doubles than their shape says', /does not take 72 bytes/, ['conv2d/kernel', 'dtype'], 'F64'],
      ['have a tensor that is no object', /"conv2d\/kernel" that is not a JSON object/, ['conv2d/kernel'], null],
      ['have a shape of fractions', /"conv2d\/kernel" whose shape is not/, ['conv2d/kernel', 'shape'], [1.5]],
      ['have a shape below zero', /whose shape is not an array of sizes/, ['conv2d/kernel', 'shape'], [-1, 3]],
      ['have a shape of 2^80', /whose shape \[.*\] does not take 72 bytes/, ['conv2d/kernel', 'shape'], [2 ** 40, 2 ** 40]],
      ['have no offsets', /whose data_offsets are not a pair/, ['conv2d/kernel', 'data_offsets'], undefined],
      ['have offsets the wrong way round', /at 72…0, outside/, ['conv2d/kernel', 'data_offsets'], [72, 0]],
      ['have offsets beyond the end', /outside the file's \d+ bytes/, ['conv2d/kernel', 'data_offsets'], [1e9, 1e9 + 72]],
      ['have tensors that overlap', /overlaps another: "conv2d\/bias"/, ['conv2d/bias', 'data_offsets'], [60, 72]],
      ['have a gap', /has a gap before a tensor: "conv2d\/kernel"/, ['conv2d/kernel', 'data_offsets'], [4, 76]],
      ['have a tensor of another shape', /shape \[18\] where .* has \[3, 2, 1, 3\]/, ['conv2d/kernel', 'shape'], [18]],
      ['have a tensor too many', /does not: "extra"/, ['extra'], { dtype: 'F32', shape: [0], data_offsets: [0, 0] }],
    ];
    for (const [name, message, path_, value] of headers) {
      it(name, async () => {
        const { header, data } = split(file);
        put(header, path_, value);
        await refusal(join_(header, data), message);
      });
    }

    it('claim a header of 2^63 bytes', async () => {
      const changed = Buffer.from(file);
      changed.writeBigUInt64LE(1n << 63n);
      await refusal(changed, /its header would take 9223372036854775808 bytes/);
    });

    it('have a header that is no JSON, no text, or no object', async () => {
      await refusal(join_('{"a":', Buffer.alloc(0)), /has a header that is not JSON/);
      const text = join_('{"a":1}', Buffer.alloc(0));
      text[10] = 0xff;
      await refusal(text, /has a header that is not JSON/);
      await refusal(join_('[]', Buffer.alloc(0)), /has a header that is not a JSON object/);
    });

    it('have bytes behind the last tensor', async () => {
      await refusal(Buffer.concat([file, Buffer.alloc(3)]), /has 3 bytes that belong to no tensor/);
    });

    it('lack a tensor', async () => {
      const { header, data } = split(file);
      delete header['optimizer/v/dense/bias'];
      await refusal(join_(header, data.subarray(0, -12)), /lacks the tensor optimizer\/v\/dense\/bias/);
    });

    it('name a tensor __proto__', async () => {
      const { header, data } = split(file);
      const json = JSON.stringify(header).replace('{', '{"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},');
      await refusal(join_(json, data), /has a tensor that its architecture does not: "__proto__"/);
    });

    const layer = ['model', 'layers', 6];
    const lies: [string, RegExp, (string | number)[], unknown][] = [
      ['another format', /does not hold a model: Expected 2, .* for format but received 1/, ['format'], 1],
      ['no model', /Expected object for gradstep.model but received undefined/, ['model'], undefined],
      ['another class', /Expected "Sequential" or "Functional" for model.className/, ['model', 'className'], 'Dense'],
      ['layers that are no list', /Expected array of layers for model.layers/, ['model', 'layers'], {}],
      ['no layers', /Expected array of at least one layer/, ['model', 'layers'], []],
      ['an unknown layer', /class "Denze" for model.layers\[6\]: did you mean "Dense"\?/, [...layer, 'className'], 'Denze'],
      ['a layer class __proto__', /Unknown layer class "__proto__"/, [...layer, 'className'], '__proto__'],
      ['a layer without options', /object for model.layers\[6\].config but received null/, [...layer, 'config'], null],
      ['an option out of range', /Expected integer > 0 for layers.dense.units/, [...layer, 'config', 'units'], -5],
      ['an unknown option', /Unknown option "evil" for layers.dense/, [...layer, 'config', 'evil'], 1],
      ['a bad input shape', /Expected array of integers > 0 or null for model.inputShape/, ['model', 'inputShape'], [6, 'x', 1]],
      ['an unknown optimizer', /Unknown optimizer "constructor"/, ['compile', 'optimizer', 'name'], 'constructor'],
      ['a bad optimizer option', /for optimizers.adam.beta1 but/, ['compile', 'optimizer', 'config', 'beta1'], 2],
      ['an optimizer without a name', /Expected string for compile.optimizer.name/, ['compile', 'optimizer', 'name'], 1],
      ['an unknown loss', /Unknown loss "toString"/, ['compile', 'loss', 0, 'name'], 'toString'],
      ['metrics of another kind', /Expected name of a metric/, ['compile', 'metrics'], [1]],
      ['counters below zero', /Expected integer from 0 to 2147483647 for training.step/, ['training', 'step'], -1],
      ['no counters', /Expected object for gradstep.training/, ['training'], undefined],
      ['units for gigabytes', /has hidden\/kernel of shape \[12, 5\] where/, [...layer, 'config', 'units'], 2 ** 31 - 1],
      [
        'units beyond what is counted',
        /A result of shape \[35184372088832\] is too large/,
        [...layer, 'config', 'units'],
        2 ** 45,
      ],
    ];
    for (const [name, message, path_, value] of lies) {
      it(`have ${name}`, async () => {
        const { header, data } = split(file);
        const saved = JSON.parse(header.__metadata__.gradstep!) as object;
        put(saved, path_, value);
        header.__metadata__.gradstep = JSON.stringify(saved);
        await refusal(join_(header, data), message);
      });
    }

    it('have metadata that is no JSON, or no object', async () => {
      for (const [text, message] of [
        ['{', /does not hold a model: .*JSON/],
        ['3', /does not hold a model: Expected object for gradstep/],
      ] as const) {
        const { header, data } = split(file);
        header.__metadata__.gradstep = text;
        await refusal(join_(header, data), message);
      }
    });

    it('have an option __proto__, which reaches no prototype', async () => {
      const { header, data } = split(file);
      header.__metadata__.gradstep = header.__metadata__.gradstep!.replace('"units":5', '"__proto__":{"units":7},"units":5');
      await refusal(join_(header, data), /Unknown option "__proto__" for layers.dense/);
      expect(({} as { units?: number }).units).to.equal(undefined);
    });
  });
});
