/**
 * Convolutions, their transposes and poolings of `gs.ops` against plain loops in float64 whose padding is given by hand, gradients
 * against differences; a layer of one's own with a kernel that is made in the step; wrong arguments.
 */
import { expect } from 'chai';
import { Graph, type Value } from '../lib/graph/graph.js';
import type { DType } from '../lib/graph/dtype.js';
import type { Shape } from '../lib/graph/shape.js';
import * as gs from '../lib/index.js';
import * as ops from '../lib/ops/index.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { describeCases, describeRefusals } from './helpers/op_cases.js';

/** Of each axis: how many elements are in front, the result's length, the stride, the dilation. */
interface Axis {
  before: number;
  length: number;
  stride?: number;
  dilation?: number;
}

type Numbers = readonly number[];

/** Visits (position in x, in the kernel, in y) of every product; `channel` says which channel of x a kernel's depth and filter see. */
function products(
  x: Numbers,
  w: Numbers,
  axes: readonly Axis[],
  channel: (depth: number, filter: number) => number,
  visit: (x: number, w: number, y: number) => void,
): void {
  const y = [x[0]!, ...axes.map((a) => a.length), w.at(-1)!];
  for (const index of indices(y)) {
    for (const tap of indices(w.slice(0, -1))) {
      const at = axes.map((a, i) => index[i + 1]! * (a.stride ?? 1) + tap[i]! * (a.dilation ?? 1) - a.before);
      if (at.some((p, i) => p < 0 || p >= x[i + 1]!)) continue;
      const pixel = flat(x, [index[0]!, ...at, channel(tap.at(-1)!, index.at(-1)!)]);
      visit(pixel, flat(w, [...tap, index.at(-1)!]), flat(y, index));
    }
  }
}

const size = (shape: Numbers) => shape.reduce((n, d) => n * d, 1);

function convolved(x: Numbers, xs: Numbers, w: Numbers, ws: Numbers, axes: readonly Axis[], groups = 1): number[] {
  const y = new Array<number>(size([xs[0]!, ...axes.map((a) => a.length), ws.at(-1)!])).fill(0);
  const ofGroup = ws.at(-1)! / groups;
  const channel = (depth: number, filter: number) => Math.floor(filter / ofGroup) * ws.at(-2)! + depth;
  products(xs, ws, axes, channel, (a, b, c) => (y[c]! += x[a]! * w[b]!));
  return y;
}

function convCase(
  name: string,
  xs: number[],
  ws: number[],
  build: (x: Value, w: Value) => Value,
  axes: Axis[],
  groups = 1,
): OpCase {
  return {
    name,
    inputs: { x: { shape: xs }, w: { shape: ws } },
    build: ({ x, w }) => ({ y: build(x!, w!) }),
    reference: ({ x, w }) => ({ y: convolved(x!, xs, w!, ws, axes, groups) }),
    terms: 60,
  };
}

/** The transposed convolution: y of the convolution is x here, `axes` are those of the convolution back. */
function transposedCase(name: string, xs: number[], ws: number[], ys: number[], build: OpCase['build'], axes: Axis[]): OpCase {
  return {
    name,
    inputs: { x: { shape: xs }, w: { shape: ws } },
    build,
    reference({ x, w }) {
      const y = new Array<number>(size(ys)).fill(0);
      products(
        ys,
        ws,
        axes,
        (depth) => depth,
        (a, b, c) => (y[a]! += x![c]! * w![b]!),
      );
      return { y };
    },
    terms: 60,
  };
}

/** Poolings of windows of two by two that begin every two elements, `before` of them in front of the first. */
function pooled(x: Numbers, xs: Numbers, ys: Numbers, before: Numbers, make: (window: number[]) => number): number[] {
  return indices(ys).map((index) => {
    const window = indices([2, 2]).flatMap((tap) => {
      const at = tap.map((t, i) => index[i + 1]! * 2 + t - before[i]!);
      return at.some((p, i) => p < 0 || p >= xs[i + 1]!) ? [] : [x[flat(xs, [index[0]!, ...at, index[3]!])]!];
    });
    return make(window);
  });
}

