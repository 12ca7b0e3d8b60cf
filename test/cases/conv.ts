/**
 * conv and its gradients over two and three axes: kernel sizes, strides, dilation, uneven padding, groups, bias, relu,
 * shared kernels and inputs; in every precision.
 */
import { conv, convDxOp, convOp, convTranspose, type ConvWindow } from '../../lib/ops/conv.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { sizeOf } from '../../lib/graph/shape.js';
import { windowOutput } from '../../lib/ops/window.js';
import type { Value } from '../../lib/graph/graph.js';
import { flat, indices, remembered, type OpCase } from './op_case.js';
import { ROUNDED, roundingOf, type Rounded } from './rounded_operand.js';

type Numbers = readonly number[];

/** One axis of a window. */
interface Axis {
  stride: number;
  dilation: number;
  before: number;
  after: number;
}

function axesOf(g: ConvWindow, count: number): Axis[] {
  return [
    { stride: g.strideD ?? 1, dilation: g.dilationD ?? 1, before: g.padFront ?? 0, after: g.padBack ?? 0 },
    { stride: g.strideH ?? 1, dilation: g.dilationH ?? 1, before: g.padTop ?? 0, after: g.padBottom ?? 0 },
    { stride: g.strideW ?? 1, dilation: g.dilationW ?? 1, before: g.padLeft ?? 0, after: g.padRight ?? 0 },
  ].slice(3 - count);
}

export function outputShape(x: Numbers, w: Numbers, g: ConvWindow): number[] {
  const axes = axesOf(g, x.length - 2);
  const along = axes.map((a, i) => windowOutput(x[i + 1]!, w[i]!, a.stride, a.dilation, a.before + a.after));
  return [x[0]!, ...along, w.at(-1)!];
}

/** Where a convolution's products begin, each of them a sum over the depth: three numbers each, positions in x, in w, in y. */
const productRuns = remembered((x: Numbers, w: Numbers, g: ConvWindow): readonly number[] => {
  const runs: number[] = [];
  const axes = axesOf(g, x.length - 2);
  const y = outputShape(x, w, g);
  const taps = indices(w.slice(0, -2));
  const [depth, filters] = [w.at(-2)!, w.at(-1)!];
  const filtersOfGroup = filters / (g.groups ?? 1);
  for (const [at, index] of indices(y).entries()) {
    const filter = index.at(-1)!;
    const first = Math.floor(filter / filtersOfGroup) * depth;
    for (const tap of taps) {
      const position = axes.map((a, i) => index[i + 1]! * a.stride + tap[i]! * a.dilation - a.before);
      if (position.some((p, i) => p < 0 || p >= x[i + 1]!)) continue;
      const pixel = flat(x, [index[0]!, ...position, first]);
      runs.push(pixel, flat(w, [...tap, 0, filter]), at);
    }
  }
  return runs;
});

/** Calls visit(position in x, in w, in y) for every product of the convolution. */
export function products(x: Numbers, w: Numbers, g: ConvWindow, visit: (x: number, w: number, y: number) => void): void {
  const [depth, filters] = [w.at(-2)!, w.at(-1)!];
  const runs = productRuns(x, w, g);
  for (let i = 0; i < runs.length; i += 3) {
    for (let c = 0; c < depth; c++) visit(runs[i]! + c, runs[i + 1]! + c * filters, runs[i + 2]!);
  }
}

function convolve(x: Numbers, xShape: Numbers, w: Numbers, wShape: Numbers, g: ConvWindow): number[] {
  const y = new Array<number>(sizeOf(outputShape(xShape, wShape, g))).fill(0);
  products(xShape, wShape, g, (a, b, c) => (y[c]! += x[a]! * w[b]!));
  return y;
}

/** conv with rounded operands. They are given, so they round the same everywhere; sums are in float32. */
function rounded(precision: Rounded, x: Value, w: Value, window: ConvWindow, bias?: Value): Value {
  return x.graph.add(convOp, { x, w, bias }, { ...window, precision }).outputs.y!;
}

