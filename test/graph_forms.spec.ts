/**
 * Programs whose steps run side by side in the CUDA graph (native/core/schedule.h): on the emulated device, whose graphs run
 * their nodes in any order that their edges allow, models train to the same bits as in turn; and which form a session takes.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { Traced } from './helpers/emulation.js';

const ROWS = 24;

function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 1.7 * i) + 0.5 * Math.cos(0.3 * i * seed));
}

/** What models are made of: branches that join, layers that need workspaces, noise, normalisation, recurrences. */
const MODELS: Readonly<Record<string, { shape: number[]; build: () => gs.Model }>> = {
  'dense layers': {
    shape: [20],
    build: () =>
      gs.sequential([
        gs.layers.dense({ units: 140, activation: 'relu', inputShape: [20] }),
        gs.layers.dropout({ rate: 0.3 }),
        gs.layers.dense({ units: 132, activation: 'relu' }),
        gs.layers.dense({ units: 3, activation: 'softmax' }),
      ]),
  },
  'a residual block': {
    shape: [6, 6, 4],
    build: () => {
      const x = gs.input({ shape: [6, 6, 4] });
      const conv = (filters: number): gs.Layer => gs.layers.conv2d({ filters, kernelSize: 3, padding: 'same', useBias: false });
      const norm = (of: gs.SymbolicTensor): gs.SymbolicTensor => gs.layers.batchNormalization().apply(of);
      const first = gs.layers.reLU().apply(norm(conv(8).apply(x)));
      const joined = gs.layers.add().apply([norm(conv(8).apply(first)), norm(conv(8).apply(x))]);
      const pooled = gs.layers.globalAveragePooling2d().apply(gs.layers.reLU().apply(joined));
      return gs.model({ inputs: x, outputs: gs.layers.dense({ units: 3, activation: 'softmax' }).apply(pooled) });
    },
  },
  'two recurrences that share their input': {
    shape: [5, 4],
    build: () => {
      const x = gs.input({ shape: [5, 4] });
      const ends = [gs.layers.lstm({ units: 4 }).apply(x), gs.layers.gru({ units: 8 }).apply(x)];
      const both = gs.layers.concatenate().apply(ends);
      return gs.model({ inputs: x, outputs: gs.layers.dense({ units: 3, activation: 'softmax' }).apply(both) });
    },
  },
};

async function withSetting<T>(name: string, value: string, body: () => Promise<T>): Promise<T> {
  const before = process.env[name];
  process.env[name] = value;
  try {
    return await body();
  } finally {
    if (before === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = before;
  }
}

interface Trained {
  readonly loss: readonly number[];
  readonly weights: readonly (readonly number[])[];
  readonly predicted: readonly number[];
}

/** Two epochs in one form, nodes in the order of a seed. */
function train(name: string, form: string, seed: number): Promise<Trained> {
  const { shape, build } = MODELS[name]!;
  return withSetting('GRADSTEP_EMULATION_SEED', String(seed), () =>
    withSetting('GRADSTEP_CUDA_WAYS', form, async () => {
      using model = build();
      model.compile({
        optimizer: gs.optimizers.adam({ learningRate: 0.01, clipNorm: 1 }),
        loss: 'sparseCategoricalCrossentropy',
        metrics: ['accuracy'],
        device: 'cuda-emulated',
        seed: 3,
      });
      const size = shape.reduce((a, b) => a * b);
      const x = gs.tensor(numbers(ROWS * size, 1), [ROWS, ...shape]);
      const y = gs.tensor(
        Int32Array.from({ length: ROWS }, (_, i) => (i * 7) % 3),
        [ROWS],
      );
      const { loss } = await model.fit(x, y, { epochs: 2, batchSize: 8 });
      const weights = (await model.getWeights()).map((t) => [...t.data]);
      return { loss: loss!, weights, predicted: [...(await model.predict(x)).data] };
    }),
  );
}

describe('steps side by side on emulated CUDA', () => {
  for (const name of Object.keys(MODELS)) {
    it(`train ${name} to the bits of steps in turn`, async () => {
      const expected = await train(name, 'in turn', 0);
      expect(expected.loss[1]).to.not.equal(expected.loss[0]);
      for (const seed of [0, 1, 2, 3, 4]) {
        expect(await train(name, 'side by side', seed), `seed ${seed}`).to.deep.equal(expected);
      }
    });
  }
});

describe('recurrences of which each has the whole device', () => {
  it('never run side by side', async () => {
    const name = 'two recurrences that share their input';
    const expected = await train(name, 'in turn,persistent', 0);
    for (const seed of [1, 2]) expect(await train(name, 'side by side,persistent', seed)).to.deep.equal(expected);
  });
});

describe('which form a session takes', () => {
  /** Of the step; graphs by which ways to run one instruction are compared have fewer. */
  const NODES = 20;

  /** How many graphs training captures, on a device whose kernels take 100 µs: a batch is one step. */
  async function captures(ways: string, epochs: number): Promise<number> {
    const traced = new Traced(100);
    try {
      return await withSetting('GRADSTEP_CUDA_WAYS', ways, async () => {
        using model = MODELS['a residual block']!.build();
        model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device: 'cuda-emulated', seed: 1 });
        const x = gs.tensor(numbers(64 * 144, 2), [64, 6, 6, 4]);
        await model.fit(x, gs.tensor(new Int32Array(64), [64]), { epochs, batchSize: 4 });
        return traced.take().filter(([what, nodes]) => what === 'capture' && nodes >= NODES).length;
      });
    } finally {
      traced.end();
    }
  }

  it('is in turn where that is asked for: one graph', async () => {
    expect(await captures('in turn', 2)).to.equal(1);
  });

  it('is found by trying both: two graphs', async () => {
    expect(await captures('', 2)).to.equal(2);
  });

  it('is in turn where nothing may run beside anything: one graph', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 2, inputShape: [3] })]);
    const traced = new Traced(100);
    try {
      await withSetting('GRADSTEP_CUDA_WAYS', '', async () => {
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cuda-emulated' });
        await model.predict(gs.tensor(numbers(300, 1), [100, 3]), { batchSize: 2 });
      });
      // Rows are gathered, multiplied, scattered.
      const captured = traced.take().filter(([what]) => what === 'capture');
      expect(captured.map(([, nodes]) => nodes)).to.deep.equal([4]);
    } finally {
      traced.end();
    }
  });
});
