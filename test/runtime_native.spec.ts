/** The addon's Session on the real CPU: wrong arguments to every method, memory, garbage programs. Runs: runtime_runs.spec.ts. */
import { expect } from 'chai';
import { setTimeout } from 'node:timers/promises';
import type { NativeSession, NativeSessionOptions } from '../binding.js';
import { packageRoot } from '../lib/runtime/native.js';
import { exportProgram } from '../lib/train/inspect.js';
import * as gs from '../lib/index.js';
import {
  addon,
  COUNTER,
  cpuSession,
  EMPTY_PROGRAM,
  expectRejection,
  FAKE_PLUGIN,
  PLUGIN_OF_ANOTHER_ABI,
  PLUGIN_OF_ANOTHER_TABLE,
} from './helpers/native_session.js';

/** A session whose methods take anything, as JavaScript callers may pass it. */
type Untyped = Record<keyof NativeSession, (...args: unknown[]) => Promise<unknown>>;

const untyped = (session: NativeSession): Untyped => session as unknown as Untyped;
const persistent = (offset: unknown, bytes?: unknown) => ({ region: 'persistent', offset, bytes });

describe('native session: arguments', () => {
  let session: NativeSession;
  before(() => {
    session = cpuSession();
  });
  after(() => session.dispose());

  const report = { offset: 0, bytes: 0 };
  const wrong: [method: keyof NativeSession, args: unknown[], message: string][] = [
    ['reserve', [], 'Expected integer >= 0 for bytes but received undefined'],
    ['reserve', [-1], 'Expected integer >= 0 for bytes but received -1 of type number'],
    ['reserve', [1.5], 'received 1.5 of type number'],
    ['reserve', [NaN], 'received NaN of type number'],
    ['reserve', [Infinity], 'received Infinity of type number'],
    ['reserve', [2 ** 53], 'received 9007199254740992 of type number'],
    ['reserve', ['64'], 'received "64" of type string'],
    ['reserve', [64n], 'received bigint'],
    ['reserve', [Symbol('bytes')], 'received symbol'],
    ['reserve', [{ valueOf: () => 1 }], 'received object'],
    ['load', [], 'Expected Uint8Array for program but received undefined'],
    ['load', ['GSP1'], 'Expected Uint8Array for program'],
    ['load', [[1, 2, 3]], 'Expected Uint8Array for program'],
    ['load', [new Float32Array(8)], 'Expected Uint8Array for program but received object'],
    ['load', [new ArrayBuffer(8)], 'Expected Uint8Array for program'],
    ['load', [new Uint8Array(0)], 'Expected a view that is neither empty nor detached for program'],
    ['recallChoices', [], 'Expected object for earlier but received undefined'],
    ['recallChoices', [{ device: 'a GPU' }], 'Expected array for earlier.taken but received undefined'],
    ['recallChoices', [{ taken: [] }], 'Expected string for earlier.device but received undefined'],
    ['recallChoices', [{ device: '', taken: ['ab'] }], 'Expected object for earlier.taken[0] but received "ab" of type string'],
    [
      'recallChoices',
      [
        {
          device: '',
          taken: [
            ['a', '00'],
            [1, '00'],
          ],
        },
      ],
      'Expected string for earlier.taken[1][0] but received 1',
    ],
    ['recallChoices', [{ device: '', taken: [['a']] }], 'Expected string for earlier.taken[0][1] but received undefined'],
    ['unload', [], 'Expected integer >= 0 and <= 2147483647 for entry but received undefined'],
    ['unload', [2 ** 31], 'for entry but received 2147483648'],
    ['run', [], 'for entry'],
    ['run', [1, 0, 0, report], 'Expected integer >= 1 for steps but received 0 of type number'],
    ['run', [1, 1, -1, report], 'Expected number >= 0 for budgetMs but received -1 of type number'],
    ['run', [1, 1, NaN, report], 'Expected number >= 0 for budgetMs but received NaN'],
    ['run', [1, 1, 0], 'Expected object for report but received undefined'],
    ['profile', [], 'for entry'],
    ['profile', [1, 0, 0], 'Expected integer >= 1 for steps but received 0 of type number'],
    ['profile', [1, 1, '1'], 'Expected number >= 0 for budgetMs but received "1" of type string'],
    ['run', [1, 1, 0, null], 'Expected object for report but received null'],
    ['run', [1, 1, 0, {}], 'Expected integer >= 0 for report.offset but received undefined'],
    ['run', [1, 1, 0, { offset: 0, bytes: -8 }], 'for report.bytes but received -8'],
    ['write', [], 'Expected object for to but received undefined'],
    ['write', [persistent(0)], 'Expected typed array or DataView for data but received undefined'],
    ['write', [persistent(0), [1, 2]], 'Expected typed array or DataView for data but received object'],
    ['write', [persistent(0), new ArrayBuffer(4)], 'Expected typed array or DataView for data but received object'],
    ['write', [persistent(0), new Uint8Array(0)], 'neither empty nor detached for data'],
    ['write', [persistent(0), new DataView(new ArrayBuffer(4), 4)], 'neither empty nor detached for data'],
    ['write', [persistent(-4), new Uint8Array(4)], 'for to.offset but received -4'],
    ['write', [{ region: 'heap', offset: 0 }, new Uint8Array(4)], `'slot' for to.region but received "heap" of type string`],
    ['write', [{ region: 3, offset: 0 }, new Uint8Array(4)], 'Expected string for to.region but received 3 of type number'],
    ['write', [{ region: 'slot', offset: 0 }, new Uint8Array(4)], 'for to.slot but received undefined'],
    ['write', [{ region: 'slot', slot: 256, offset: 0 }, new Uint8Array(4)], 'Expected integer >= 0 and <= 255 for to.slot'],
    ['read', [], 'Expected object for from but received undefined'],
    ['read', [persistent(0)], 'Expected integer >= 0 for from.bytes but received undefined'],
    ['read', [persistent(undefined, 4)], 'for from.offset but received undefined'],
    ['readInto', [persistent(0)], 'Expected typed array or DataView for to but received undefined'],
    ['readInto', [persistent(0), new Uint8Array(0)], 'neither empty nor detached for to'],
    ['allocateSlot', [-1, 0, 1, 1], 'for slot but received -1'],
    ['allocateSlot', [0, 4, 1, 1], 'Expected integer >= 0 and <= 3 for dtype but received 4'],
    ['allocateSlot', [0, 0, 0, 1], 'Expected integer >= 1 and <= 2147483647 for rows but received 0'],
    ['allocateSlot', [0, 0, 1], 'for rowElements but received undefined'],
    ['releaseSlot', ['0'], 'for slot but received "0" of type string'],
  ];
  for (const [method, args, message] of wrong) {
    const shown = args.map((a) => (typeof a === 'object' ? JSON.stringify(a) : String(a))).join(', ');
    it(`${method}(${shown})`, () => expectRejection(untyped(session)[method](...args), 'ERR_OPTION', message));
  }

  it('a detached view', async () => {
    const view = new Float32Array(16);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    await session.reserve(64);
    await expectRejection(session.write({ region: 'persistent', offset: 0 }, view), 'ERR_OPTION', 'nor detached for data');
    const program = EMPTY_PROGRAM.slice();
    structuredClone(program.buffer, { transfer: [program.buffer] });
    await expectRejection(session.load(program), 'ERR_OPTION', 'nor detached for program');
  });

  it('a getter that throws rejects with what it threw', async () => {
    const thrown = new RangeError('mine');
    const options = {
      region: 'persistent',
      get offset(): number {
        throw thrown;
      },
    };
    const error = await untyped(session)
      .write(options, new Uint8Array(4))
      .catch((e: unknown) => e);
    expect(error).to.equal(thrown);
  });

  it('a getter that disposes the session', async () => {
    const victim = cpuSession();
    const options = {
      region: 'persistent',
      get offset() {
        void victim.dispose();
        return 0;
      },
    };
    await expectRejection(untyped(victim).write(options, new Uint8Array(4)), 'ERR_DISPOSED', 'disposed');
  });

  it('a getter that detaches the data', async () => {
    const view = new Uint8Array(64);
    const options = {
      region: 'persistent',
      get offset() {
        structuredClone(view.buffer, { transfer: [view.buffer] });
        return 0;
      },
    };
    await expectRejection(untyped(session).write(options, view), 'ERR_OPTION', 'nor detached');
  });

  it('methods on other objects', () => {
    expect(() => addon.Session.prototype.stop.call({} as NativeSession)).to.throw(TypeError);
    expect(() => addon.Session.prototype.stop.call(Object.create(addon.Session.prototype))).to.throw();
  });

  const constructions: [options: unknown, code: string, message: string][] = [
    [undefined, 'ERR_OPTION', 'Expected object for options but received undefined'],
    [{}, 'ERR_OPTION', 'Expected string for options.device but received undefined'],
    [{ device: 'gpu', threads: 0 }, 'ERR_OPTION', `for options.device but received "gpu"`],
    [{ device: 'cuda:', threads: 0 }, 'ERR_OPTION', 'options.device'],
    [{ device: 'cuda:-1', threads: 0 }, 'ERR_OPTION', 'options.device'],
    [{ device: 'cuda:99999999999', threads: 0 }, 'ERR_OPTION', 'options.device'],
    [{ device: 'cpu' }, 'ERR_OPTION', 'options.threads but received undefined'],
    [{ device: 'cpu', threads: -1 }, 'ERR_OPTION', 'options.threads but received -1'],
    [{ device: 'cpu', threads: 1e9 }, 'ERR_OPTION', 'Expected integer >= 0 and <= 1024 for options.threads'],
    [{ device: 'cuda:0', threads: 0 }, 'ERR_OPTION', 'Expected the path of a library for options.plugin'],
    [{ device: 'cuda:0', threads: 0, plugin: 7 }, 'ERR_OPTION', 'Expected string for options.plugin but received 7'],
    [{ device: 'cpu', threads: 0, deterministic: 1 }, 'ERR_OPTION', 'Expected boolean for options.deterministic but received 1'],
    [{ device: 'cuda:0', threads: 0, plugin: '/nowhere.so' }, 'ERR_DEVICE_UNAVAILABLE', '/nowhere.so cannot be loaded'],
    [{ device: 'cuda:0', threads: 0, plugin: PLUGIN_OF_ANOTHER_ABI }, 'ERR_DEVICE_UNAVAILABLE', 'plugin interface'],
    [{ device: 'cuda:0', threads: 0, plugin: PLUGIN_OF_ANOTHER_TABLE }, 'ERR_DEVICE_UNAVAILABLE', 'another op table'],
  ];
  for (const [options, code, message] of constructions) {
    it(`new Session(${JSON.stringify(options)?.replace(packageRoot(), '')})`, () => {
      const error = (() => {
        try {
          return void new addon.Session(options as NativeSessionOptions);
        } catch (e) {
          return e as Error & { code: string };
        }
      })();
      expect(error).to.be.instanceOf(Error);
      expect(error).to.have.property('code', code);
      expect(error!.message).to.contain(message);
    });
  }

  it('pluginDevices says what a plugin has, or why it has nothing', () => {
    const fake = { name: 'cuda:0', description: 'fake device', memoryBytes: 1 << 20, bfloat16: 'emulated' };
    expect(addon.pluginDevices(FAKE_PLUGIN)).to.deep.equal({ devices: [fake], why: '' });
    const missing = addon.pluginDevices('/nowhere.so');
    expect(missing.devices).to.deep.equal([]);
    expect(missing.why).to.contain('The plugin /nowhere.so cannot be loaded');
    expect(() => addon.pluginDevices(7 as unknown as string)).to.throw('Expected string for path');
  });
});