export function convolution(name: string, x: Numbers, w: Numbers, g: ConvWindow = {}, bias = false, relu = false): OpCase {
  const o = w.at(-1)!;
  return {
    name,
    inputs: { x: { shape: x }, w: { shape: w }, ...(bias ? { bias: { shape: [o] } } : {}) },
    build: (v) => {
      const y = conv(v.x!, v.w!, g, v.bias);
      return { y: relu ? elementwise('relu', y) : y };
    },
    reference: (v) => {
      const y = convolve(v.x!, x, v.w!, w, g).map((s, i) => s + (bias ? v.bias![i % o]! : 0));
      return { y: relu ? y.map((s) => Math.max(0, s)) : y };
    },
    terms: sizeOf(w) / o + sizeOf(x) / x.at(-1)!,
  };
}

/**
 * Σ g · (conv(x, w) + bias) with its gradients as results, so that larger shapes need no differences: several tiles and
 * slices.
 */
export function larger(name: string, x: Numbers, w: Numbers, window: ConvWindow = {}, precision?: Rounded): OpCase {
  const y = outputShape(x, w, window);
  const o = w.at(-1)!;
  return {
    name,
    inputs: { x: { shape: x }, w: { shape: w }, b: { shape: [o] }, g: { shape: y } },
    build: (v) => {
      const made = precision ? rounded(precision, v.x!, v.w!, window, v.b) : conv(v.x!, v.w!, window, v.b);
      const [dx, dw, db] = gradients(elementwise('mul', made, v.g!), [v.x!, v.w!, v.b!]);
      return { y: made, dx: dx!, dw: dw!, db: db! };
    },
    reference: (v, backend) => {
      const operand = roundingOf(precision ?? 'float32', backend);
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const dw = new Array<number>(sizeOf(w)).fill(0);
      const db = new Array<number>(o).fill(0);
      const sums = v.g!.map((_, i) => v.b![i % o]!);
      const [xs, ws, gs] = [v.x!.map(operand), v.w!.map(operand), v.g!.map(operand)];
      products(x, w, window, (a, b, c) => {
        sums[c]! += xs[a]! * ws[b]!;
        dx[a]! += gs[c]! * ws[b]!;
        dw[b]! += gs[c]! * xs[a]!;
      });
      v.g!.forEach((slope, i) => (db[i % o]! += slope));
      return { y: sums, dx, dw, db };
    },
    gradients: [],
    terms: Math.max(sizeOf(w) / Math.min(w.at(-1)!, w.at(-2)!), sizeOf(y) / o),
  };
}

/** `larger` with rounded operands. The gradient by the bias is a plain sum: nothing of it is rounded. */
const largerRounded = (precision: Rounded, name: string, x: Numbers, w: Numbers, window?: ConvWindow): OpCase =>
  larger(`${name} in ${precision}`, x, w, window, precision);

/** Operands are rounded; bias and relu are applied to the float32 sums. */
export function inPrecision(
  precision: Rounded,
  name: string,
  x: Numbers,
  w: Numbers,
  g: ConvWindow = {},
  bias = false,
  relu = false,
): OpCase {
  const exact = convolution(name, x, w, g, bias, relu);
  return {
    ...exact,
    name: `${name} in ${precision}`,
    build: (v) => {
      const y = rounded(precision, v.x!, v.w!, g, v.bias);
      return { y: relu ? elementwise('relu', y) : y };
    },
    reference: (v, backend) => {
      const round = roundingOf(precision, backend);
      return exact.reference({ ...v, x: v.x!.map(round), w: v.w!.map(round) }, backend);
    },
    gradients: [],
  };
}

