/**
 * The bench without any peer: its workloads have the networks they are said to have, and its table and chart say of made-up
 * rows what one works out by hand.
 */
import { expect } from 'chai';
import { barsOf, chartSvg } from '../bench/chart.js';
import { floorOf, limitsOfGpu } from '../bench/limits.js';
import { variantsOf } from '../bench/peers.js';
import { deviceName } from '../bench/results.js';
import { bestPeer, bestVariants, isTrusted, referenceLoss, type Failure, type Row } from '../bench/row.js';
import { printTable } from '../bench/table.js';
import { WORKLOADS } from '../bench/workloads.js';
import { programOf } from '../lib/train/inspect.js';

function row(implementation: string, ms: number, loss: number | null, more: Partial<Row> = {}): Row {
  return {
    workload: 'mlp',
    implementation,
    variant: '2 threads',
    device: 'cpu',
    precision: 'float32',
    ms_per_step: ms,
    samples_per_s: 128e3 / ms,
    steps: 100,
    loss,
    peak_mb: 250.4,
    share: 1 / ms,
    ...more,
  };
}

const limits = { bandwidth: 20e9, float32: 200e9, bfloat16: 400e9, perNode: 0 };

/** Ours takes 2 ms, the right peers 4 and 5, one that trains something else 1 and one that is too slow to tell 1,000. */
const ROWS = [
  row('gradstep', 2, 1.02),
  row('pytorch 2 eager', 8, 1.0, { variant: '1 thread' }),
  row('pytorch 2 eager', 4, 1.04),
  row('jax 1 jit', 5, 0.95),
  row('keras 3', 1, 2.3),
  row('tfjs 4 cpu', 1000, null),
];

const FAILURE: Failure = {
  workload: 'mlp',
  implementation: 'tfjs wasm',
  variant: '',
  device: 'cpu',
  precision: 'float32',
  cannot: 'no kernel for it',
};

describe('bench: workloads', () => {
  /** Weights of an LSTM: four gates of inputs, states and a bias. */
  const lstm = (inputs: number, units: number): number => 4 * units * (inputs + units + 1);
  const dense = (inputs: number, units: number): number => (inputs + 1) * units;
  /** A 3×3 convolution without bias, and four numbers a channel of its normalisation. */
  const conv = (inputs: number, filters: number, size = 9): number => size * inputs * filters + 4 * filters;
  const stage = (inputs: number, filters: number): number =>
    conv(inputs, filters) + 5 * conv(filters, filters) + (inputs === filters ? 0 : conv(inputs, filters, 1));
  const resnet = conv(3, 16) + stage(16, 16) + stage(16, 32) + stage(32, 64) + dense(64, 10);
  const sizes: Record<string, number> = {
    mlp_small: dense(784, 128) + dense(128, 10),
    mlp: dense(784, 512) + dense(512, 512) + dense(512, 10),
    cnn_mnist: dense(9, 32) + dense(9 * 32, 64) + dense(12 * 12 * 64, 128) + dense(128, 10),
    resnet20: resnet,
    resnet20_512: resnet,
    lstm_lm: 96 * 128 + lstm(128, 256) + lstm(256, 256) + dense(256, 96),
    lrcn: dense(9, 16) + dense(9 * 16, 32) + dense(8 * 8 * 32, 128) + lstm(128, 128) + dense(128, 4),
  };
  for (const workload of WORKLOADS) {
    it(`${workload.name}: its weights, and whole batches`, () => {
      using model = workload.build();
      const weights = model.weights.reduce((sum, { shape }) => sum + shape.reduce((n, d) => n * d, 1), 0);
      expect(weights).to.equal(sizes[workload.name]);
      expect(workload.samples % workload.batch).to.equal(0);
    });
  }

  it('data: made for few samples, in [0, 1), with every class', () => {
    const workload = WORKLOADS.find(({ name }) => name === 'resnet20')!;
    const { x, y } = workload.data({ ...workload, samples: 64 });
    expect(x.shape).to.deep.equal([64, 32, 32, 3]);
    expect(x.data.every((v) => v >= 0 && v < 1)).to.equal(true);
    expect(new Set(y.data).size).to.equal(10);
  });

  it('a step takes at least its products at the rate of its precision', () => {
    const mlp = WORKLOADS.find(({ name }) => name === 'mlp')!;
    // Forward, and the gradients of weights and inputs, but none of the data: 2 operations a weight and row each.
    const products = 2 * 128 * (2 * 784 * 512 + 3 * 512 * 512 + 3 * 512 * 10);
    const free = { ...limits, bandwidth: Infinity };
    expect(floorOf(mlp, 'cpu', 'float32', free)).to.be.closeTo((products / 200e9) * 1e3, 1e-9);
    expect(floorOf(mlp, 'cpu', 'bfloat16', free)).to.be.closeTo((products / 400e9) * 1e3, 1e-9);
    expect(floorOf(mlp, 'cpu', 'float32', limits)).to.be.above((products / 200e9) * 1e3);
  });

  it('limits of a Hopper GPU are its own, not what our products reach', () => {
    const hopper = { bandwidth: 3e12, float32: 60e12, bfloat16: 8e14, perNode: 2e-6 };
    expect(limitsOfGpu('NVIDIA H100 80GB HBM3')).to.deep.equal(hopper);
    expect(limitsOfGpu('NVIDIA H200')).to.deep.equal(hopper);
    expect(limitsOfGpu('NVIDIA GeForce RTX 4090')).to.equal(undefined);
    expect(limitsOfGpu('emulated CUDA device')).to.equal(undefined);
  });

  it('and at least a node of the graph for each instruction that must wait for the one before', () => {
    const mlp = WORKLOADS.find(({ name }) => name === 'mlp')!;
    const idle = { bandwidth: Infinity, float32: Infinity, bfloat16: Infinity, perNode: 2e-6 };
    using model = mlp.build();
    model.compile({ optimizer: mlp.optimizer(), loss: 'sparseCategoricalCrossentropy', device: 'cpu', seed: 1 });
    const { instructions } = programOf(model, { kind: 'train', rows: mlp.batch }, 'cuda').program;
    expect(instructions).to.have.length(15);
    // Rows; three layers; the loss; two layers back, the first one's weights; update; counter. The rest runs beside them.
    expect(floorOf(mlp, 'cuda-emulated', 'float32', idle)).to.be.closeTo(10 * 2e-3, 1e-9);
    expect(printTable({ limits: { ...limits, perNode: 2e-6 }, outcomes: ROWS })).to.contain(
      '400 in bfloat16, 2 µs a node of the graph.',
    );
  });
});

