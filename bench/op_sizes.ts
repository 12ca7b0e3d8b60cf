/**
 * Every op of the table at a size that real networks have: what `npm run bench -- --ops` times. Inputs are seeded random
 * numbers; gradients of the outputs' sum are part of a case, so that backward kernels are timed too.
 */
import type { Graph } from '../lib/graph/graph.js';
import { type Value } from '../lib/graph/graph.js';
import * as optimizers from '../lib/optimizers/index.js';
import type { Optimizer } from '../lib/optimizers/optimizer.js';
import { affineSample } from '../lib/ops/affine_sample.js';
import { argmax } from '../lib/ops/argmax.js';
import { attention } from '../lib/ops/attention.js';
import { gradients } from '../lib/ops/autodiff.js';
import { averagePool } from '../lib/ops/average_pool.js';
import { multiply } from '../lib/ops/batch_matmul.js';
import { batchNorm, groupNorm } from '../lib/ops/channel_norm.js';
import { clipByGlobalNorm } from '../lib/ops/clip_by_norm.js';
import { clipByValue } from '../lib/ops/clip_by_value.js';
import { columnSums } from '../lib/ops/column_sums.js';
import { concat } from '../lib/ops/concat.js';
import { conv } from '../lib/ops/conv.js';
import { crop, randomCrop } from '../lib/ops/crop.js';
import { cumulativeSum } from '../lib/ops/cumulative_sum.js';
import { dropout } from '../lib/ops/dropout.js';
import { embedding } from '../lib/ops/embedding.js';
import { advance, gather, scatter } from '../lib/ops/gather.js';
import { gru } from '../lib/ops/gru.js';
import { histogram } from '../lib/ops/histogram.js';
import { layerNorm, rmsNorm } from '../lib/ops/layer_norm.js';
import { logSoftmax } from '../lib/ops/log_softmax.js';
import { lstm } from '../lib/ops/lstm.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { maxPool } from '../lib/ops/max_pool.js';
import { metricSum } from '../lib/ops/metric_sum.js';
import { movingAverage } from '../lib/ops/moving_average.js';
import { noise } from '../lib/ops/noise.js';
import { oneHot } from '../lib/ops/one_hot.js';
import { pad } from '../lib/ops/pad.js';
import { randomNormal } from '../lib/ops/random.js';
import { randomTransform } from '../lib/ops/random_transform.js';
import { extremum } from '../lib/ops/reduce_max.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { resize } from '../lib/ops/resize.js';
import { restarts } from '../lib/ops/restarts.js';
import { reverse } from '../lib/ops/reverse.js';
import { simpleRnn } from '../lib/ops/simple_rnn.js';
import { softmax } from '../lib/ops/softmax.js';
import { softmaxCrossEntropy } from '../lib/ops/softmax_cross_entropy.js';
import { stepCount } from '../lib/ops/step_count.js';
import { targetRank } from '../lib/ops/target_rank.js';
import { toBfloat16Op } from '../lib/ops/to_bfloat16.js';
import { toInt32 } from '../lib/ops/to_int32.js';
import { topMask } from '../lib/ops/top_mask.js';
import { transpose } from '../lib/ops/transpose.js';
import { weightDecay } from '../lib/ops/weight_decay.js';
import type { UpdateContext } from '../lib/ops/update_inputs.js';

export interface SizedInput {
  readonly shape: readonly number[];
  /** Integers from 0 to `below` − 1 where that is given. */
  readonly dtype?: 'float32' | 'int32' | 'float64';
  readonly below?: number;
}

export interface SizedCase {
  readonly name: string;
  readonly inputs: Readonly<Record<string, SizedInput>>;
  /** Values to differentiate the sum of, if any. */
  build(values: Readonly<Record<string, Value>>, graph: Graph): Value[];
  /** Rows of float32 data sets by slot: [rows, elements]. */
  readonly slots?: Readonly<Record<number, readonly [rows: number, elements: number]>>;
}

const counters = { shape: [4], dtype: 'int32' } as const;
const control = { state: counters, flag: counters };
const floats = (...shape: number[]): SizedInput => ({ shape });
const numbers = (below: number, ...shape: number[]): SizedInput => ({ shape, dtype: 'int32', below });

/** Parameters of a network of 4 million. */
const PARAMETERS = 4 << 20;
const IMAGES = [128, 28, 28, 32] as const;