/** Σ g·conv(x, w) + h·conv(z, w) + k·conv(x, u) with rounded operands: the gradients of what is used twice accumulate. */
export function accumulated(precision: Rounded, name: string, x: Numbers, w: Numbers, window: ConvWindow): OpCase {
  const y = outputShape(x, w, window);
  const shapes = { x, z: x, w, u: w, g: y, h: y, k: y };
  return {
    name: `${name} in ${precision}: gradients accumulate`,
    inputs: Object.fromEntries(Object.entries(shapes).map(([input, shape]) => [input, { shape }])),
    build: (v) => {
      const weighed = (a: Value, b: Value, slope: Value): Value => elementwise('mul', rounded(precision, a, b, window), slope);
      const all = elementwise(
        'add',
        elementwise('add', weighed(v.x!, v.w!, v.g!), weighed(v.z!, v.w!, v.h!)),
        weighed(v.x!, v.u!, v.k!),
      );
      const [dx, dw] = gradients(all, [v.x!, v.w!]);
      return { dx: dx!, dw: dw! };
    },
    reference: (v, backend) => {
      const round = roundingOf(precision, backend);
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const dw = new Array<number>(sizeOf(w)).fill(0);
      const r = Object.fromEntries(Object.entries(v).map(([input, values]) => [input, values.map(round)]));
      products(x, w, window, (a, b, c) => {
        dx[a]! += r.g![c]! * r.w![b]! + r.k![c]! * r.u![b]!;
        dw[b]! += r.g![c]! * r.x![a]! + r.h![c]! * r.z![a]!;
      });
      return { dx, dw };
    },
    gradients: [],
    terms: Math.max(sizeOf(w) / Math.min(w.at(-1)!, w.at(-2)!), sizeOf(y) / w.at(-1)!),
  };
}

/** The transposed convolution of dy to a value of shape x. */
export function transposed(name: string, x: Numbers, w: Numbers, g: ConvWindow, precision?: Rounded): OpCase {
  const shape = outputShape(x, w, g);
  return {
    name,
    inputs: { dy: { shape }, w: { shape: w } },
    build: (v) => ({
      y: precision
        ? v.dy!.graph.add(convDxOp, { dy: v.dy, w: v.w }, { ...g, shape: x, precision }).outputs.dx!
        : convTranspose(v.dy!, v.w!, x, g),
    }),
    reference: (v, backend) => {
      const operand = roundingOf(precision ?? 'float32', backend);
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const [dy, weights] = [v.dy!.map(operand), v.w!.map(operand)];
      products(x, w, g, (a, b, c) => (dx[a]! += dy[c]! * weights[b]!));
      return { y: dx };
    },
    ...(precision && { gradients: [] }),
    terms: sizeOf(w) + sizeOf(shape) / shape.at(-1)!,
  };
}

/** The gradient by the input where it goes back through the relu that yielded `mask`; one element in nine of that is exactly 0. */
function masked(name: string, x: Numbers, w: Numbers, g: ConvWindow, precision?: Rounded): OpCase {
  const { inputs, reference, terms } = transposed(name, x, w, g, precision);
  const relu = Array.from({ length: sizeOf(x) }, (_, i) => ((i * 7) % 9) - 4);
  return {
    name: `masked: ${name}`,
    inputs: { ...inputs, mask: { shape: x, data: relu } },
    build: ({ dy, w: weights, mask }) => ({
      y: dy!.graph.add(convDxOp, { dy, w: weights, mask }, { ...g, shape: x, ...(precision && { precision }) }).outputs.dx!,
    }),
    reference: (v, backend) => ({ y: reference(v, backend).y!.map((s, i) => (relu[i]! > 0 ? s : 0)) }),
    // Differences of the larger ones would take long.
    gradients: precision || sizeOf(x) > 200 ? [] : ['dy', 'w'],
    terms: terms!,
  };
}

export const SAME = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const SAME_DEEP = { ...SAME, padFront: 1, padBack: 1 };
const uneven = { padTop: 2, padBottom: 1, padRight: 1 };

/**
 * Each tile of CUDA's tensor cores (native/ops/conv_tiles.cuh) in each of the three products, over two axes and over three, with
 * rows, columns and depth that do not fill the last one.
 */
