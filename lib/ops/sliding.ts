/**
 * Convolutions over one, two and three axes as layers and `gs.ops` have them: padding as Keras does it (`valid` adds nothing; `same`
 * pads so that the result has ceil(size / stride) elements, with the odd element behind; `causal` pads in front only, so that no
 * result sees what comes later), and the attributes that ops take. Ops slide over two axes or three: values with one axis get a
 * height of 1, which costs nothing.
 */
import type { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import type { Axes } from '../options.js';
import { conv, convTranspose } from './conv.js';
import { elementwise } from './map.js';
import type { PoolWindow } from './max_pool.js';
import { reshape } from './reshape.js';
import { windowOutput } from './window.js';

export type Padding = 'valid' | 'same';
export type CausalPadding = Padding | 'causal';

export interface SlidingWindow {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: CausalPadding;
}

/** Elements added before and after an axis. */
function axisPadding(length: number, size: number, stride: number, dilation: number, padding: CausalPadding): [number, number] {
  if (padding === 'valid') return [0, 0];
  if (padding === 'causal') return [(size - 1) * dilation, 0];
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + (size - 1) * dilation + 1 - length);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Elements added before and after each axis. */
function paddings(lengths: Shape, { size, strides, dilation, padding }: SlidingWindow): [number, number][] {
  return lengths.map((length, i) => axisPadding(length, size[i]!, strides[i]!, dilation[i]!, padding));
}

/** Lengths of axes after the window; below 1 where it does not fit. */
export function slidLengths(lengths: Shape, window: SlidingWindow): number[] {
  const { size, strides, dilation } = window;
  const pads = paddings(lengths, window);
  return lengths.map((l, i) => windowOutput(l, size[i]!, strides[i]!, dilation[i]!, pads[i]![0] + pads[i]![1]));
}

/** Attributes named after the axes: `byAxis('stride', [2, 3])` is { strideH: 2, strideW: 3 }. */
function byAxis(prefix: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((v, i) => [`${prefix}${'DHW'[i + 3 - values.length]!}`, v]));
}

const SIDES = [
  ['padFront', 'padBack'],
  ['padTop', 'padBottom'],
  ['padLeft', 'padRight'],
] as const;

/** Strides and padding as ops take them. */
function strideAttrs(strides: readonly number[], pads: readonly (readonly [number, number])[]): Record<string, number> {
  const sides = pads.flatMap(([before, after], i) => {
    const [front, back] = SIDES[i + 3 - pads.length]!;
    return [
      [front, before],
      [back, after],
    ] as const;
  });
  return { ...byAxis('stride', strides), ...Object.fromEntries(sides) };
}

/** A convolution's attributes for values whose axes have these lengths. */
function convAttrs(lengths: Shape, window: SlidingWindow): Record<string, number> {
  return { ...strideAttrs(window.strides, paddings(lengths, window)), ...byAxis('dilation', window.dilation) };
}

/** [rows, steps, channels] as [rows, 1, steps, channels]; other values as they are. */
function withHeight(x: Value): Value {
  const [rows, ...rest] = x.shape;
  return x.shape.length === 3 ? reshape(x, [rows!, 1, ...rest]) : x;
}

/** A convolution's kernel for `axes` axes, as ops over two or three take it. */
function kernelWithHeight(axes: Axes, kernel: Value): Value {
  return axes === 1 ? reshape(kernel, [1, ...kernel.shape]) : kernel;
}

/** The way back from withHeight. */
function withoutHeight(axes: Axes, y: Value): Value {
  return axes === 1 ? reshape(y, [y.shape[0]!, ...y.shape.slice(2)]) : y;
}

/** x [rows, axes…, in] convolved with a kernel [size…, in/groups, out], plus a bias [out]. */
export function convolution(axes: Axes, x: Value, kernel: Value, window: SlidingWindow, groups: number, bias?: Value): Value {
  const attrs = { ...convAttrs(x.shape.slice(1, -1), window), groups };
  return withoutHeight(axes, conv(withHeight(x), kernelWithHeight(axes, kernel), attrs, bias));
}

/** x [rows, axes…, in] convolved channel by channel with a kernel [size…, in, multiplier], plus a bias [in · multiplier]. */
export function depthwiseConvolution(axes: Axes, x: Value, kernel: Value, window: SlidingWindow, bias?: Value): Value {
  const [channels, multiplier] = kernel.shape.slice(-2) as [number, number];
  const grouped = reshape(kernel, [...kernel.shape.slice(0, -2), 1, channels * multiplier]);
  return convolution(axes, x, grouped, window, channels, bias);
}

/** The window of a transposed convolution. */
export interface TransposedWindow extends SlidingWindow {
  readonly padding: Padding;
  readonly outputPadding: readonly number[] | undefined;
}

/** Along one axis of `length` elements: the result's length, and how many of its elements lie before the first window's first. */
function transposedAxis(o: TransposedWindow, i: number, length: number): { length: number; before: number } {
  const stride = o.strides[i]!;
  const extent = (o.size[i]! - 1) * o.dilation[i]! + 1;
  const extra = o.outputPadding?.[i];
  if (o.padding === 'valid') {
    return { length: (length - 1) * stride + (extra === undefined ? Math.max(extent, stride) : extent + extra), before: 0 };
  }
  const padding = extra === undefined ? stride + extent - 2 : extent + (extent % 2) - 2 + extra;
  const front = Math.min(Math.ceil(padding / 2), extent - 1);
  return { length: (length - 1) * stride - extent + 2 + padding, before: extent - 1 - front };
}

/**
 * Lengths of axes after a transposed convolution; below 1 where nothing is left. With s the stride and k the window's extent
 * (dilation included), as in Keras 3,
 *   valid: (n − 1)·s + max(k, s) elements, with outputPadding (n − 1)·s + k + outputPadding;
 *   same:  n·s elements,                   with outputPadding (n − 1)·s + k mod 2 + outputPadding.
 */
export function transposedLengths(lengths: Shape, window: TransposedWindow): number[] {
  return lengths.map((length, i) => transposedAxis(window, i, length).length);
}

/**
 * The transposed convolution of x [rows, axes…, in] with a kernel [size…, out, in], plus a bias [out]: the input gradient of a
 * convolution from the result to x.
 */
export function transposedConvolution(axes: Axes, x: Value, kernel: Value, window: TransposedWindow, bias?: Value): Value {
  const lengths = x.shape.slice(1, -1);
  const result = lengths.map((length, i) => transposedAxis(window, i, length));
  const pads = result.map(({ length, before }, i): [number, number] => {
    const reach = (lengths[i]! - 1) * window.strides[i]! + (window.size[i]! - 1) * window.dilation[i]! + 1;
    return [before, reach - before - length];
  });
  const attrs = { ...strideAttrs(window.strides, pads), ...byAxis('dilation', window.dilation) };
  const size = result.map((axis) => axis.length);
  const shape = [x.shape[0]!, ...(axes === 1 ? [1] : []), ...size, kernel.shape.at(-2)!];
  const y = withoutHeight(axes, convTranspose(withHeight(x), kernelWithHeight(axes, kernel), shape, attrs));
  return bias ? elementwise('add', y, bias) : y;
}

/** The largest, or the mean, of each window of x [rows, axes…, channels]: `pool` says which. */
export function pooling(axes: Axes, x: Value, window: SlidingWindow, pool: (x: Value, window: PoolWindow) => Value): Value {
  const attrs = { ...byAxis('pool', window.size), ...strideAttrs(window.strides, paddings(x.shape.slice(1, -1), window)) };
  return withoutHeight(axes, pool(withHeight(x), attrs));
}