describe('bench: which rows count', () => {
  it('the reference is the median of what PyTorch reaches, or of all', () => {
    expect(referenceLoss(ROWS)).to.equal(1.02);
    expect(referenceLoss(ROWS.filter((r) => !r.implementation.startsWith('pytorch')))).to.equal(1.02);
    expect(referenceLoss([row('tfjs 4 cpu', 1, null)])).to.equal(undefined);
  });

  it('a loss within 8 % is trusted, another is not, and none is not', () => {
    expect(isTrusted(row('a', 1, 1.079), 1)).to.equal(true);
    expect(isTrusted(row('a', 1, 1.081), 1)).to.equal(false);
    expect(isTrusted(row('a', 1, 0.921), 1)).to.equal(true);
    expect(isTrusted(row('a', 1, 0.919), 1)).to.equal(false);
    expect(isTrusted(row('a', 1, null), 1)).to.equal(false);
  });

  it('the best peer is the fastest that trained the network', () => {
    expect(bestPeer(ROWS, 'float32')).to.equal(ROWS[2]);
  });

  it('in bfloat16 a peer may stay with float32', () => {
    const slower = row('pytorch 2 eager', 6, 1.0, { precision: 'bfloat16' });
    const faster = row('pytorch 2 eager', 3, 1.0, { precision: 'bfloat16' });
    expect(bestPeer([...ROWS, slower], 'bfloat16')).to.equal(ROWS[2]);
    expect(bestPeer([...ROWS, faster], 'bfloat16')).to.equal(faster);
    expect(bestPeer([...ROWS, faster], 'float32')).to.equal(ROWS[2]);
  });

  it('of each implementation the best variant is shown', () => {
    expect(bestVariants(ROWS)).to.deep.equal([ROWS[4], ROWS[0], ROWS[2], ROWS[3], ROWS[5]]);
  });
});