const mean = (v: number[]) => v.reduce((a, b) => a + b, 0) / v.length;

describeCases('windows in gs.ops', [
  convCase('conv1d', [2, 7, 3], [3, 3, 4], (x, w) => ops.conv1d(x, w), [{ before: 0, length: 5 }]),
  convCase('conv1d, causal, dilated', [2, 6, 2], [3, 2, 2], (x, w) => ops.conv1d(x, w, { padding: 'causal', dilationRate: 2 }), [
    { before: 4, length: 6, dilation: 2 },
  ]),
  convCase('conv2d, same, stride 2', [1, 5, 4, 2], [3, 3, 2, 3], (x, w) => ops.conv2d(x, w, { strides: 2, padding: 'same' }), [
    { before: 1, length: 3, stride: 2 },
    { before: 0, length: 2, stride: 2 },
  ]),
  convCase(
    'conv2d in two groups, strides of their own',
    [1, 5, 6, 4],
    [2, 3, 2, 6],
    (x, w) => ops.conv2d(x, w, { strides: [1, 2], groups: 2 }),
    [
      { before: 0, length: 4 },
      { before: 0, length: 2, stride: 2 },
    ],
    2,
  ),
  convCase('conv3d, same', [1, 3, 4, 2, 2], [2, 3, 1, 2, 2], (x, w) => ops.conv3d(x, w, { padding: 'same' }), [
    { before: 0, length: 3 },
    { before: 1, length: 4 },
    { before: 0, length: 2 },
  ]),
  {
    name: 'depthwiseConv2d with a multiplier of 2',
    inputs: { x: { shape: [1, 4, 4, 3] }, w: { shape: [3, 2, 3, 2] } },
    build: ({ x, w }) => ({ y: ops.depthwiseConv2d(x!, w!) }),
    reference({ x, w }) {
      const y = new Array<number>(2 * 3 * 6).fill(0);
      const axes = [
        { before: 0, length: 2 },
        { before: 0, length: 3 },
      ];
      const channel = (_: number, filter: number) => Math.floor(filter / 2);
      products([1, 4, 4, 3], [3, 2, 1, 6], axes, channel, (a, b, c) => (y[c]! += x![a]! * w![b]!));
      return { y };
    },
    terms: 20,
  },
  {
    name: 'depthwiseConv1d',
    inputs: { x: { shape: [2, 5, 2] }, w: { shape: [2, 2, 1] } },
    build: ({ x, w }) => ({ y: ops.depthwiseConv1d(x!, w!, { padding: 'same' }) }),
    reference: ({ x, w }) => ({
      y: indices([2, 5, 2]).map(([n, t, c]) => {
        const at = (i: number) => (i < 5 ? x![flat([2, 5, 2], [n!, i, c!])]! : 0);
        return at(t!) * w![c!]! + at(t! + 1) * w![2 + c!]!;
      }),
    }),
    terms: 20,
  },
  transposedCase(
    'conv1dTranspose',
    [2, 3, 2],
    [3, 4, 2],
    [2, 7, 4],
    ({ x, w }) => ({ y: ops.conv1dTranspose(x!, w!, { strides: 2 }) }),
    [{ before: 0, length: 3, stride: 2 }],
  ),
  transposedCase(
    'conv2dTranspose, same',
    [1, 3, 2, 2],
    [3, 3, 3, 2],
    [1, 6, 4, 3],
    ({ x, w }) => ({ y: ops.conv2dTranspose(x!, w!, { strides: 2, padding: 'same' }) }),
    [
      // Keras: padding of s + k − 2 = 3 elements, ⌈3 / 2⌉ in front of the gradient, 2 − 2 in front of the convolution back.
      { before: 0, length: 3, stride: 2 },
      { before: 0, length: 2, stride: 2 },
    ],
  ),
  transposedCase(
    'conv3dTranspose with an element behind',
    [1, 2, 2, 1, 2],
    [2, 2, 2, 1, 2],
    [1, 5, 5, 3, 1],
    ({ x, w }) => ({ y: ops.conv3dTranspose(x!, w!, { strides: 2, outputPadding: 1 }) }),
    [
      { before: 0, length: 2, stride: 2 },
      { before: 0, length: 2, stride: 2 },
      { before: 0, length: 1, stride: 2 },
    ],
  ),
  {
    name: 'maxPool and avgPool of images, valid and same',
    inputs: { x: { shape: [2, 5, 4, 2] } },
    build: ({ x }) => ({
      max: ops.maxPool(x!),
      avg: ops.avgPool(x!, { poolSize: [2, 2], strides: 2, padding: 'same' }),
    }),
    reference: ({ x }) => ({
      max: pooled(x!, [2, 5, 4, 2], [2, 2, 2, 2], [0, 0], (v) => Math.max(...v)),
      avg: pooled(x!, [2, 5, 4, 2], [2, 3, 2, 2], [0, 0], mean),
    }),
  },
  {
    name: 'maxPool of steps, avgPool of volumes',
    inputs: { x: { shape: [2, 6, 3] }, v: { shape: [1, 2, 2, 2, 2] } },
    build: ({ x, v }) => ({ max: ops.maxPool(x!, { poolSize: 3, strides: 1 }), avg: ops.avgPool(v!) }),
    reference: ({ x, v }) => ({
      max: indices([2, 4, 3]).map(([n, t, c]) => Math.max(...[0, 1, 2].map((i) => x![flat([2, 6, 3], [n!, t! + i, c!])]!))),
      avg: [0, 1].map((c) => mean(Array.from({ length: 8 }, (_, i) => v![2 * i + c]!))),
    }),
  },
]);