const tiles = (precision: Rounded): OpCase[] => [
  largerRounded(precision, 'large tiles, two groups of 20 channels to 76, stride 2', [1, 27, 27, 40], [2, 2, 20, 152], {
    ...{ strideH: 2, strideW: 2, groups: 2 },
  }),
  largerRounded(precision, 'large tiles backward, 45 channels, dilation 2', [2, 15, 15, 45], [3, 1, 45, 12], {
    dilationH: 2,
    padTop: 2,
  }),
  largerRounded(precision, 'large tiles, three axes', [1, 8, 8, 8, 36], [2, 1, 1, 36, 36], { padFront: 1 }),
  largerRounded(precision, 'narrow tiles, three axes', [1, 8, 8, 8, 12], [1, 2, 1, 12, 20], { padTop: 1 }),
  largerRounded(precision, 'narrow tiles, strides 2 and 3', [1, 43, 64, 8], [3, 2, 8, 28], { strideH: 2, strideW: 3, padTop: 1 }),
  largerRounded(precision, 'small tiles, stride 2', [1, 9, 9, 8], [3, 2, 8, 36], { strideW: 2 }),
  largerRounded(precision, 'small tiles, three axes', [1, 3, 4, 4, 8], [2, 2, 2, 8, 36]),
  largerRounded(precision, 'small tiles, odd channels, three axes', [1, 5, 4, 6, 5], [2, 2, 1, 5, 35], { strideW: 2 }),
  inPrecision(precision, 'bias and relu, large tiles', [1, 21, 20, 8], [2, 2, 8, 68], {}, true, true),
  accumulated(precision, '36 channels', [2, 15, 15, 36], [2, 1, 36, 36], {}),
];

