/**
 * Threads and endings: the addon in several worker_threads, terminating one in mid-run, `process.exit` and other ends of
 * a process in mid-run, sessions that are forgotten. Every child process must end with its own exit code, not a signal.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { exportProgram } from '../lib/train/inspect.js';
import * as gs from '../lib/index.js';
import { ADDON, COUNTER, counted, cpuSession, EMPTY_PROGRAM, FAKE_PLUGIN, fakeSession } from './helpers/native_session.js';

interface Context {
  addon: string;
  plugin: string;
  empty: Uint8Array;
}
const CONTEXT: Context = { addon: ADDON, plugin: FAKE_PLUGIN, empty: EMPTY_PROGRAM };

/** The names that the scripts below use; `report` and `tell` are how they answer. */
const PRELUDE = `
  const addon = require(context.addon);
  const fake = (index) => new addon.Session({ device: 'cuda:' + index, threads: 0, plugin: context.plugin });
  const cpu = () => new addon.Session({ device: 'cpu', threads: 2 });
  const counter = { offset: 0, bytes: 8 };
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
`;

function worker(script: string): Worker {
  const code = `
    const { parentPort, workerData: context } = require('node:worker_threads');
    const tell = (message) => parentPort.postMessage(message);
    ${PRELUDE}
    (async () => { ${script} })();`;
  return new Worker(code, { eval: true, workerData: CONTEXT });
}

interface Ending {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** Runs a script in a process of its own. */
async function child(script: string, extra: object = {}, args: string[] = []): Promise<Ending> {
  const context = JSON.stringify({ ...CONTEXT, empty: undefined, ...extra });
  const code = `
    const context = ${context};
    context.empty = Uint8Array.from(${JSON.stringify([...EMPTY_PROGRAM])});
    const tell = (message) => require('node:fs').writeSync(1, message);
    ${PRELUDE}
    (async () => { ${script} })();`;
  const process_ = spawn(process.execPath, [...args, '-e', code], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  process_.stdout.on('data', (data) => (stdout += String(data)));
  process_.stderr.on('data', (data) => (stderr += String(data)));
  const [code_, signal] = (await once(process_, 'close')) as [number | null, string | null];
  return { code: code_, signal, stdout, stderr };
}

function expectEnding(ending: Ending, code: number, stdout = ''): void {
  expect(ending.signal, ending.stderr).to.equal(null);
  expect(ending.code, ending.stderr).to.equal(code);
  expect(ending.stdout).to.equal(stdout);
}

const ENDLESS = 'const entry = await s.load(context.empty); const run = s.run(entry, 1e9, 0, counter);';

describe('worker threads', () => {
  it('several load the addon and work at once', async () => {
    const script = `
      const s = cpu();
      await s.reserve(64);
      for (let i = 0; i < 50; i++) {
        await s.write({ region: 'persistent', offset: 0 }, new Int32Array([i]));
        const [back] = new Int32Array(await s.read({ region: 'persistent', offset: 0, bytes: 4 }));
        if (back !== i) throw new Error(back + ' is not ' + i);
      }
      await s.dispose();
      tell(addon.opTableHash);`;
    const results = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const w = worker(script);
        const [[hash], [code]] = (await Promise.all([once(w, 'message'), once(w, 'exit')])) as [[string], [number]];
        return { hash, code };
      }),
    );
    const { opTableHash } = await import('../lib/compile/encode.js');
    for (const result of results) expect(result).to.deep.equal({ hash: opTableHash(), code: 0 });
  });

  it('one that ends with a session open ends by itself', async () => {
    const w = worker('const s = cpu(); await s.reserve(64); tell("done");');
    const [code] = (await once(w, 'exit')) as [number];
    expect(code).to.equal(0);
  });

  it('terminating one in mid-run ends its run and leaves the others whole', async () => {
    const mine = fakeSession(0);
    const entry = await mine.load(EMPTY_PROGRAM);
    for (let round = 0; round < 5; round++) {
      const w = worker(`const s = fake(0); ${ENDLESS} tell('running'); await run;`);
      await once(w, 'message');
      const queued = mine.run(entry, 2, 0, COUNTER); // waits for the worker's run
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(await w.terminate()).to.equal(1);
      const { steps, report } = await queued;
      expect(steps).to.equal(2);
      expect(counted(report)).to.equal(2 * (round + 1));
    }
    await mine.dispose();
  });

  it('terminating one whose work is queued behind another leaves the other whole', async () => {
    const mine = fakeSession(0);
    const entry = await mine.load(EMPTY_PROGRAM);
    const run = mine.run(entry, 60, 0, COUNTER);
    const w = worker(`
      const s = fake(0);
      for (let i = 0; i < 100; i++) s.load(context.empty).catch(() => {});
      tell('queued');
      await s.memory();`);
    await once(w, 'message');
    await w.terminate();
    expect((await run).steps).to.equal(60);
    await mine.dispose();
  });

  it('terminating many at any moment', async () => {
    const script = `
      const s = cpu();
      tell('started');
      for (let i = 0; ; i++) {
        await s.reserve(64 * (i % 100 + 1));
        await s.load(context.empty).then((entry) => s.unload(entry));
        if (i % 7 === 0) new addon.Session({ device: 'cpu', threads: 1 }).memory().catch(() => {});
      }`;
    for (let round = 0; round < 12; round++) {
      const w = worker(script);
      await once(w, 'message');
      await new Promise((resolve) => setTimeout(resolve, round * 3));
      expect(await w.terminate()).to.equal(1);
    }
    const after = cpuSession();
    await after.reserve(64);
    await after.dispose();
  });

