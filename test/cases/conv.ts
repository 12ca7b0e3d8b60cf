/**
 * conv and its gradients over two and three axes: kernel sizes, strides, dilation, uneven padding, groups, bias, relu,
 * shared kernels and inputs; in float32 and in bfloat16.
 */
import { conv, convDxOp, convOp, convTranspose, type ConvWindow } from '../../lib/ops/conv.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { sizeOf } from '../../lib/graph/shape.js';
import { windowOutput } from '../../lib/ops/window.js';
import type { Value } from '../../lib/graph/graph.js';
import { flat, indices, type OpCase } from './op_case.js';
import { bfloat16 } from './recurrence_case.js';

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

function outputShape(x: Numbers, w: Numbers, g: ConvWindow): number[] {
  const axes = axesOf(g, x.length - 2);
  const along = axes.map((a, i) => windowOutput(x[i + 1]!, w[i]!, a.stride, a.dilation, a.before + a.after));
  return [x[0]!, ...along, w.at(-1)!];
}

/** Calls visit(position in x, in w, in y) for every product of the convolution. */
function products(x: Numbers, w: Numbers, g: ConvWindow, visit: (x: number, w: number, y: number) => void): void {
  const axes = axesOf(g, x.length - 2);
  const y = outputShape(x, w, g);
  const taps = [...indices(w.slice(0, -2))];
  const [depth, filters] = [w.at(-2)!, w.at(-1)!];
  const filtersOfGroup = filters / (g.groups ?? 1);
  for (const [at, index] of [...indices(y)].entries()) {
    const filter = index.at(-1)!;
    const first = Math.floor(filter / filtersOfGroup) * depth;
    for (const tap of taps) {
      const position = axes.map((a, i) => index[i + 1]! * a.stride + tap[i]! * a.dilation - a.before);
      if (position.some((p, i) => p < 0 || p >= x[i + 1]!)) continue;
      const pixel = flat(x, [index[0]!, ...position, first]);
      const weight = flat(w, [...tap, 0, filter]);
      for (let c = 0; c < depth; c++) visit(pixel + c, weight + c * filters, at);
    }
  }
}

function convolve(x: Numbers, xShape: Numbers, w: Numbers, wShape: Numbers, g: ConvWindow): number[] {
  const y = new Array<number>(sizeOf(outputShape(xShape, wShape, g))).fill(0);
  products(xShape, wShape, g, (a, b, c) => (y[c]! += x[a]! * w[b]!));
  return y;
}