export const cases: OpCase[] = [
  larger('many channels', [2, 20, 20, 36], [3, 3, 36, 40], SAME),
  larger('many channels, odd', [1, 21, 20, 35], [2, 2, 35, 37]),
  larger('20 to 28 channels, stride 2', [1, 24, 23, 20], [3, 3, 20, 28], { ...SAME, strideH: 2, strideW: 2 }),
  larger('3 to 30 channels, dilation 2', [2, 11, 11, 3], [3, 3, 3, 30], { dilationH: 2, dilationW: 2 }),
  larger('8 to 16 channels', [2, 13, 12, 8], [3, 3, 8, 16], SAME),
  larger('1 to 32 channels', [3, 9, 17, 1], [3, 3, 1, 32]),
  larger('3 to 16 channels, 5×4, stride 2, uneven', [2, 13, 14, 3], [5, 4, 3, 16], { ...uneven, strideH: 2, strideW: 2 }),
  larger('2 to 112 channels, stride 3 that leaves columns over', [1, 8, 40, 2], [2, 3, 2, 112], { strideW: 3 }),
  larger('one tap, 16 to 32 channels, stride 2', [3, 9, 11, 16], [1, 1, 16, 32], { strideH: 2, strideW: 2 }),
  larger('1 to 48 channels, many rows', [3, 30, 31, 1], [3, 3, 1, 48], SAME),
  larger('16 to 32 channels', [2, 9, 11, 16], [3, 3, 16, 32], SAME),
  larger('32 to 16 channels, uneven', [1, 7, 13, 32], [3, 3, 32, 16], uneven),
  larger('48 to 80 channels, several blocks of tiles', [2, 22, 18, 48], [3, 3, 48, 80]),
  larger('8 to 24 channels, uneven', [2, 11, 9, 8], [3, 3, 8, 24], uneven),
  larger('1 to 24 channels', [2, 9, 13, 1], [3, 3, 1, 24]),
  larger('144 to 16 channels', [1, 6, 6, 144], [3, 3, 144, 16], SAME),
  larger('three axes, 12 to 20 channels', [2, 6, 7, 8, 12], [3, 3, 3, 12, 20], SAME_DEEP),
  larger('three axes, odd channels, stride 2', [1, 7, 6, 9, 5], [3, 2, 3, 5, 19], { strideD: 2, strideH: 2, strideW: 2 }),
  larger('one axis, 8 to 16 channels, many rows', [3, 1, 460, 8], [1, 7, 8, 16], { padLeft: 3, padRight: 3 }),
  larger('18 to 32 channels, stride 2, dilation 3', [2, 15, 14, 18], [3, 2, 18, 32], { strideH: 2, dilationW: 3, padLeft: 2 }),
  larger('one tap, 40 to 48 channels', [2, 13, 11, 40], [1, 1, 40, 48]),
  larger('three axes, 12 to 30 channels', [2, 5, 6, 7, 12], [2, 3, 2, 12, 30], SAME_DEEP),
  larger('four groups of 16 channels', [2, 9, 10, 64], [3, 3, 16, 48], { ...SAME, groups: 4 }),
  larger('two groups of 9 channels to 35', [1, 12, 11, 18], [3, 2, 9, 70], { groups: 2 }),
  larger('depthwise', [2, 14, 19, 20], [3, 3, 1, 20], { ...SAME, groups: 20 }),
  larger('depthwise, 5×5, strided', [2, 17, 14, 35], [5, 5, 1, 35], { ...uneven, strideH: 2, strideW: 2, groups: 35 }),
  larger('depthwise, dilated', [1, 13, 16, 18], [3, 4, 1, 18], { ...SAME, dilationH: 2, dilationW: 3, groups: 18 }),
  larger('depthwise, dilated and strided', [1, 13, 16, 16], [3, 3, 1, 16], {
    ...{ strideH: 2, strideW: 3, dilationH: 2, dilationW: 2, groups: 16 },
    ...uneven,
  }),
  larger('depthwise, three channels from each', [2, 9, 8, 6], [3, 3, 1, 18], { ...SAME, groups: 6 }),
  larger('depthwise, two channels from each, 1×9', [2, 1, 30, 9], [1, 9, 1, 18], { padLeft: 8, groups: 9 }),
  larger('depthwise over three axes', [1, 5, 6, 7, 8], [3, 2, 3, 1, 8], { ...SAME_DEEP, strideD: 2, groups: 8 }),
  convolution('3×3', [2, 6, 5, 3], [3, 3, 3, 4]),
  convolution('one channel in, 17 out', [2, 5, 7, 1], [3, 3, 1, 17], {}, true),
  convolution('1×1', [3, 4, 3, 5], [1, 1, 5, 2]),
  // oneDNN's own kernel gradient of these writes over its scratch memory.
  larger('1×1, strides, one channel', [3, 8, 16, 1], [1, 1, 1, 1], { strideW: 2 }),
  larger('1×1, strides, few channels', [6, 19, 40, 2], [1, 1, 2, 8], { strideH: 2, strideW: 3 }),
  larger('1×1, strides, 12 channels', [3, 7, 8, 12], [1, 1, 12, 16], { strideH: 2, strideW: 2 }),
  larger('1×1, strides, two groups', [3, 9, 8, 6], [1, 1, 3, 8], { strideH: 2, strideW: 2, groups: 2 }),
  larger('1×1, strides, two channels from each', [3, 9, 8, 5], [1, 1, 1, 10], { strideH: 2, strideW: 3, groups: 5 }),
  larger('1×1×1, strides', [2, 5, 6, 9, 3], [1, 1, 1, 3, 8], { strideD: 2, strideH: 3, strideW: 2 }),
  largerRounded('bfloat16', '1×1, strides, few channels', [3, 9, 16, 3], [1, 1, 3, 8], { strideH: 2, strideW: 2 }),
  convolution('one of everything', [1, 1, 1, 1], [1, 1, 1, 1]),
  convolution('5×2, uneven padding', [1, 6, 5, 2], [5, 2, 2, 3], uneven),
  convolution('stride 2 that leaves a row over', [2, 8, 6, 2], [3, 3, 2, 3], { strideH: 2, strideW: 2 }),
  convolution('stride 3, 2', [1, 9, 7, 2], [2, 3, 2, 3], { strideH: 3, strideW: 2, padLeft: 1, padRight: 1 }),
  convolution('stride 3, 4, larger than the kernel', [2, 8, 10, 2], [2, 3, 2, 3], { strideH: 3, strideW: 4, padLeft: 1 }),
  convolution('stride 4, 2 with dilation 2, 3', [1, 12, 9, 2], [3, 3, 2, 2], {
    ...{ strideH: 4, strideW: 2, dilationH: 2, dilationW: 3 },
    ...{ padTop: 1, padBottom: 2, padLeft: 2, padRight: 1 },
  }),
  convolution('dilation 2', [1, 8, 7, 2], [3, 2, 2, 3], { dilationH: 2, dilationW: 3, padTop: 1 }),
  convolution('bias and relu', [2, 5, 5, 2], [3, 3, 2, 5], SAME, true, true),
  convolution('relu, wide channels', [1, 4, 4, 18], [2, 2, 18, 33], {}, false, true),
  convolution('groups, bias and relu', [2, 4, 5, 6], [2, 3, 2, 9], { ...SAME, groups: 3 }, true, true),
  convolution('groups of 4, stride 2, dilation 2', [1, 7, 8, 8], [2, 2, 4, 8], { strideH: 2, dilationW: 2, groups: 2 }),
  convolution('depthwise, bias and relu', [2, 4, 5, 3], [3, 2, 1, 3], { ...SAME, groups: 3 }, true, true),
  convolution('depthwise, one row, two channels from each', [1, 1, 9, 2], [1, 3, 1, 4], { padLeft: 2, groups: 2 }, true),
  convolution('three axes', [1, 4, 3, 5, 2], [2, 3, 2, 2, 3], { padFront: 1, padTop: 1, padRight: 1 }, true),
  convolution('three axes, strides and dilations', [1, 7, 6, 5, 2], [2, 2, 2, 2, 2], {
    ...{ strideD: 3, strideH: 2, strideW: 2, dilationD: 2, dilationH: 3, dilationW: 1 },
    ...{ padFront: 1, padBack: 2, padTop: 2, padBottom: 1, padLeft: 1 },
  }),
  convolution('three axes, groups, relu', [2, 2, 3, 3, 4], [2, 2, 2, 2, 6], { padBack: 1, groups: 2 }, true, true),
  transposed('transposed, stride 2 that leaves a row over', [1, 6, 5, 3], [3, 2, 3, 2], { strideH: 2, strideW: 2, padTop: 1 }),
  transposed('transposed, grouped', [1, 5, 4, 4], [2, 3, 2, 6], { padLeft: 1, strideW: 2, groups: 2 }),
  masked('3×3', [2, 6, 5, 3], [3, 3, 3, 4], SAME),
  masked('16 to 32 channels', [1, 7, 9, 16], [3, 3, 16, 32], SAME),
  masked('stride 2, two groups', [1, 7, 6, 8], [2, 3, 4, 6], { strideH: 2, strideW: 2, groups: 2 }),
  masked('many rows, stride 3 that leaves columns over', [2, 19, 40, 8], [2, 3, 8, 12], { strideW: 3 }),
  masked('depthwise', [1, 5, 4, 17], [3, 3, 1, 17], { ...SAME, groups: 17 }),
  masked('depthwise, two channels from each', [1, 5, 4, 9], [3, 3, 1, 18], { ...SAME, groups: 9 }),
  masked('three axes', [1, 4, 3, 5, 4], [2, 3, 2, 4, 3], { padFront: 1, padTop: 1, padRight: 1 }),
  masked('16 to 32 channels in bfloat16', [2, 9, 10, 16], [3, 3, 16, 32], SAME, 'bfloat16'),
  masked('stride 2 in bfloat16', [2, 9, 8, 16], [3, 3, 16, 32], { strideH: 2, strideW: 2, padTop: 1 }, 'bfloat16'),
  masked('20 channels in tf32', [2, 9, 8, 20], [3, 3, 20, 12], SAME, 'tf32'),
  {
    name: 'a kernel used twice and an input used twice: gradients accumulate',
    inputs: { x: { shape: [2, 5, 5, 2] }, z: { shape: [1, 4, 5, 2] }, w: { shape: [3, 3, 2, 3] }, u: { shape: [2, 2, 2, 2] } },
    build: ({ x, z, w, u }) => ({ a: conv(x!, w!, {}), b: conv(z!, w!, {}), c: conv(x!, u!, {}) }),
    reference: ({ x, z, w, u }) => ({
      a: convolve(x!, [2, 5, 5, 2], w!, [3, 3, 2, 3], {}),
      b: convolve(z!, [1, 4, 5, 2], w!, [3, 3, 2, 3], {}),
      c: convolve(x!, [2, 5, 5, 2], u!, [2, 2, 2, 2], {}),
    }),
    terms: 60,
  },
  ...[
    { name: 'depthwise', x: [1, 5, 4, 17], w: [4, 3, 1, 17], g: { ...SAME, groups: 17 } },
    { name: 'depthwise, two channels from each', x: [1, 4, 4, 9], w: [3, 3, 1, 18], g: { ...SAME, groups: 9 } },
    { name: 'three axes, groups', x: [1, 3, 3, 4, 4], w: [2, 2, 2, 2, 4], g: { groups: 2 } },
  ].map(({ name, x, w, g }): OpCase => ({
    name: `${name}: gradients accumulate`,
    inputs: { x: { shape: x }, w: { shape: w } },
    build: (v) => ({ y: conv(v.x!, v.w!, g), twice: conv(v.x!, v.w!, g) }),
    reference: (v) => ({ y: convolve(v.x!, x, v.w!, w, g), twice: convolve(v.x!, x, v.w!, w, g) }),
    terms: 100,
  })),
  largerRounded('bfloat16', '32 to 64 channels', [3, 14, 14, 32], [3, 3, 32, 64]),
  largerRounded('bfloat16', 'a kernel of a megabyte', [1, 2, 2, 240], [3, 3, 240, 256], SAME),
  largerRounded('bfloat16', '16 to 32 channels', [2, 16, 15, 16], [3, 3, 16, 32], SAME),
  largerRounded('bfloat16', '40 to 8 channels', [2, 9, 8, 40], [3, 3, 40, 8], SAME),
  accumulated('bfloat16', '24 channels', [2, 9, 8, 24], [3, 3, 24, 24], SAME),
  largerRounded('bfloat16', '64 channels', [2, 8, 8, 64], [3, 3, 64, 64], SAME),
  largerRounded('bfloat16', '16 to 32 channels, stride 2', [2, 16, 17, 16], [3, 3, 16, 32], { ...SAME, strideH: 2, strideW: 2 }),
  largerRounded('bfloat16', '1×1, stride 2', [2, 16, 16, 16], [1, 1, 16, 32], { strideH: 2, strideW: 2 }),
  largerRounded('bfloat16', 'many channels, odd', [1, 21, 20, 35], [2, 2, 35, 37]),
  largerRounded('bfloat16', 'one channel in', [3, 14, 13, 1], [3, 3, 1, 32]),
  largerRounded('bfloat16', '3 to 16 channels', [2, 16, 16, 3], [3, 3, 3, 16], SAME),
  largerRounded('bfloat16', '5×4, uneven padding, strides 3 and 2', [2, 15, 14, 8], [5, 4, 8, 24], {
    ...uneven,
    strideH: 3,
    strideW: 2,
  }),
  largerRounded('bfloat16', '16 to 48 channels, dilation 2', [2, 13, 12, 16], [3, 3, 16, 48], {
    ...SAME,
    dilationH: 2,
    dilationW: 2,
  }),
  largerRounded('bfloat16', 'stride 2 with dilation 3', [1, 17, 18, 16], [3, 2, 16, 16], {
    strideH: 2,
    strideW: 2,
    dilationH: 3,
    dilationW: 3,
  }),
  largerRounded('bfloat16', 'two groups of 16 channels', [2, 9, 10, 32], [3, 3, 16, 32], { ...SAME, groups: 2 }),
  largerRounded('bfloat16', 'two groups of 9 channels to 35', [1, 12, 11, 18], [3, 2, 9, 70], { groups: 2 }),
  largerRounded('bfloat16', 'depthwise', [2, 14, 19, 20], [3, 3, 1, 20], { ...SAME, groups: 20 }),
  largerRounded('bfloat16', 'depthwise, dilated', [1, 13, 16, 18], [3, 4, 1, 18], {
    ...SAME,
    dilationH: 2,
    dilationW: 3,
    groups: 18,
  }),
  largerRounded('bfloat16', 'depthwise, three channels from each', [2, 9, 8, 6], [3, 3, 1, 18], { ...SAME, groups: 6 }),
  largerRounded('bfloat16', 'three axes, 12 to 20 channels', [2, 6, 7, 8, 12], [3, 3, 3, 12, 20], SAME_DEEP),
  largerRounded('bfloat16', 'three axes, 16 to 32 channels', [1, 6, 7, 8, 16], [3, 2, 3, 16, 32], { ...SAME_DEEP, strideD: 2 }),
  inPrecision('bfloat16', 'one of everything', [1, 1, 1, 1], [1, 1, 1, 1]),
  inPrecision('bfloat16', '3×3', [2, 6, 5, 3], [3, 3, 3, 4]),
  inPrecision('bfloat16', 'bias and relu', [2, 9, 9, 16], [3, 3, 16, 32], SAME, true, true),
  inPrecision('bfloat16', 'bias and relu, one channel in', [2, 9, 9, 1], [3, 3, 1, 32], SAME, true, true),
  inPrecision('bfloat16', 'relu, wide channels', [1, 4, 4, 18], [2, 2, 18, 33], {}, false, true),
  inPrecision('bfloat16', 'groups, bias and relu', [2, 4, 5, 6], [2, 3, 2, 9], { ...SAME, groups: 3 }, true, true),
  inPrecision('bfloat16', 'depthwise, bias and relu', [2, 4, 5, 3], [3, 2, 1, 3], { ...SAME, groups: 3 }, true, true),
  inPrecision(
    'bfloat16',
    'three axes, bias and relu',
    [1, 4, 3, 5, 2],
    [2, 3, 2, 2, 3],
    { padFront: 1, padTop: 1, padRight: 1 },
    true,
    true,
  ),
  transposed('transposed in bfloat16', [2, 9, 8, 16], [3, 3, 16, 32], { strideH: 2, strideW: 2, padTop: 1 }, 'bfloat16'),
  accumulated('bfloat16', '32 to 16 channels', [2, 9, 10, 32], [3, 3, 32, 16], SAME),
  accumulated('bfloat16', 'one channel in', [2, 9, 10, 1], [3, 3, 1, 16], SAME),
  accumulated('bfloat16', 'depthwise', [1, 5, 4, 17], [4, 3, 1, 17], { ...SAME, groups: 17 }),
  accumulated('bfloat16', 'depthwise, two channels from each', [1, 4, 4, 9], [3, 3, 1, 18], { ...SAME, groups: 9 }),
  accumulated('bfloat16', 'three axes, two groups', [1, 3, 3, 4, 4], [2, 2, 2, 2, 4], { groups: 2 }),
  largerRounded('tf32', '9 to 20 channels', [2, 9, 8, 9], [3, 3, 9, 20], SAME),
  largerRounded('tf32', 'depthwise, two channels from each', [2, 6, 5, 9], [3, 3, 1, 18], { ...SAME, groups: 9 }),
  inPrecision('tf32', 'bias and relu, two groups', [2, 6, 6, 8], [3, 3, 4, 12], { ...SAME, groups: 2 }, true, true),
  transposed('transposed in tf32', [2, 9, 8, 5], [3, 3, 5, 7], { strideH: 2, strideW: 2, padTop: 1 }, 'tf32'),
  accumulated('tf32', '8 to 4 channels', [2, 5, 6, 8], [3, 3, 8, 4], SAME),
  accumulated('tf32', 'depthwise', [1, 5, 4, 17], [3, 3, 1, 17], { ...SAME, groups: 17 }),
  ...ROUNDED.flatMap(tiles),
];
