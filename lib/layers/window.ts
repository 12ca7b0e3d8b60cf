/**
 * Windows that slide over one, two or three axes of samples [axes…, channels]: padding as Keras does it (`valid` adds
 * nothing; `same` pads so that the result has ceil(size / stride) elements, with the odd element behind; `causal` pads
 * in front only, so that no result sees what comes later), the sizes of results, and the attributes that ops take. Ops
 * slide over two axes or three: samples with one axis get a height of 1, which costs nothing.
 */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { reshape } from '../ops/reshape.js';
import { windowOutput } from '../ops/window.js';
import { oneOf, type Axes } from '../options.js';
import { expectAxes } from './define_layer.js';

export type Padding = 'valid' | 'same';
export type CausalPadding = Padding | 'causal';

export const paddingOption = oneOf(['valid', 'same']);
export const causalPaddingOption = oneOf(['valid', 'same', 'causal']);

export interface WindowOptions {
  readonly size: readonly number[];
  readonly strides: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: CausalPadding;
}

const AXIS_NAMES: Readonly<Record<Axes, readonly string[]>> = {
  1: ['steps'],
  2: ['height', 'width'],
  3: ['depth', 'height', 'width'],
};

/** The lengths of the axes of samples [axes…, channels]; ERR_SHAPE where there are not `axes` of them. */
export function axesOf(axes: Axes, input: Shape): Shape {
  expectAxes(input, [...AXIS_NAMES[axes], 'channels']);
  return input.slice(0, -1);
}

/** Elements added before and after an axis. */
function axisPadding(length: number, size: number, stride: number, dilation: number, padding: CausalPadding): [number, number] {
  if (padding === 'valid') return [0, 0];
  if (padding === 'causal') return [(size - 1) * dilation, 0];
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + (size - 1) * dilation + 1 - length);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Elements added before and after each axis. */
export function paddings(lengths: Shape, { size, strides, dilation, padding }: WindowOptions): [number, number][] {
  return lengths.map((length, i) => axisPadding(length, size[i]!, strides[i]!, dilation[i]!, padding));
}

/** Lengths of the result for samples [axes…, channels]; ERR_SHAPE when the window is larger than they are. */
export function windowedSize(axes: Axes, input: Shape, options: WindowOptions): number[] {
  const lengths = axesOf(axes, input);
  const { size, strides, dilation, padding } = options;
  const pads = paddings(lengths, options);
  const result = lengths.map((l, i) => windowOutput(l, size[i]!, strides[i]!, dilation[i]!, pads[i]![0] + pads[i]![1]));
  if (result.some((d) => d < 1)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `A window of ${formatShape(size)} with padding "${padding}" does not fit into samples of shape ${formatShape(input)}`,
    );
  }
  return result;
}

/** Attributes named after the axes: `byAxis('stride', [2, 3])` is { strideH: 2, strideW: 3 }. */
export function byAxis(prefix: string, values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((v, i) => [`${prefix}${'DHW'[i + 3 - values.length]!}`, v]));
}

const SIDES = [
  ['padFront', 'padBack'],
  ['padTop', 'padBottom'],
  ['padLeft', 'padRight'],
] as const;

/** Strides and padding as ops take them. */
export function strideAttrs(strides: readonly number[], pads: readonly (readonly [number, number])[]): Record<string, number> {
  const sides = pads.flatMap(([before, after], i) => {
    const [front, back] = SIDES[i + 3 - pads.length]!;
    return [
      [front, before],
      [back, after],
    ] as const;
  });
  return { ...byAxis('stride', strides), ...Object.fromEntries(sides) };
}

/** A convolution's attributes for samples whose axes have these lengths. */
export function convAttrs(lengths: Shape, window: WindowOptions): Record<string, number> {
  return { ...strideAttrs(window.strides, paddings(lengths, window)), ...byAxis('dilation', window.dilation) };
}

/** [rows, steps, channels] as [rows, 1, steps, channels]; other values as they are. */
export function withHeight(x: Value): Value {
  const [rows, ...rest] = x.shape;
  return x.shape.length === 3 ? reshape(x, [rows!, 1, ...rest]) : x;
}

/** A convolution's kernel for `axes` axes, as ops over two or three take it. */
export function kernelWithHeight(axes: Axes, kernel: Value): Value {
  return axes === 1 ? reshape(kernel, [1, ...kernel.shape]) : kernel;
}

/** The way back from withHeight. */
export function withoutHeight(axes: Axes, y: Value): Value {
  return axes === 1 ? reshape(y, [y.shape[0]!, ...y.shape.slice(2)]) : y;
}
