/**
 * What libgomp is told about waiting when the addon is loaded; it prints its own settings where OMP_DISPLAY_ENV asks. And the
 * bound on threads that a model is compiled with, and what becomes of it where OpenMP's environment grants fewer.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import * as gs from '../lib/index.js';
import { native } from '../lib/runtime/native.js';
import { expectClose } from './helpers/close.js';
import { expectFailure, wrong } from './helpers/failure.js';

const NATIVE = fileURLToPath(new URL('../lib/runtime/native.ts', import.meta.url));
const SCRIPT = `const { native } = await import(${JSON.stringify(NATIVE)}); native(); console.log(process.env.GOMP_SPINCOUNT ?? 'unset');`;

/** Loads the addon in a process of its own; libgomp's settings, and GOMP_SPINCOUNT as children would inherit it. */
function load(extra: NodeJS.ProcessEnv): { settings: string; inherited: string } {
  const { GOMP_SPINCOUNT: _spin, OMP_WAIT_POLICY: _policy, ...env } = process.env;
  const result = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', SCRIPT], {
    env: { ...env, OMP_DISPLAY_ENV: 'verbose', ...extra },
    encoding: 'utf8',
  });
  expect(result.status, result.stderr).to.equal(0);
  return { settings: result.stderr, inherited: result.stdout.trim() };
}

describe('threads between parallel regions', () => {
  it('spin a thousand turns, and child processes hear nothing of it', () => {
    const { settings, inherited } = load({});
    expect(settings).to.match(/GOMP_SPINCOUNT = '1000'/);
    expect(inherited).to.equal('unset');
  });

  it('spin as long as the user says', () => {
    const { settings, inherited } = load({ GOMP_SPINCOUNT: '77' });
    expect(settings).to.match(/GOMP_SPINCOUNT = '77'/);
    expect(inherited).to.equal('77');
  });

  it('wait as the user says', () => {
    expect(load({ OMP_WAIT_POLICY: 'PASSIVE' }).settings).to.match(/GOMP_SPINCOUNT = '0'/);
  });
});

const INDEX = fileURLToPath(new URL('../lib/index.ts', import.meta.url));