/** conv with operands rounded to bfloat16. They are given, so they round the same everywhere; sums are in float32. */
function rounded(x: Value, w: Value, window: ConvWindow, bias?: Value): Value {
  return x.graph.add(convOp, { x, w, bias }, { ...window, precision: 'bfloat16' }).outputs.y!;
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
function larger(name: string, x: Numbers, w: Numbers, window: ConvWindow = {}, rounds = false): OpCase {
  const operand = rounds ? bfloat16 : (value: number): number => value;
  const y = outputShape(x, w, window);
  const o = w.at(-1)!;
  return {
    name,
    inputs: { x: { shape: x }, w: { shape: w }, b: { shape: [o] }, g: { shape: y } },
    build: (v) => {
      const made = (rounds ? rounded : conv)(v.x!, v.w!, window, v.b);
      const [dx, dw, db] = gradients(elementwise('mul', made, v.g!), [v.x!, v.w!, v.b!]);
      return { y: made, dx: dx!, dw: dw!, db: db! };
    },
    reference: (v) => {
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

/** `larger` in bfloat16. The gradient by the bias is a plain sum: nothing of it is rounded. */
const largerRounded = (name: string, x: Numbers, w: Numbers, window?: ConvWindow): OpCase =>
  larger(`${name} in bfloat16`, x, w, window, true);

/** In bfloat16: bias and relu are applied to the float32 sums. */
function inBfloat16(name: string, x: Numbers, w: Numbers, g: ConvWindow = {}, bias = false, relu = false): OpCase {
  const exact = convolution(name, x, w, g, bias, relu);
  return {
    ...exact,
    name: `${name} in bfloat16`,
    build: (v) => {
      const y = rounded(v.x!, v.w!, g, v.bias);
      return { y: relu ? elementwise('relu', y) : y };
    },
    reference: (v) => exact.reference({ ...v, x: v.x!.map(bfloat16), w: v.w!.map(bfloat16) }),
    gradients: [],
  };
}

/** Σ g·conv(x, w) + h·conv(z, w) + k·conv(x, u) in bfloat16: the gradients of what is used twice accumulate. */
function accumulated(name: string, x: Numbers, w: Numbers, window: ConvWindow): OpCase {
  const y = outputShape(x, w, window);
  const shapes = { x, z: x, w, u: w, g: y, h: y, k: y };
  return {
    name: `${name} in bfloat16: gradients accumulate`,
    inputs: Object.fromEntries(Object.entries(shapes).map(([input, shape]) => [input, { shape }])),
    build: (v) => {
      const weighed = (a: Value, b: Value, slope: Value): Value => elementwise('mul', rounded(a, b, window), slope);
      const all = elementwise(
        'add',
        elementwise('add', weighed(v.x!, v.w!, v.g!), weighed(v.z!, v.w!, v.h!)),
        weighed(v.x!, v.u!, v.k!),
      );
      const [dx, dw] = gradients(all, [v.x!, v.w!]);
      return { dx: dx!, dw: dw! };
    },
    reference: (v) => {
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const dw = new Array<number>(sizeOf(w)).fill(0);
      const r = Object.fromEntries(Object.entries(v).map(([input, values]) => [input, values.map(bfloat16)]));
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
export function transposed(name: string, x: Numbers, w: Numbers, g: ConvWindow, rounds = false): OpCase {
  const shape = outputShape(x, w, g);
  const operand = rounds ? bfloat16 : (value: number): number => value;
  return {
    name,
    inputs: { dy: { shape }, w: { shape: w } },
    build: (v) => ({
      y: rounds
        ? v.dy!.graph.add(convDxOp, { dy: v.dy, w: v.w }, { ...g, shape: x, precision: 'bfloat16' }).outputs.dx!
        : convTranspose(v.dy!, v.w!, x, g),
    }),
    reference: (v) => {
      const dx = new Array<number>(sizeOf(x)).fill(0);
      const [dy, weights] = [v.dy!.map(operand), v.w!.map(operand)];
      products(x, w, g, (a, b, c) => (dx[a]! += dy[c]! * weights[b]!));
      return { y: dx };
    },
    ...(rounds && { gradients: [] }),
    terms: sizeOf(w) + sizeOf(shape) / shape.at(-1)!,
  };
}

const SAME = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const SAME_DEEP = { ...SAME, padFront: 1, padBack: 1 };
const uneven = { padTop: 2, padBottom: 1, padRight: 1 };

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
  larger('144 to 16 channels', [1, 6, 6, 144], [3, 3, 144, 16], SAME),
  larger('three axes, 12 to 20 channels', [2, 6, 7, 8, 12], [3, 3, 3, 12, 20], SAME_DEEP),
  larger('three axes, odd channels, stride 2', [1, 7, 6, 9, 5], [3, 2, 3, 5, 19], { strideD: 2, strideH: 2, strideW: 2 }),
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
  largerRounded('32 to 64 channels', [3, 14, 14, 32], [3, 3, 32, 64]),
  largerRounded('a kernel of a megabyte', [1, 2, 2, 240], [3, 3, 240, 256], SAME),
  largerRounded('16 to 32 channels', [2, 16, 15, 16], [3, 3, 16, 32], SAME),
  largerRounded('64 channels', [2, 8, 8, 64], [3, 3, 64, 64], SAME),
  largerRounded('16 to 32 channels, stride 2', [2, 16, 17, 16], [3, 3, 16, 32], { ...SAME, strideH: 2, strideW: 2 }),
  largerRounded('1×1, stride 2', [2, 16, 16, 16], [1, 1, 16, 32], { strideH: 2, strideW: 2 }),
  largerRounded('many channels, odd', [1, 21, 20, 35], [2, 2, 35, 37]),
  largerRounded('one channel in', [3, 14, 13, 1], [3, 3, 1, 32]),
  largerRounded('3 to 16 channels', [2, 16, 16, 3], [3, 3, 3, 16], SAME),
  largerRounded('5×4, uneven padding, strides 3 and 2', [2, 15, 14, 8], [5, 4, 8, 24], { ...uneven, strideH: 3, strideW: 2 }),
  largerRounded('16 to 48 channels, dilation 2', [2, 13, 12, 16], [3, 3, 16, 48], { ...SAME, dilationH: 2, dilationW: 2 }),
  largerRounded('stride 2 with dilation 3', [1, 17, 18, 16], [3, 2, 16, 16], {
    strideH: 2,
    strideW: 2,
    dilationH: 3,
    dilationW: 3,
  }),
  largerRounded('two groups of 16 channels', [2, 9, 10, 32], [3, 3, 16, 32], { ...SAME, groups: 2 }),
  largerRounded('two groups of 9 channels to 35', [1, 12, 11, 18], [3, 2, 9, 70], { groups: 2 }),
  largerRounded('depthwise', [2, 14, 19, 20], [3, 3, 1, 20], { ...SAME, groups: 20 }),
  largerRounded('depthwise, dilated', [1, 13, 16, 18], [3, 4, 1, 18], { ...SAME, dilationH: 2, dilationW: 3, groups: 18 }),
  largerRounded('depthwise, three channels from each', [2, 9, 8, 6], [3, 3, 1, 18], { ...SAME, groups: 6 }),
  largerRounded('three axes, 12 to 20 channels', [2, 6, 7, 8, 12], [3, 3, 3, 12, 20], SAME_DEEP),
  largerRounded('three axes, 16 to 32 channels', [1, 6, 7, 8, 16], [3, 2, 3, 16, 32], { ...SAME_DEEP, strideD: 2 }),
  inBfloat16('one of everything', [1, 1, 1, 1], [1, 1, 1, 1]),
  inBfloat16('3×3', [2, 6, 5, 3], [3, 3, 3, 4]),
  inBfloat16('bias and relu', [2, 9, 9, 16], [3, 3, 16, 32], SAME, true, true),
  inBfloat16('bias and relu, one channel in', [2, 9, 9, 1], [3, 3, 1, 32], SAME, true, true),
  inBfloat16('relu, wide channels', [1, 4, 4, 18], [2, 2, 18, 33], {}, false, true),
  inBfloat16('groups, bias and relu', [2, 4, 5, 6], [2, 3, 2, 9], { ...SAME, groups: 3 }, true, true),
  inBfloat16('depthwise, bias and relu', [2, 4, 5, 3], [3, 2, 1, 3], { ...SAME, groups: 3 }, true, true),
  inBfloat16('three axes, bias and relu', [1, 4, 3, 5, 2], [2, 3, 2, 2, 3], { padFront: 1, padTop: 1, padRight: 1 }, true, true),
  transposed('transposed in bfloat16', [2, 9, 8, 16], [3, 3, 16, 32], { strideH: 2, strideW: 2, padTop: 1 }, true),
  accumulated('32 to 16 channels', [2, 9, 10, 32], [3, 3, 32, 16], SAME),
  accumulated('one channel in', [2, 9, 10, 1], [3, 3, 1, 16], SAME),
  accumulated('depthwise', [1, 5, 4, 17], [4, 3, 1, 17], { ...SAME, groups: 17 }),
  accumulated('depthwise, two channels from each', [1, 4, 4, 9], [3, 3, 1, 18], { ...SAME, groups: 9 }),
  accumulated('three axes, two groups', [1, 3, 3, 4, 4], [2, 2, 2, 2, 4], { groups: 2 }),
];
