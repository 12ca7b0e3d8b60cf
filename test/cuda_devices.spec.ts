/**
 * Machines as users have them, emulated: several GPUs, one that is too small for a batch, and those on which CUDA cannot be
 * used. Then the CUDA backend where any call of the runtime fails (test/native/cuda_backend).
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import * as gs from '../lib/index.js';
import { pluginPath } from '../lib/runtime/native.js';
import { withGpus } from './helpers/emulated_gpus.js';
import { expectFailure, failure } from './helpers/failure.js';

const { dense, dropout } = gs.layers;

function gaussianish(n: number, seed: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => Math.sin(seed + 12.9898 * i) * Math.cos(78.233 * i));
}

interface Outcome {
  loss: readonly number[];
  weights: readonly number[][];
}

/** Trains a small network; the seed decides data and everything random. */
async function train(device: gs.DeviceName, seed: number): Promise<Outcome> {
  using model = gs.sequential([
    dense({ units: 24, activation: 'tanh', inputShape: [6] }),
    dropout({ rate: 0.25 }),
    dense({ units: 3, activation: 'softmax' }),
  ]);
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, seed });
  const x = gs.tensor(gaussianish(96 * 6, seed), [96, 6]);
  const y = gs.tensor(
    Int32Array.from({ length: 96 }, (_, i) => (x.data[6 * i]! > 0 ? 1 : 0) + (x.data[6 * i + 1]! > 0 ? 1 : 0)),
    [96],
  );
  const { loss } = await model.fit(x, y, { epochs: 4, batchSize: 16 });
  return { loss: loss!, weights: (await model.getWeights()).map(({ data }) => [...data]) };
}

describe('a machine with two GPUs', () => {
  it('lists both, with their memory', () =>
    withGpus({ devices: 2, memory: 3e9 }, async () => {
      const gpu = { description: 'emulated CUDA device', memoryBytes: 3e9, available: true, bfloat16: 'native' };
      const [, ...gpus] = await gs.devices();
      expect(gpus).to.deep.equal([
        { ...gpu, name: 'cuda:0' },
        { ...gpu, name: 'cuda:1' },
      ]);
    }));

  it('trains a model on each at once, with the numbers of each alone', async () => {
    const alone = await withGpus({}, async () => [await train('cuda:0', 1), await train('cuda:0', 2)]);
    const together = await withGpus({ devices: 2 }, () => Promise.all([train('cuda:0', 1), train('cuda:1', 2)]));
    expect(together).to.deep.equal(alone);
    for (const [i, { loss }] of together.entries()) {
      const cpu = await train('cpu', i + 1);
      loss.forEach((value, epoch) => expect(value, `epoch ${epoch}`).to.be.closeTo(cpu.loss[epoch]!, 1e-4));
    }
  });

  it('has the memory of both', () =>
    withGpus({ devices: 2, memory: 2e6 }, async () => {
      const x = gs.tensor(new Float32Array(1024), [1, 1024]);
      const models = [0, 1].map((seed) => {
        const model = gs.sequential([dense({ units: 140, inputShape: [1024], useBias: false })]);
        model.compile({ optimizer: gs.optimizers.sgd(), loss: 'meanSquaredError', device: `cuda:${seed}`, seed });
        return model;
      });
      try {
        for (const model of models) await model.predict(x); // 573,440 bytes of weights, and as many of gradients
        models[1]!.compile({ optimizer: gs.optimizers.sgd(), loss: 'meanSquaredError', device: 'cuda:0' });
        const error = await failure(models[1]!.predict(x));
        expect(error.code).to.equal('ERR_OOM');
      } finally {
        for (const model of models) await model.dispose();
      }
    }));

  it('has no third', () =>
    withGpus({ devices: 2 }, () =>
      expectFailure(
        () => train('cuda:2', 1),
        'ERR_DEVICE_UNAVAILABLE',
        "The device 'cuda:2' cannot be used: this machine has cuda:0, cuda:1",
      ),
    ));

  it('says why one of them cannot be used', () =>
    withGpus({ devices: 2, capability: '9.0,6.1' }, async () => {
      expect((await gs.devices()).map(({ name }) => name)).to.deep.equal(['cpu', 'cuda:0']);
      await expectFailure(
        () => train('cuda:1', 1),
        'ERR_DEVICE_UNAVAILABLE',
        /^The device 'cuda:1' cannot be used: this machine has cuda:0\. GPU 1 \(emulated CUDA device\) has compute capability 6\.1, /,
      );
    }));
});