/** Losses of a small network on two threads, trained in a process of its own. */
function trainedUnder(extra: NodeJS.ProcessEnv): number[] {
  const script = `
    const gs = await import(${JSON.stringify(INDEX)});
    const { layers } = gs;
    const model = gs.sequential([
      layers.conv2d({ filters: 32, kernelSize: 1, inputShape: [12, 12, 16] }),
      layers.reshape({ targetShape: [12, 384] }),
      layers.lstm({ units: 70 }),
      layers.dense({ units: 1 }),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', threads: 2, seed: 3 });
    const x = gs.tensor(Float32Array.from({ length: 24 * 2304 }, (_, i) => Math.sin(i * 1.1)), [24, 12, 12, 16]);
    const y = Float32Array.from({ length: 24 }, (_, i) => Math.cos(i));
    const { loss } = await model.fit(x, y, { epochs: 3, batchSize: 24, shuffle: false });
    console.log(JSON.stringify(loss));`;
  const { OMP_NUM_THREADS: _threads, ...env } = process.env;
  const result = spawnSync(process.execPath, ['--import=tsx', '--input-type=module', '-e', script], {
    env: { ...env, ...extra },
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  expect(result.status, result.stderr).to.equal(0);
  return JSON.parse(result.stdout) as number[];
}

describe('threads that the environment withholds', () => {
  let plain: number[];
  before(() => {
    plain = trainedUnder({});
  });
  for (const setting of [{ OMP_THREAD_LIMIT: '1' }, { OMP_DYNAMIC: 'true' }, { OMP_MAX_ACTIVE_LEVELS: '0' }]) {
    it(`${Object.entries(setting).join().replace(',', '=')} changes no number`, () => expectClose(trainedUnder(setting), plain));
  }
});

describe('the threads option', () => {
  const rows = 96;
  const x = gs.tensor(
    Float32Array.from({ length: rows * 40 }, (_, i) => Math.sin(i * 0.3)),
    [rows, 40],
  );
  const y = Int32Array.from({ length: rows }, (_, i) => i % 7);

  function network(threads?: number): gs.Sequential {
    const model = gs.sequential([
      gs.layers.dense({ units: 150, activation: 'relu', inputShape: [40] }),
      gs.layers.dropout({ rate: 0.1 }),
      gs.layers.dense({ units: 7, activation: 'softmax' }),
    ]);
    const loss = 'sparseCategoricalCrossentropy';
    model.compile({ optimizer: 'adam', loss, device: 'cpu', seed: 3, ...(threads !== undefined && { threads }) });
    return model;
  }

  async function trained(threads?: number): Promise<{ loss: number[]; outputs: number[]; threads: number }> {
    using model = network(threads);
    const { loss } = await model.fit(x, y, { epochs: 3 });
    const { threads: used } = await model.profile(x, undefined, { print: false, steps: 1 });
    return { loss: [...loss], outputs: [...(await model.predict(x)).data], threads: used };
  }

  for (const threads of [1, 2, native().threads + 3]) {
    it(`${threads === 1 ? 'one thread' : threads === 2 ? 'two threads' : 'more than the process may use'}: the same bits each time`, async () => {
      const first = await trained(threads);
      expect(first.threads).to.equal(threads);
      expect(await trained(threads)).to.deep.equal(first);
    });
  }

  it('changes sums by no more than their rounding', async () => {
    const [one, two] = [await trained(1), await trained(2)];
    one.loss.forEach((loss, i) => expect(two.loss[i]).to.be.closeTo(loss, 1e-5));
    one.outputs.forEach((output, i) => expect(two.outputs[i]).to.be.closeTo(output, 1e-4));
  });

  it('is what the process may use where nothing is said, or 0', async () => {
    const usable = (await gs.devices()).find((d) => d.name === 'cpu')!.threads!;
    const all = await trained(usable);
    expect(await trained()).to.deep.equal(all);
    expect(await trained(0)).to.deep.equal(all);
  });

  it('is a bound: no more threads than asked for run', async () => {
    const script = (threads: number): string => `
      import { readdirSync } from 'node:fs';
      const gs = await import(${JSON.stringify(new URL('../lib/index.ts', import.meta.url).href)});
      const model = gs.sequential([gs.layers.dense({ units: 256, inputShape: [256] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', threads: ${threads} });
      const count = () => readdirSync('/proc/self/task').length;
      await gs.devices();
      const x = gs.tensor(new Float32Array(256 * 256), [256, 256]);
      await model.getWeights();
      const before = count();
      await model.fit(x, x, { epochs: 3 });
      console.log(count() - before);
      process.exit();`;
    const added = (threads: number): number => {
      const args = ['--import=tsx', '--input-type=module', '-e', script(threads)];
      const result = spawnSync(process.execPath, args, { encoding: 'utf8' });
      expect(result.status, result.stderr).to.equal(0);
      return Number(result.stdout);
    };
    // The device's own thread is one of the team.
    expect(added(3) - added(1)).to.equal(2);
  });

  it('is an integer from 0 to 1,024', async () => {
    const message = 'Expected integer from 0 to 1024 for compile.threads but received';
    await expectFailure(() => network(-1), 'ERR_OPTION', `${message} -1 of type number`);
    await expectFailure(() => network(1.5), 'ERR_OPTION', `${message} 1.5 of type number`);
    await expectFailure(() => network(1025), 'ERR_OPTION', `${message} 1025 of type number`);
    await expectFailure(() => network(wrong('2')), 'ERR_OPTION', `${message} "2" of type string`);
  });
});

describe('subnormal numbers on the CPU', () => {
  it('count as zero in every thread, as operands and as results', async () => {
    const shape = [1 << 17];
    using scale = gs.compile(({ x }) => gs.ops.mul(gs.ops.mul(x!, 1e-20), 1e30), {
      inputs: { x: { shape } },
      device: 'cpu',
      threads: 2,
    });
    // 1e-18 · 1e-20 = 1e-38 is subnormal and would come to 1e-8; 1e-17 · 1e-20 = 1e-37 is not. 1e-40 is subnormal itself.
    const x = Float32Array.from({ length: shape[0]! }, (_, i) => [1e-18, 1e-17, 1e-40][i % 3]!);
    const { data } = await scale({ x });
    const wrongAt = data.findIndex((value, i) => (i % 3 === 1 ? Math.abs(value - 1e-7) > 1e-13 : value !== 0));
    expect(wrongAt).to.equal(-1);
  });
});