  it('process.exit inside one, in mid-run, is its exit code', async () => {
    const w = worker(`const s = fake(0); ${ENDLESS} await sleep(20); process.exit(3);`);
    const [code] = (await once(w, 'exit')) as [number];
    expect(code).to.equal(3);
  });
});

describe('ends of a process', () => {
  it('it ends by itself when nothing is pending, with a session open', async () => {
    expectEnding(await child('const s = cpu(); await s.reserve(64); tell("done");'), 0, 'done');
  });

  it('it does not end while a run is pending', async () => {
    const ending = await child(
      'const s = fake(0); const r = await s.run(await s.load(context.empty), 30, 0, counter); tell(String(r.steps));',
    );
    expectEnding(ending, 0, '30');
  });

  it('process.exit in mid-run', async () => {
    expectEnding(await child(`const s = fake(0); ${ENDLESS} await sleep(30); process.exit(7);`), 7);
  });

  it('process.exit in mid-run waits for the end of the step, and for no other', async () => {
    const ending = await child(`
      const s = fake(1); // 300 ms a step
      const entry = await s.load(context.empty);
      tell(String(Date.now()));
      const run = s.run(entry, 1e9, 0, counter);
      await sleep(30);
      process.exit(7);`);
    const ended = Date.now();
    expectEnding(ending, 7, ending.stdout);
    expect(ended - Number(ending.stdout)).to.be.within(295, 20_000);
  });

  it('process.exit with work queued, at once', async () => {
    expectEnding(await child('const s = fake(1); for (let i = 0; i < 20; i++) s.load(context.empty); process.exit(7);'), 7);
  });

  it('process.exit in mid-run of workers', async () => {
    const ending = await child(`
      const { Worker } = require('node:worker_threads');
      const code = \`
        const { parentPort, workerData } = require('node:worker_threads');
        const addon = require(workerData.addon);
        const s = new addon.Session({ device: 'cuda:0', threads: 0, plugin: workerData.plugin });
        s.load(workerData.empty).then((entry) => { s.run(entry, 1e9, 0, { offset: 0, bytes: 8 }); parentPort.postMessage(1); });\`;
      const workers = [1, 2, 3].map(() => new Worker(code, { eval: true, workerData: context }));
      await Promise.race(workers.map((w) => new Promise((resolve) => w.on('message', resolve))));
      process.exit(7);`);
    expectEnding(ending, 7);
  });

  it('an uncaught exception in mid-run', async () => {
    const ending = await child(`const s = fake(0); ${ENDLESS} setTimeout(() => { throw new Error('mine'); }, 30);`);
    expectEnding(ending, 1);
    expect(ending.stderr).to.contain('Error: mine');
  });

  it('a rejection that nobody handles', async () => {
    const ending = await child('cpu().reserve(-1);');
    expectEnding(ending, 1);
    expect(ending.stderr).to.contain('Expected integer >= 0 for bytes').and.to.contain('ERR_OPTION');
  });

  it('process.exit in the middle of real training', async () => {
    const model = gs.sequential([
      gs.layers.dense({ units: 64, activation: 'relu', inputShape: [784] }),
      gs.layers.dense({ units: 10, activation: 'softmax' }),
    ]);
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy' });
    const { program } = await exportProgram(model, { kind: 'train', rows: 32 });
    const script = `
      const s = cpu();
      const entry = await s.load(Uint8Array.from(context.program));
      await s.allocateSlot(0, 0, 64, 784); await s.allocateSlot(1, 1, 64, 1); await s.allocateSlot(2, 1, 64, 1);
      s.run(entry, 1e9, 0, counter);
      await sleep(30);
      process.exit(7);`;
    expectEnding(await child(script, { program: [...program] }), 7);
  });
});

describe('forgotten sessions', () => {
  it('their memory comes back with the garbage collector', async () => {
    const ending = await child(
      `
      const bytes = 256 << 20;
      await (async () => { const s = cpu(); await s.reserve(bytes); })();
      const held = process.memoryUsage().rss;
      let left = held;
      for (let i = 0; i < 200 && left > held - bytes * 0.9; i++) { global.gc(); await sleep(20); left = process.memoryUsage().rss; }
      tell(left <= held - bytes * 0.9 ? 'released' : 'held ' + held + ' left ' + left);`,
      {},
      ['--expose-gc'],
    );
    expectEnding(ending, 0, 'released');
  });

  it('are collected though nobody asks: their memory counts', async () => {
    const ending = await child(`
      const bytes = 128 << 20;
      const before = process.memoryUsage().rss;
      let most = 0;
      for (let i = 0; i < 16; i++) {
        await (async () => { const s = cpu(); await s.reserve(bytes); })();
        await sleep(20);
        most = Math.max(most, process.memoryUsage().rss - before);
      }
      tell(most < 8 * bytes ? 'few at a time' : String(most / bytes));`);
    expectEnding(ending, 0, 'few at a time');
  });

  it('one with a run pending finishes it first', async () => {
    const ending = await child(
      `
      const run = await (async () => { const s = fake(0); const entry = await s.load(context.empty); return { promise: s.run(entry, 40, 0, counter) }; })();
      for (let i = 0; i < 10; i++) { global.gc(); await sleep(10); }
      tell(String((await run.promise).steps));`,
      {},
      ['--expose-gc'],
    );
    expectEnding(ending, 0, '40');
  });
});
