/** Memory that the system refuses to a process: what failed says so, and what needs less goes on as if nothing had happened. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { packageRoot } from '../lib/runtime/native.js';

/** Runs a script that may call `limit(bytes)`: from then on the process may take so many bytes more. Returns the lines it printed. */
function linesOf(script: string): string[] {
  const begin = `
    import { execFileSync } from 'node:child_process';
    import { readFileSync } from 'node:fs';
    import * as gs from './lib/index.ts';
    const limit = (bytes) => {
      const size = 1024 * Number(/VmSize:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      execFileSync('prlimit', ['--pid', String(process.pid), '--as=' + (size + bytes) + ':']);
    };
    const outcome = (promise) => promise.then(() => 'went well', (error) => error.code);
    const compiled = (layers, options) => {
      const model = gs.sequential(layers);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1, threads: 1, ...options });
      return model;
    };`;
  // What WebAssembly would reserve of the address space for its guards (tsx uses it) is more than the limits are.
  const args = ['--disable-wasm-trap-handler', '--import', 'tsx', '--input-type=module', '-e', begin + script];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { cwd: packageRoot(), encoding: 'utf8' });
  expect({ status, signal }, stderr).to.deep.equal({ status: 0, signal: null });
  return stdout.trim().split('\n');
}

/** The losses of a few rows, trained on twice, with a batch in between that there is no memory for, and without it. */
const beside = `
  const losses = [];
  for (const shortage of [false, true]) {
    const model = compiled(...network());
    const small = async () => (await model.fit(x.rows(0, few), y.rows(0, few), { batchSize: few })).loss[0];
    losses.push([await small()]);
    if (shortage) {
      limit(left);
      console.log(await outcome(model.fit(x, y, { batchSize: 8192 })));
    }
    losses.at(-1).push(await small(), (await model.predict(x.rows(0, 1))).data[0]);
  }
  console.log(JSON.stringify(losses));`;

describe('memory that the system refuses on the CPU', () => {
  for (const [what, network] of [
    [
      'values of a step',
      `const x = gs.tensor(new Float32Array(8192 * 64).fill(0.1), [8192, 4, 16]), y = gs.tensor(new Float32Array(8192), [8192, 1]);
      const [few, left] = [1024, 40e6]; // the system takes so large a block back as soon as it is free
      const network = () => [[gs.layers.lstm({ units: 128, inputShape: [4, 16] }), gs.layers.dense({ units: 1 })]];`,
    ],
    [
      'the workspace',
      // 17 MB of bytes, 134 MB of values of a step, and beside them 134 MB: each channel of x twice.
      `const x = gs.tensor(new Uint8Array(8192 * 2048).fill(1), [8192, 8, 16, 16]), y = gs.tensor(new Float32Array(8192).fill(1), [8192, 1]);
      const [few, left] = [1, 220e6];
      const { dense, depthwiseConv2d, globalAveragePooling2d } = gs.layers;
      const wide = () => depthwiseConv2d({ kernelSize: 2, strides: 2, depthMultiplier: 2, inputShape: [8, 16, 16] });
      const network = () => [[wide(), globalAveragePooling2d(), dense({ units: 1 })]];`,
    ],
  ]) {
    it(`for ${what} is ERR_OOM, and smaller batches train as before`, () => {
      const [refused, printed] = linesOf(network + beside);
      expect(refused).to.equal('ERR_OOM');
      const [whole, cut] = JSON.parse(printed!) as number[][];
      expect(whole!.every(Number.isFinite)).to.equal(true);
      expect(cut).to.deep.equal(whole);
    });
  }

  it('for what JavaScript reads is ERR_OOM', () => {
    const outcomes = linesOf(`
      const { native } = await import('./lib/runtime/native.ts');
      const session = new (native().Session)({ device: 'cpu', threads: 1 });
      await session.reserve(100e6);
      for (const bytes of [50e6, 150e6, 300e6]) {
        limit(bytes); // too little for a copy, for the copy and JavaScript's, and enough
        console.log(await outcome(session.read({ region: 'persistent', offset: 0, bytes: 100e6 })));
      }`);
    expect(outcomes).to.deep.equal(['ERR_OOM', 'ERR_OOM', 'went well']);
  });
});