/** Weights standardised, then convolved. */
const standardised = gs.layers.defineLayer({
  className: 'StandardisedConv',
  weights: (_o, input) => [{ name: 'kernel', shape: [3, 3, input.at(-1)!, 2], initializer: 'glorotNormal' }],
  outputShape: (_o, [height, width]) => [height! - 2, width! - 2, 2],
  call(_o, x, context) {
    const kernel = context.weight('kernel');
    const { mean: center, variance } = ops.moments(kernel, { axis: [0, 1, 2], keepDims: true });
    return ops.conv2d(x, ops.div(ops.sub(kernel, center), ops.sqrt(ops.add(variance, 1e-5))));
  },
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`windows in gs.ops on ${name}: layers of one's own`, () => {
    it('a kernel made in the step: weights standardised, then convolved', async () => {
      const model = gs.sequential([standardised({ inputShape: [4, 4, 1] })]);
      model.compile({ optimizer: 'sgd', loss: 'mse', device, seed: 1 });
      const x = Array.from({ length: 16 }, (_, i) => Math.sin(i));
      const [kernel] = await model.getWeights();
      const w = [...kernel!.data];
      const center = [0, 1].map((f) => mean(w.filter((_, i) => i % 2 === f)));
      const spread = [0, 1].map((f) => mean(w.filter((_, i) => i % 2 === f).map((v) => (v - center[f]!) ** 2)));
      const made = w.map((v, i) => (v - center[i % 2]!) / Math.sqrt(spread[i % 2]! + 1e-5));
      const axes = [
        { before: 0, length: 2 },
        { before: 0, length: 2 },
      ];
      const expected = convolved(x, [1, 4, 4, 1], made, [3, 3, 1, 2], axes);
      expectClose([...(await model.predict(gs.tensor(x, [1, 4, 4, 1]))).data], expected, 1e-4);
      const { loss } = await model.fit(gs.tensor(x, [1, 4, 4, 1]), gs.tensor(new Array(8).fill(0.5), [1, 2, 2, 2]), {
        epochs: 20,
      });
      expect(loss!.at(-1)).to.be.below(loss![0]!);
      await model.dispose();
    });
  });
}