describe('bench: what it prints', () => {
  it('the table has ratios, shares, memory and losses', () => {
    const lines = printTable({ limits, outcomes: [...ROWS, FAILURE] }).split('\n');
    const cells = (implementation: string): string[] =>
      lines
        .find((line) => line.includes(implementation))!
        .split('│')
        .map((cell) => cell.trim())
        .slice(1, -1);
    const own = ['mlp', 'float32', 'gradstep, 2 threads', '2.0000', '64000', '2.00 ×', '50 %', '250', '1.020'];
    expect(cells('gradstep')).to.deep.equal(own);
    expect(cells('pytorch').slice(2, 6)).to.deep.equal(['pytorch 2 eager, 2 threads', '4.0000', '32000', '1.00 ×']);
    expect(cells('jax').slice(5)).to.deep.equal(['0.80 ×', '20 %', '250', '0.950']);
    expect(cells('keras').at(-1)).to.equal('2.300 ✗');
    expect(cells('tfjs 4 cpu').at(-1)).to.equal('–');
    expect(lines).to.include('mlp float32 tfjs wasm cannot: no kernel for it');
    expect(lines).to.include('Limits: 20 GB/s, 200 GFLOP/s in float32, 400 in bfloat16.');
  });

  it('the chart has a bar for each that trained the network', async () => {
    const bars = barsOf(ROWS);
    expect(bars.map((b) => [b.implementation, b.ratio])).to.deep.equal([
      ['gradstep', 2],
      ['pytorch 2 eager', 1],
      ['jax 1 jit', 0.8],
      ['tfjs 4 cpu', 0.004],
    ]);
    const svg = await chartSvg(ROWS);
    expect(svg).to.match(/^<svg /);
    for (const { implementation } of bars) expect(svg).to.include(`>${implementation}</text>`);
    for (const label of ['2.00', '1.00', '0.80', '0.00']) expect(svg).to.include(`>${label}</text>`);
    expect(svg).not.to.include('keras');
  });

  it('where gradstep could not train one workload, the table says so beside its other rows', () => {
    const failure: Failure = { ...FAILURE, workload: 'lrcn', implementation: 'gradstep', cannot: 'out of memory' };
    const printed = printTable({ limits, outcomes: [...ROWS, failure] });
    expect(printed.split('\n')).to.include('lrcn float32 gradstep cannot: out of memory');
    expect(printed).to.match(/│ mlp +│ float32 +│ gradstep, 2 threads/);
  });

  it('a workload without a peer has no bars', () => {
    expect(barsOf([row('gradstep', 2, 1)])).to.deep.equal([]);
  });

  it('a processor’s name as part of a file’s', () => {
    expect(deviceName('Intel(R) Xeon(R) Gold 6430 CPU @ 2.10GHz')).to.equal('xeon_gold_6430');
    expect(deviceName('AMD EPYC 9R14 96-Core Processor')).to.equal('epyc_9r14');
    expect(deviceName('Intel(R) Xeon(R) Processor')).to.equal('xeon');
    expect(deviceName('')).to.equal('unknown');
  });
});

describe('bench: variants of the peers', () => {
  const setting = { workload: 'lstm_lm', device: 'cuda:0', precision: 'float32', seconds: 1 } as const;
  const shown = (peer: 'pytorch' | 'jax' | 'keras' | 'tfjs', more: object = {}) =>
    variantsOf(peer, { ...setting, ...more }).map((v) => [v.mode, v.variant, v.args.join(' ')]);

  it('every mode with every setting', () => {
    expect(shown('pytorch')).to.deep.equal([
      ['eager', 'fused', ''],
      ['eager', 'foreach', '--foreach'],
      ['compile', 'fused', '--compile'],
      ['compile', 'foreach', '--compile --foreach'],
      ['graph', 'fused', '--graph'],
      ['compile graph', 'fused', '--compile --graph'],
    ]);
    expect(shown('pytorch', { workload: 'resnet20' })).to.deep.equal([
      ['eager', 'fused, channels first', ''],
      ['eager', 'fused, channels last', '--channels-last'],
      ['compile', 'fused, channels first', '--compile'],
      ['compile', 'fused, channels last', '--compile --channels-last'],
      ['graph', 'fused, channels first', '--graph'],
      ['graph', 'fused, channels last', '--graph --channels-last'],
      ['compile graph', 'fused, channels first', '--compile --graph'],
      ['compile graph', 'fused, channels last', '--compile --graph --channels-last'],
    ]);
    const onCpu = shown('pytorch', { device: 'cpu' });
    expect(onCpu.filter(([, , args]) => args!.includes('--graph'))).to.deep.equal([]);
    expect(shown('jax').map(([mode]) => mode)).to.deep.equal(['jit', 'jit of scanned steps']);
    expect(shown('keras').map(([mode]) => mode)).to.deep.equal(['tf.function', 'jit']);
  });

  it('TensorFlow.js: float32 on the CPU only', () => {
    expect(shown('tfjs')).to.deep.equal([]);
    expect(shown('tfjs', { device: 'cpu', precision: 'bfloat16' })).to.deep.equal([]);
    expect(shown('tfjs', { device: 'cpu' }).map(([mode]) => mode)).to.deep.equal(['node', 'wasm', 'cpu']);
  });
});