describe('native session: memory and programs', () => {
  let session: NativeSession;
  beforeEach(() => {
    session = cpuSession();
  });
  afterEach(() => session.dispose());

  it('writes and reads every kind of view', async () => {
    await session.reserve(64);
    const shared = new Uint8Array(new SharedArrayBuffer(4));
    shared.set([9, 8, 7, 6]);
    const views: [ArrayBufferView, number[]][] = [
      [new Uint8Array([1, 2, 3, 4]), [1, 2, 3, 4]],
      [new Int32Array([-1]), [255, 255, 255, 255]],
      [new DataView(new Uint8Array([0, 5, 6, 7, 8, 0]).buffer, 1, 4), [5, 6, 7, 8]],
      [new Uint8Array([0, 0, 3, 2, 1, 0]).subarray(2, 6), [3, 2, 1, 0]],
      [shared, [9, 8, 7, 6]],
      [Buffer.from('abcd'), [97, 98, 99, 100]],
    ];
    for (const [view, expected] of views) {
      await session.write({ region: 'persistent', offset: 16 }, view);
      expect([...new Uint8Array(await session.read({ region: 'persistent', offset: 16, bytes: 4 }))]).to.deep.equal(expected);
    }
    expect((await session.read({ region: 'persistent', offset: 64, bytes: 0 })).byteLength).to.equal(0);
  });

  it('keeps what is there when it grows, and fills with zeros', async () => {
    await session.reserve(64);
    await session.write({ region: 'persistent', offset: 60 }, new Uint8Array([1, 2, 3, 4]));
    await session.reserve(16);
    await session.reserve(1 << 20);
    const bytes = new Uint8Array(await session.read({ region: 'persistent', offset: 60, bytes: 1024 }));
    expect([...bytes.subarray(0, 4)]).to.deep.equal([1, 2, 3, 4]);
    expect(bytes.subarray(4).every((b) => b === 0)).to.equal(true);
    expect((await session.memory()).persistent).to.be.at.least(1 << 20);
  });

  it('uses no processor while it has nothing to do', async () => {
    await session.reserve(64);
    await session.read({ region: 'persistent', offset: 0, bytes: 64 });
    await setTimeout(50);
    const before = process.cpuUsage();
    await setTimeout(500);
    const { user, system } = process.cpuUsage(before);
    expect(user + system, 'µs').to.be.below(250_000); // a thread that stays awake takes 500,000
  });

  it('copies data before write returns, and writes in the order of calls', async () => {
    await session.reserve(64);
    const data = new Uint8Array([1]);
    const writes: Promise<void>[] = [];
    for (let i = 0; i < 64; i++) {
      data[0] = i;
      writes.push(
        session.write({ region: 'persistent', offset: i }, data),
        session.write({ region: 'persistent', offset: 0 }, data),
      );
    }
    const bytes = new Uint8Array(await session.read({ region: 'persistent', offset: 0, bytes: 64 }));
    expect([...bytes]).to.deep.equal([63, ...Array.from({ length: 63 }, (_, i) => i + 1)]);
    await Promise.all(writes);
  });

  it('refuses transfers that leave their memory', async () => {
    await session.reserve(64);
    const at = (offset: number) => session.write({ region: 'persistent', offset }, new Uint8Array(4));
    await expectRejection(at(61), 'ERR_OPTION', '4 bytes at 61 leave the persistent region of');
    await expectRejection(at(Number.MAX_SAFE_INTEGER), 'ERR_OPTION', 'leave the persistent region');
    await expectRejection(session.read({ region: 'scratch', offset: 0, bytes: 1 }), 'ERR_OPTION', 'leave the scratch region');
    await expectRejection(session.read({ region: 'slot', slot: 5, offset: 0, bytes: 1 }), 'ERR_OPTION', 'There is no slot 5');
    await session.allocateSlot(5, 1, 3, 2);
    await session.write({ region: 'slot', slot: 5, offset: 0 }, new Int32Array([1, 2, 3, 4, 5, 6]));
    const slot = new Int32Array(await session.read({ region: 'slot', slot: 5, offset: 4, bytes: 20 }));
    const room = new Int32Array(7);
    await session.readInto({ region: 'slot', slot: 5, offset: 4 }, room.subarray(1, 6));
    expect([...room]).to.deep.equal([0, ...slot, 0]);
    await expectRejection(session.readInto({ region: 'slot', slot: 5, offset: 4 }, room), 'ERR_OPTION', 'leave');
    expect([...slot]).to.deep.equal([2, 3, 4, 5, 6]);
    await expectRejection(
      session.read({ region: 'slot', slot: 5, offset: 4, bytes: 21 }),
      'ERR_OPTION',
      'leave slot 5 of 24 bytes',
    );
    await session.releaseSlot(5);
    await expectRejection(session.read({ region: 'slot', slot: 5, offset: 0, bytes: 1 }), 'ERR_OPTION', 'There is no slot 5');
  });

  it('refuses more memory than there is, and goes on', async () => {
    await session.reserve(64);
    await session.write({ region: 'persistent', offset: 0 }, new Uint8Array([7]));
    await expectRejection(session.reserve(2 ** 52), 'ERR_OOM', '4503599627370496 bytes were requested');
    await expectRejection(session.allocateSlot(0, 0, 2 ** 31 - 1, 2 ** 31 - 1), 'ERR_OOM', 'Out of memory');
    await expectRejection(session.allocateSlot(0, 3, 2 ** 31 - 1, 2 ** 20), 'ERR_OOM', 'Out of memory');
    const [first] = new Uint8Array(await session.read({ region: 'persistent', offset: 0, bytes: 1 }));
    expect(first).to.equal(7);
  });

  it('refuses garbage for a program', async () => {
    await expectRejection(session.load(new Uint8Array(3)), 'ERR_PROGRAM', 'a header has 40');
    await expectRejection(session.load(new Uint8Array(4096)), 'ERR_PROGRAM', 'Not a program');
    await expectRejection(session.load(EMPTY_PROGRAM.subarray(0, 39)), 'ERR_PROGRAM', 'Not a program');
    const other = EMPTY_PROGRAM.slice();
    other[8]! ^= 1;
    await expectRejection(session.load(other), 'ERR_PROGRAM', 'op table');
  });

  it('refuses or survives a training program with any byte changed', async () => {
    const model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [5] })]);
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const { program } = await exportProgram(model, { kind: 'train', rows: 2 });
    let refused = 0;
    const tensors = program.length - 40;
    for (let i = 0; i < 400; i++) {
      const bytes = program.slice();
      const at = 40 + ((i * 7919) % tensors);
      bytes[at]! ^= 1 << (i % 8);
      await session.load(bytes).then(
        (entry) => session.unload(entry),
        (error: { code: string; message: string }) => {
          expect(error.code, error.message).to.be.oneOf(['ERR_PROGRAM', 'ERR_SHAPE', 'ERR_INTERNAL', 'ERR_OOM']);
          refused++;
        },
      );
    }
    expect(refused).to.be.greaterThan(50);
    await session.unload(await session.load(program));
  });

  it('refuses entries that were not loaded', async () => {
    await expectRejection(session.run(1, 1, 0, COUNTER), 'ERR_OPTION', 'leave the persistent region');
    await session.reserve(64);
    await expectRejection(session.run(1, 1, 0, COUNTER), 'ERR_OPTION', 'No program is loaded as entry 1');
    const entry = await session.load(EMPTY_PROGRAM);
    await session.unload(entry);
    await expectRejection(session.run(entry, 1, 0, COUNTER), 'ERR_OPTION', 'No program is loaded');
    await expectRejection(session.unload(entry), 'ERR_OPTION', 'No program is loaded');
  });
});
