/**
 * What a program in bfloat16 stores in it: activations and gradients that only layers read, and nothing else. That kernels
 * read and write it is the op walk's affair (`narrow` of test/cases/op_case.ts).
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { bytesOf, type Operand, type Program } from '../lib/compile/program.js';
import type { Value } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { batchNorm } from '../lib/ops/channel_norm.js';
import { concat } from '../lib/ops/concat.js';
import { conv } from '../lib/ops/conv.js';
import { crop } from '../lib/ops/crop.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { maxPool } from '../lib/ops/max_pool.js';
import { pad } from '../lib/ops/pad.js';
import type { Precision } from '../lib/ops/precision.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { reshape } from '../lib/ops/reshape.js';
import { softmax } from '../lib/ops/softmax.js';
import { transpose } from '../lib/ops/transpose.js';
import { programOf } from '../lib/train/inspect.js';
import { lowerOn, named, type ReadVariable } from './helpers/lowered.js';

const relu = (x: Value): Value => elementwise('relu', x);
const norm = (x: Value): Value => batchNorm(x, undefined, undefined, 1e-3).y;
const lowered = (build: (read: ReadVariable) => Value[], precision: Precision = 'bfloat16'): Program =>
  lowerOn('cpu', build, precision);

/** Every operand of a program with its place, in order. */
function operands({ instructions }: Program): [place: string, operand: Operand][] {
  return instructions.flatMap(({ op, inputs, outputs }) =>
    Object.entries({ ...inputs, ...outputs }).map(([name, o]): [string, Operand] => [`${op.name}.${name}`, o]),
  );
}

const narrowOf = (program: Program): string[] =>
  operands(program).flatMap(([place, { dtype }]) => (dtype === 'bfloat16' ? [place] : []));