function update(name: string, optimizer: Optimizer): SizedCase {
  const slots = Object.fromEntries(optimizer.slots.map((s) => [s, floats(PARAMETERS)]));
  const block = { params: floats(PARAMETERS), grads: floats(PARAMETERS), ...slots, learningRate: floats(1) };
  return {
    name,
    inputs: { ...block, ...control, fault: { shape: [1], dtype: 'int32' } },
    build(v) {
      optimizer.apply({ ...(v as unknown as UpdateContext), slot: (s) => v[s]! });
      return [];
    },
  };
}

function one(name: string, input: SizedInput, op: (x: Value) => Value): SizedCase {
  return { name, inputs: { x: input }, build: ({ x }) => [op(x!)] };
}

function random(name: string, input: SizedInput, op: (x: Value, state: Value) => Value): SizedCase {
  return { name, inputs: { x: input, ...control }, build: ({ x, state }) => [op(x!, state!)] };
}

export const SIZED_CASES: readonly SizedCase[] = [
  update('sgd with momentum', optimizers.sgd({ momentum: 0.9 })),
  update('rmsprop', optimizers.rmsprop()),
  update('adagrad', optimizers.adagrad()),
  update('adadelta', optimizers.adadelta()),
  update('adam', optimizers.adam()),
  update('adamax', optimizers.adamax()),
  update('nadam', optimizers.nadam()),
  update('lion', optimizers.lion()),
  {
    name: 'weight decay, clipping, moving average',
    inputs: { params: floats(PARAMETERS), grads: floats(PARAMETERS), average: floats(PARAMETERS), rate: floats(1), ...control },
    build: ({ params, grads, average, rate, flag }) => {
      clipByValue(grads!, 0.5);
      clipByGlobalNorm(grads!, 1);
      weightDecay(params!, rate!, 0.01, flag!);
      movingAverage(average!, params!, 0.99, flag!);
      return [];
    },
  },
  {
    name: 'matmul 1024³',
    inputs: { a: floats(1024, 1024), b: floats(1024, 1024), bias: floats(1024) },
    build: ({ a, b, bias }) => [matmul(a!, b!, false, false, bias)],
  },
  {
    name: 'weights rounded to bfloat16',
    inputs: { x1: floats(PARAMETERS), x2: floats(1024, 1024), x3: floats(128, 10) },
    build: (weights) => Object.values(weights.x1!.graph.add(toBfloat16Op, weights).outputs),
  },
  {
    name: 'matmul of a small layer',
    inputs: { a: floats(32, 784), b: floats(784, 128), bias: floats(128) },
    build: ({ a, b, bias }) => [matmul(a!, b!, false, false, bias)],
  },
  {
    name: 'a stack of small layers',
    inputs: { x: floats(32, 784), w1: floats(784, 128), b1: floats(128), w2: floats(128, 10), b2: floats(10) },
    build: ({ x, w1, b1, w2, b2 }) => [matmul(elementwise('relu', matmul(x!, w1!, false, false, b1)), w2!, false, false, b2)],
  },
  {
    name: 'batches of products',
    inputs: { a: floats(64, 128, 64), b: floats(64, 64, 128) },
    build: ({ a, b }) => [multiply(a!, b!)],
  },
  {
    name: 'conv 3×3',
    inputs: { x: floats(...IMAGES), w: floats(3, 3, 32, 64), bias: floats(64) },
    build: ({ x, w, bias }) => [conv(x!, w!, {}, bias)],
  },
  {
    name: 'conv 1×5',
    inputs: { x: floats(32, 1, 128, 128), w: floats(1, 5, 128, 128) },
    build: ({ x, w }) => [conv(x!, w!, { padLeft: 2, padRight: 2 })],
  },
  {
    name: 'conv 1×1',
    inputs: { x: floats(16, 28, 28, 64), w: floats(1, 1, 64, 256) },
    build: ({ x, w }) => [conv(x!, w!, {})],
  },
  {
    name: 'conv 3×3, stride 2',
    inputs: { x: floats(16, 28, 28, 64), w: floats(3, 3, 64, 128) },
    build: ({ x, w }) => [conv(x!, w!, { strideH: 2, strideW: 2, padBottom: 1, padRight: 1 })],
  },
  {
    name: 'conv 3×3 depthwise',
    inputs: { x: floats(...IMAGES), w: floats(3, 3, 1, 32) },
    build: ({ x, w }) => [conv(x!, w!, { groups: 32, padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 })],
  },
  {
    name: 'conv 3×3×3',
    inputs: { x: floats(8, 16, 28, 28, 16), w: floats(3, 3, 3, 16, 32) },
    build: ({ x, w }) => [conv(x!, w!, {})],
  },
  one('max pooling 2×2', floats(...IMAGES), (x) => maxPool(x, { poolH: 2, poolW: 2, strideH: 2, strideW: 2 })),
  {
    name: 'max pooling 2×2, differentiated twice',
    inputs: { x: floats(...IMAGES), along: floats(...IMAGES) },
    build: ({ x, along }) => {
      const y = maxPool(x!, { poolH: 2, poolW: 2, strideH: 2, strideW: 2 });
      return [elementwise('mul', gradients(elementwise('square', y), [x!])[0]!, along!)];
    },
  },
  one('average pooling 2×2', floats(...IMAGES), (x) => averagePool(x, { poolH: 2, poolW: 2, strideH: 2, strideW: 2 })),
  {
    name: 'batch normalisation',
    inputs: { x: floats(...IMAGES), gamma: floats(32), beta: floats(32) },
    build: ({ x, gamma, beta }) => [batchNorm(x!, gamma, beta, 1e-3).y],
  },
  {
    name: 'batch normalisation that ends a residual block',
    inputs: { x: floats(...IMAGES), gamma: floats(32), beta: floats(32), weights: floats(...IMAGES) },
    build: ({ x, gamma, beta, weights }) => {
      const block = elementwise('add', batchNorm(x!, gamma, beta, 1e-3).y, x!);
      return [elementwise('mul', elementwise('relu', block), weights!)];
    },
  },
  {
    name: 'group normalisation',
    inputs: { x: floats(...IMAGES), gamma: floats(32), beta: floats(32) },
    build: ({ x, gamma, beta }) => [groupNorm(x!, gamma, beta, 8, 1e-3).y],
  },
  {
    name: 'layer normalisation',
    inputs: { x: floats(8192, 512), gamma: floats(512), beta: floats(512) },
    build: ({ x, gamma, beta }) => [layerNorm(x!, gamma, beta, 1e-3)],
  },
  {
    name: 'rms normalisation',
    inputs: { x: floats(8192, 512), gamma: floats(512) },
    build: ({ x, gamma }) => [rmsNorm(x!, gamma, 1e-6)],
  },
  {
    name: 'attention, 1,024 steps',
    inputs: { q: floats(2, 1024, 8, 64), k: floats(2, 1024, 8, 64), v: floats(2, 1024, 8, 64), ...control },
    build: ({ q, k, v, state }) => [attention(q!, k!, v!, state!, { causal: true })],
  },
  {
    name: 'lstm of 256 units, 64 steps',
    inputs: { xw: floats(32, 64, 1024), u: floats(256, 1024) },
    build: ({ xw, u }) => [lstm(xw!, u!).y],
  },
  {
    name: 'gru of 256 units, 64 steps',
    inputs: { xw: floats(32, 64, 768), u: floats(256, 768), bias: floats(768) },
    build: ({ xw, u, bias }) => [gru(xw!, u!, { bias }).y],
  },
  {
    name: 'simple cell of 256 units, 64 steps',
    inputs: { xw: floats(32, 64, 256), u: floats(256, 256) },
    build: ({ xw, u }) => [simpleRnn(xw!, u!).y],
  },
  {
    name: 'embedding',
    inputs: { table: floats(30_000, 128), indices: numbers(30_000, 2048), ...control },
    build: ({ table, indices, state, flag }) => [embedding(table!, indices!, state!, flag!)],
  },
  ...(['relu', 'gelu'] as const).map((activation) => ({
    name: `two dense layers with ${activation}`,
    inputs: { x: floats(1024, 784), w1: floats(784, 512), b1: floats(512), w2: floats(512, 512), b2: floats(512) },
    build: ({ x, w1, b1, w2, b2 }: Record<string, Value>) => [
      matmul(elementwise(activation, matmul(x!, w1!, false, false, b1)), w2!, false, false, b2),
    ],
  })),
  one('gelu', floats(8192, 512), (x) =>
    elementwise(
      'mul',
      x,
      elementwise('mul', 0.5, elementwise('add', 1, elementwise('erf', elementwise('mul', x, Math.SQRT1_2)))),
    ),
  ),
  { name: 'add', inputs: { a: floats(8192, 512), b: floats(8192, 512) }, build: ({ a, b }) => [elementwise('add', a!, b!)] },
  {
    name: 'scale and shift of three channels',
    inputs: { x: floats(128, 112, 112, 3), a: floats(3), b: floats(3) },
    build: ({ x, a, b }) => [elementwise('add', elementwise('mul', x!, a!), b!)],
  },
  one('sum of all', floats(8192, 512), (x) => sum(x)),
  one('sum of columns', floats(8192, 512), (x) => sum(x, [0])),
  one('sum of rows', floats(8192, 512), (x) => sum(x, [1])),
  one('max of rows', floats(8192, 512), (x) => extremum(x, 'max', [1])),
  one('max of columns', floats(8192, 512), (x) => extremum(x, 'max', [0])),
  one('cumulative sum', floats(8192, 512), (x) => cumulativeSum(x, 1)),
  one('softmax', floats(8192, 512), softmax),
  one('softmax of ten', floats(262_144, 10), softmax),
  one('log softmax', floats(8192, 512), logSoftmax),
  {
    name: 'softmax cross-entropy of classes',
    inputs: { x: floats(8192, 512), labels: numbers(512, 8192), ...control },
    build: ({ x, labels, state, flag }) => [softmaxCrossEntropy(x!, labels!, state!, flag!)],
  },
  one('transpose', floats(4096, 1024), (x) => transpose(x)),
  one('transpose of heads', floats(32, 128, 8, 64), (x) => transpose(x, [0, 2, 1, 3])),
  one('reverse of rows', floats(4096, 1024), (x) => reverse(x, 0)),
  one('reverse of columns', floats(4096, 1024), (x) => reverse(x, 1)),
  one('whole numbers of floats', floats(4096, 1024), toInt32),
  one('padding', floats(...IMAGES), (x) => pad(x, [0, 1, 1, 0], [0, 1, 1, 0])),
  {
    name: 'concatenation of channels',
    inputs: { a: floats(...IMAGES), b: floats(...IMAGES) },
    build: ({ a, b }) => [concat([a!, b!], 3)],
  },
  random('dropout', floats(8192, 512), (x, state) => dropout(x, state, 0.5, 1)),
  random('noise', floats(8192, 512), (x, state) => noise(x, state, 'add', 0.1, 1)),
  random('random normal', floats(1), (x, state) => elementwise('mul', x, randomNormal(state, [8192, 512], 0, 1, 1))),
  one('crop', floats(...IMAGES), (x) => crop(x, { height: 24, width: 24, top: 2, left: 2 })),
  random('random crop and flip', floats(128, 64, 64, 3), (x, state) =>
    randomCrop(x, state, { height: 56, width: 56, top: 0, left: 0, rows: 8, columns: 8, flip: 'horizontal', stream: 1 }),
  ),
  one('resize, bilinear', floats(64, 64, 64, 3), (x) => resize(x, 128, 128, 'bilinear')),
  random('random rotation', floats(128, 28, 28, 1), (x, state) =>
    affineSample(x, randomTransform(state, [128, 28, 28], { turn: [-0.2, 0.2] }, 1), {
      height: 28,
      width: 28,
      interpolation: 'bilinear',
      fillMode: 'constant',
      fillValue: 0,
    }),
  ),
  {
    name: 'one-hot',
    inputs: { x: numbers(128, 32_768) },
    build: ({ x }) => [oneHot(x!, 128)],
  },
  {
    name: 'metrics',
    inputs: {
      p: floats(8192, 128),
      y: numbers(128, 8192),
      x: floats(8192),
      total: { shape: [128 * 128], dtype: 'float64' },
      sums: { shape: [128], dtype: 'float64' },
      ...control,
    },
    build: ({ p, y, x, total, sums, state, flag }) => {
      histogram({ column: argmax(p!), row: y!, rows: 128, columns: 128 }, total!, state!, flag!);
      columnSums(p!, sums!);
      metricSum(x!, sums!, state!, flag!, false);
      metricSum(elementwise('less', targetRank(p!, y!), 5), sums!, state!, flag!, false);
      return [topMask(p!, 5)];
    },
  },
  {
    name: 'batch of rows',
    inputs: { ...control },
    slots: { 0: [4096, 784], 1: [4096, 784] },
    build: ({ state, flag }, graph) => {
      const from = { slot: 0, indexSlot: -1, source: 'float32', dtype: 'float32', shape: [2048, 784] } as const;
      scatter(gather(graph, from, state!, flag!), 1, state!, flag!);
      return [];
    },
  },
  {
    name: 'counters',
    inputs: { ...control, x: floats(1) },
    build: ({ state, x }) => {
      const step = stepCount(state!);
      const { cycle, part } = restarts(step, 10, 2);
      const value = elementwise('mul', x!, elementwise('add', cycle, part));
      advance(state!, 0, 0);
      return [value];
    },
  },
];