describe('a batch that the GPU has no memory for', () => {
  const ROWS = 2048;
  const FEATURES = 32;
  const RATE = 0.05;
  const x = gs.tensor(gaussianish(ROWS * FEATURES, 3), [ROWS, FEATURES]);
  const y = gs.tensor(gaussianish(ROWS, 4), [ROWS, 1]);
  const first = gaussianish(FEATURES, 5);

  /** Gradient descent over one epoch in float64: the mean of the batches' losses, and the weights. */
  function descend(batch: number): { loss: number; weights: number[] } {
    const weights = [...first];
    let total = 0;
    for (let begin = 0; begin < ROWS; begin += batch) {
      const gradient = weights.map(() => 0);
      for (let row = begin; row < begin + batch; row++) {
        const features = x.data.subarray(row * FEATURES, (row + 1) * FEATURES);
        const error = weights.reduce((sum, w, i) => sum + w * features[i]!, 0) - y.data[row]!;
        total += error ** 2;
        gradient.forEach((_, i) => (gradient[i]! += (2 * error * features[i]!) / batch));
      }
      gradient.forEach((g, i) => (weights[i]! -= RATE * g));
    }
    return { loss: total / ROWS, weights };
  }

  it('is refused with how much it needs and how much there is, and a smaller one trains', () =>
    // The rows take 262,144 bytes and those of a batch as many again.
    withGpus({ memory: 390_000 }, async () => {
      using model = gs.sequential([dense({ units: 1, useBias: false, inputShape: [FEATURES] })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: RATE }), loss: 'meanSquaredError', device: 'cuda:0' });
      await model.setWeights([gs.tensor(first, [FEATURES, 1])]);
      for (const batchSize of [ROWS, ROWS / 2]) {
        const error = await failure(model.fit(x, y, { batchSize, shuffle: false }));
        expect(error.code).to.equal('ERR_OOM');
        const sizes = /^Out of GPU memory: (.*) needs (\d+) bytes, (\d+) of 390000 are in use and (\d+) are free$/.exec(
          error.message,
        );
        expect(sizes, error.message).to.not.equal(null);
        const [purpose, needed, used, free] = [sizes![1], ...sizes!.slice(2).map(Number)] as [string, number, number, number];
        expect(purpose).to.equal("a program's intermediate values");
        expect(needed)
          .to.be.at.least(batchSize * FEATURES * 4)
          .and.greaterThan(free);
        expect(used)
          .to.be.at.least(ROWS * (FEATURES + 1) * 4)
          .and.equal(390_000 - free);
      }
      const { loss } = await model.fit(x, y, { batchSize: 64, shuffle: false });
      const expected = descend(64);
      expect(loss![0]).to.be.closeTo(expected.loss, 1e-5 * expected.loss);
      const [weights] = await model.getWeights();
      expected.weights.forEach((w, i) => expect(weights!.data[i], `weight ${i}`).to.be.closeTo(w, 1e-5));
    }));
});

describe('a machine on which CUDA cannot be used', () => {
  const gpu = String.raw`GPU 0 \(emulated CUDA device\)`;
  const machines: Record<string, [Parameters<typeof withGpus>[0], RegExp]> = {
    'has no driver': [{ driver: 0 }, /^No NVIDIA driver was found \(libcuda\.so\.1\): install one that supports CUDA 13\.0\.$/],
    'has an old driver': [
      { driver: 12040 },
      /^The NVIDIA driver supports CUDA 12\.4, and gradstep needs CUDA 13\.0: update the driver\.$/,
    ],
    'has no GPU': [{ devices: 0 }, /^The NVIDIA driver sees no GPU; CUDA_VISIBLE_DEVICES may hide it\.$/],
    'has no cuBLAS': [{ cublas: 'cuBLAS was not found: install it.' }, /^cuBLAS was not found: install it\.$/],
    'has an old GPU': [
      { capability: '6.1' },
      new RegExp(`^${gpu} has compute capability 6\\.1, and this build of gradstep needs \\d\\.\\d or higher\\.$`),
    ],
    'has two old GPUs': [
      { devices: 2, capability: '6.1,5.0' },
      new RegExp(`^${gpu} has compute capability 6\\.1, .* higher\\. GPU 1 \\(.*\\) has compute capability 5\\.0, .* higher\\.$`),
    ],
  };
  for (const [what, [machine, why]] of Object.entries(machines)) {
    it(`${what}: says so, and trains on the CPU unless CUDA was asked for`, () =>
      withGpus(machine, async () => {
        const [cpu, ...others] = await gs.devices();
        expect(cpu!.name).to.equal('cpu');
        expect(others).to.have.length(1);
        const { reason, ...absent } = others[0]!;
        expect(absent).to.deep.equal({ name: 'cuda', description: 'NVIDIA GPU', memoryBytes: 0, available: false });
        expect(reason).to.match(why);
        const message = new RegExp(`^The device 'cuda:0' cannot be used: ${why.source.slice(1)}`);
        await expectFailure(() => train('cuda:0', 1), 'ERR_DEVICE_UNAVAILABLE', message);
        expect(await train('auto', 1)).to.deep.equal(await train('cpu', 1));
      }));
  }

  it('has no CUDA library of gradstep', () =>
    withGpus({}, async () => {
      process.env.GRADSTEP_CUDA_PLUGIN = '/nowhere/gradstep_cuda.so';
      const reason = "gradstep's CUDA library is not part of this installation (sought: /nowhere/gradstep_cuda.so)";
      expect((await gs.devices())[1]).to.include({ name: 'cuda', available: false, reason });
      const message = `The device 'cuda' cannot be used: ${reason}`;
      await expectFailure(() => train('cuda', 1), 'ERR_DEVICE_UNAVAILABLE', message);
    }));
});

describe('the CUDA backend in C++', () => {
  it('survives every failing call, says which it was, leaves nothing behind; and knows its device', () => {
    const program = join(dirname(pluginPath('cuda-emulated').path!), 'gradstep_cuda_backend_test');
    const { status, stdout } = spawnSync(program, { encoding: 'utf8' });
    expect(stdout).to.match(/^\d+ passed, 0 failed\n$/);
    expect(status).to.equal(0);
  });
});