describe('what bfloat16 stores', () => {
  it('images on the way from layer to layer, in memory half as large', () => {
    const program = lowered((read) => {
      const y = conv(norm(relu(conv(read('x', [2, 6, 6, 4]), read('w', [3, 3, 4, 8]), {}))), read('u', [1, 1, 8, 4]), {});
      return [maxPool(y, { poolH: 2, poolW: 2 })];
    });
    expect(narrowOf(program)).to.deep.equal(['conv.y', 'channelNorm.x', 'channelNorm.y', 'conv.x', 'conv.y', 'maxPool.x']);
    for (const [place, { buffer, dtype, shape }] of operands(program)) {
      expect(buffer.bytes, place).to.equal(bytesOf(dtype, shape));
    }
    const wide = lowered(
      (read) => [maxPool(conv(read('x', [2, 6, 6, 4]), read('w', [3, 3, 4, 8]), {}), { poolH: 2, poolW: 2 })],
      'tf32',
    );
    expect(narrowOf(wide)).to.deep.equal([]);
  });

  it('gradients on the way back, and not those of weights', () => {
    const program = lowered((read) => {
      const [x, w, u] = [read('x', [2, 6, 6, 4]), read('w', [3, 3, 4, 8]), read('u', [1, 1, 8, 4])];
      const y = conv(norm(conv(x, w, {})), u, {});
      const loss = sum(elementwise('square', elementwise('sub', y, read('t', y.shape))));
      return gradients(loss, [w, u]) as Value[];
    });
    const dtypes = Object.fromEntries(operands(program).map(([place, { dtype }]) => [place, dtype]));
    expect(dtypes).to.include({ 'convDx.dy': 'bfloat16', 'convDx.dx': 'bfloat16', 'channelNormGrad.dy': 'bfloat16' });
    expect(dtypes).to.include({ 'channelNormGrad.dx': 'bfloat16', 'convDw.x': 'float32', 'convDw.dy': 'bfloat16' });
    expect(dtypes).to.include({ 'convDw.dw': 'float32', 'conv.w': 'float32', 'channelNorm.mean': 'float32' });
  });

  it('not what moves it to a result, which is float32', () => {
    const program = lowered((read) => {
      const h = matmul(read('x', [6, 3]), read('w', [3, 4]));
      const image = reshape(h, [1, 2, 3, 4]);
      const moved = [
        concat([h, h], 1),
        pad(h, [1, 0], [0, 0]),
        transpose(h, [1, 0]),
        crop(image, { height: 1, width: 2, top: 0, left: 1 }),
      ];
      return [matmul(h, read('u', [4, 2])), ...moved];
    });
    const dtypes = Object.fromEntries(operands(program).map(([place, { dtype }]) => [place, dtype]));
    expect(dtypes).to.include({ 'matmul.a': 'bfloat16', 'concat.in0': 'bfloat16', 'concat.y': 'float32' });
    expect(dtypes).to.include({ 'pad.x': 'bfloat16', 'pad.y': 'float32', 'crop.x': 'bfloat16', 'crop.y': 'float32' });
    expect(dtypes).to.include({ 'transpose.x': 'bfloat16', 'transpose.y': 'float32' });
  });

  it('what maps between layers read and make, there and back', () => {
    const program = lowered((read) => {
      const [x, w, u] = [read('x', [4, 3]), read('w', [3, 8]), read('u', [8, 2])];
      const y = matmul(elementwise('gelu', matmul(x, w)), u);
      const loss = sum(elementwise('square', elementwise('sub', y, read('t', [4, 2]))));
      return [loss, ...(gradients(loss, [w, u]) as Value[])];
    });
    const [first, second] = named(program, 'matmul');
    expect(first!.outputs.y!.dtype).to.equal('bfloat16');
    expect(second!.outputs.y!.dtype).to.equal('float32');
    const slopes = named(program, 'map').filter((i) =>
      Object.values(i.inputs).some((o) => o.buffer === first!.outputs.y!.buffer),
    );
    expect(slopes.map((i) => i.outputs.out0!.dtype)).to.deep.equal(['bfloat16', 'bfloat16']);
  });

  const wide: [what: string, build: (read: ReadVariable) => Value[]][] = [
    ['what a variable holds', (read) => [matmul(read('x', [4, 3]), read('w', [3, 2]))]],
    ['what a loss reads', (read) => [sum(elementwise('square', matmul(read('x', [4, 3]), read('w', [3, 2]))))]],
    ['what an op reads that cannot', (read) => [softmax(matmul(read('x', [4, 3]), read('w', [3, 2])))]],
    [
      'what is read by one that cannot as well',
      (read) => {
        const y = relu(matmul(read('x', [4, 3]), read('w', [3, 3])));
        return [softmax(y), matmul(y, read('u', [3, 2]))];
      },
    ],
    [
      'whole numbers',
      (read) => {
        const counts = elementwise('identity', read('n', [4, 3], 'int32'));
        return [sum(counts)];
      },
    ],
  ];
  for (const [what, build] of wide) {
    it(`${what} stays as it is`, () => {
      expect(narrowOf(lowered(build))).to.deep.equal([]);
    });
  }

  it('in a model: all but what the loss reads, parameters and what is summed', () => {
    const model = gs.sequential([
      gs.layers.conv2d({ filters: 8, kernelSize: 3, useBias: false, inputShape: [8, 8, 3] }),
      gs.layers.batchNormalization(),
      gs.layers.activation({ activation: 'relu' }),
      gs.layers.maxPooling2d({ poolSize: 2 }),
      gs.layers.flatten(),
      gs.layers.dense({ units: 16, activation: 'relu' }),
      gs.layers.dropout({ rate: 0.5 }),
      gs.layers.dense({ units: 4, activation: 'softmax' }),
    ]);
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', precision: 'bfloat16', device: 'cpu' });
    const { program } = programOf(model, { kind: 'train', rows: 16 }, 'cpu');
    for (const name of ['gather.y', 'conv.y', 'channelNorm.y', 'maxPool.y', 'matmul.a', 'dropout.y', 'maxPoolDx.dx']) {
      const found = operands(program).filter(([at]) => at === name);
      expect(
        found.map(([, o]) => o.dtype),
        name,
      ).to.include('bfloat16');
    }
    const [logits] = named(program, 'softmaxCrossEntropy');
    expect(Object.values(logits!.inputs).map((o) => o.dtype)).to.not.include('bfloat16');
    for (const [at, { buffer, dtype }] of operands(program))
      if (buffer.region === 'persistent') expect(dtype, at).to.not.equal('bfloat16');
  });

  /** Places of float32 in scratch memory that have as many elements, in a step of training. */
  const wideIn = (model: gs.Model, elements: number, backend: 'cpu' | 'cuda'): string[] => {
    model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', precision: 'bfloat16', device: 'cpu' });
    return operands(programOf(model, { kind: 'train', rows: 16 }, backend).program).flatMap(([at, { buffer, dtype, shape }]) =>
      buffer.region === 'scratch' && dtype === 'float32' && bytesOf('float32', shape) >= 4 * elements ? [at] : [],
    );
  };

  for (const backend of ['cpu', 'cuda'] as const) {
    it(`in a transformer's block on ${backend}: heads, residual sums and their gradients, but statistics`, () => {
      const x = gs.input({ shape: [12, 16] });
      const embedded = gs.layers.dense({ units: 16 }).apply(x) as gs.SymbolicTensor;
      const normed = gs.layers.layerNormalization().apply(embedded) as gs.SymbolicTensor;
      const attended = gs.layers.multiHeadAttention({ numHeads: 2, keyDim: 8, dropout: 0.1 }).apply(normed) as gs.SymbolicTensor;
      const sum = gs.layers.add().apply([embedded, attended]) as gs.SymbolicTensor;
      const wide = gs.layers.dense({ units: 32, activation: 'gelu' }).apply(gs.layers.layerNormalization().apply(sum));
      const y = gs.layers.add().apply([sum, gs.layers.dense({ units: 16 }).apply(wide)]);
      const outputs = gs.layers.dense({ units: 4, activation: 'softmax' }).apply(gs.layers.flatten().apply(y));
      const model = gs.model({ inputs: x, outputs });
      expect(wideIn(model, 16 * 12 * 16, backend)).to.deep.equal([]);
      const [attention] = named(programOf(model, { kind: 'train', rows: 16 }, backend).program, 'attentionDx');
      const dtypes = Object.entries({ ...attention!.inputs, ...attention!.outputs }).map(([name, o]) => [name, o.dtype]);
      const narrow = ['q', 'k', 'v', 'y', 'dy', 'dq', 'dk', 'dv'].map((name) => [name, 'bfloat16']);
      expect(dtypes).to.have.deep.members([...narrow, ['lse', 'float32'], ['state', 'int32']]);
    });
  }

  it('beside noise and images of another size', () => {
    const model = gs.sequential([
      gs.layers.conv2d({ filters: 8, kernelSize: 3, activation: 'relu', padding: 'same', inputShape: [8, 8, 3] }),
      gs.layers.gaussianNoise({ stddev: 0.1 }),
      gs.layers.maxPooling2d({ poolSize: 2 }),
      gs.layers.spatialDropout2d({ rate: 0.5 }),
      gs.layers.upSampling2d({ size: 2, interpolation: 'bilinear' }),
      gs.layers.conv2d({ filters: 8, kernelSize: 3, strides: 2 }),
      gs.layers.gaussianDropout({ rate: 0.5 }),
      gs.layers.flatten(),
      gs.layers.dense({ units: 4, activation: 'softmax' }),
    ]);
    expect(wideIn(model, 16 * 3 * 3 * 8, 'cpu')).to.deep.equal([]);
  });
});