const graph = new Graph();
const input = (shape: Shape, dtype: DType = 'float32'): Value => graph.read({ name: 'x', shape, dtype });
const [steps, image, kernel] = [input([2, 6, 4]), input([2, 6, 6, 4]), input([3, 3, 4, 8])];
const bad = (v: unknown) => v as never;
describeRefusals('windows in gs.ops', [
  [
    'a sequence as an image',
    () => ops.conv2d(steps, kernel),
    'ERR_SHAPE',
    'Expected [rows, height, width, channels] for ops.conv2d x',
  ],
  [
    'a kernel of other channels',
    () => ops.conv2d(image, input([3, 3, 3, 8])),
    'ERR_SHAPE',
    'Expected [height, width, 4, filters] for ops.conv2d kernel but received [3, 3, 3, 8]',
  ],
  ['a kernel of another rank', () => ops.conv1d(steps, kernel), 'ERR_SHAPE', 'Expected [size, 4, filters] for ops.conv1d kernel'],
  [
    'filters that groups do not divide',
    () => ops.conv2d(image, input([3, 3, 2, 7]), { groups: 2 }),
    'ERR_SHAPE',
    '[height, width, 2, filters that 2 divides]',
  ],
  [
    'channels that groups do not divide',
    () => ops.conv2d(image, kernel, { groups: 3 }),
    'ERR_OPTION',
    'Expected divisor of the 4 channels of x for ops.conv2d.groups but received 3',
  ],
  [
    'a window that is too large',
    () => ops.conv2d(image, input([7, 1, 4, 2])),
    'ERR_SHAPE',
    'A window of [7, 1] does not fit [2, 6, 6, 4] in ops.conv2d',
  ],
  [
    'causal images',
    () => ops.conv2d(image, kernel, { padding: bad('causal') }),
    'ERR_OPTION',
    'Unknown value "causal" for ops.conv2d.padding',
  ],
  [
    'strides of too many axes',
    () => ops.conv1d(steps, input([3, 4, 2]), { strides: bad([1, 1]) }),
    'ERR_OPTION',
    'ops.conv1d.strides',
  ],
  ['whole numbers', () => ops.conv2d(input([2, 6, 6, 4], 'int32'), kernel), 'ERR_DTYPE', 'Expected float32 for ops.conv2d x'],
  ['a misspelling', () => ops.conv2d(image, kernel, bad({ stride: 2 })), 'ERR_OPTION', 'did you mean "strides"?'],
  [
    'depthwise: other channels',
    () => ops.depthwiseConv2d(image, input([3, 3, 2, 1])),
    'ERR_SHAPE',
    '[height, width, 4, multiplier]',
  ],
  ['depthwise: a window that is too large', () => ops.depthwiseConv1d(steps, input([8, 4, 1])), 'ERR_SHAPE', 'does not fit'],
  [
    'transposed: other channels',
    () => ops.conv2dTranspose(image, input([3, 3, 4, 8])),
    'ERR_SHAPE',
    '[height, width, filters, 4]',
  ],
  [
    'transposed: more behind than the stride',
    () => ops.conv2dTranspose(image, input([3, 3, 2, 4]), { outputPadding: 1 }),
    'ERR_OPTION',
    'less than the strides [1, 1] for ops.conv2dTranspose.outputPadding',
  ],
  [
    'pooling of a matrix',
    () => ops.maxPool(input([2, 3])),
    'ERR_SHAPE',
    'Expected [rows, one to three axes, channels] for ops.maxPool x',
  ],
  ['pooling of too small an image', () => ops.avgPool(image, { poolSize: 7 }), 'ERR_SHAPE', 'A window of [7, 7] does not fit'],
  [
    'pooling: sizes of another number of axes',
    () => ops.maxPool(steps, { poolSize: [2, 2] }),
    'ERR_OPTION',
    'ops.maxPool.poolSize',
  ],
]);
