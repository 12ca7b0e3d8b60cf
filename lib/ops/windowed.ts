/**
 * The part of `gs.ops` that slides windows over the axes between rows and channels: convolutions, their transposes, poolings, for
 * layers and steps of a user's own. Channels last; paddings and sizes are those of the layers of the same name.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { checkOptions, integer, oneOf, optional, perAxis, type Axes, type PerAxis, type SchemaOf } from '../options.js';
import { floats } from './arguments.js';
import { averagePool } from './average_pool.js';
import { maxPool as maxPoolOf } from './max_pool.js';
import {
  convolution,
  depthwiseConvolution,
  pooling,
  slidLengths,
  transposedConvolution,
  transposedLengths,
  type CausalPadding,
  type Padding,
  type SlidingWindow,
} from './sliding.js';

/** Options of convolutions over `A` axes. */
export interface ConvolutionOptions<A extends Axes> {
  /** Step between windows: one number for all axes, or one for each. Default 1. */
  strides?: PerAxis<A>;
  /** `valid`: only whole windows; `same`: zeros around; `causal` (one axis only): zeros in front. Default `valid`. */
  padding?: A extends 1 ? CausalPadding : Padding;
  /** Distance between the window's elements. Default 1. */
  dilationRate?: PerAxis<A>;
}

/** Options of convolutions whose channels may be cut into groups. */
export interface GroupedConvolutionOptions<A extends Axes> extends ConvolutionOptions<A> {
  /** Into how many groups the channels are cut, each with filters of its own. Default 1. */
  groups?: number;
}

/** Options of transposed convolutions. */
export interface TransposedConvolutionOptions<A extends Axes> {
  /** How far the results of neighbouring elements are apart. Default 1. */
  strides?: PerAxis<A>;
  /** `valid`: whatever the windows reach; `same`: stride times the size. Default `valid`. */
  padding?: Padding;
  /** Distance between the window's elements. Default 1. */
  dilationRate?: PerAxis<A>;
  /** Elements added behind the smallest result that fits; less than the stride. Default: as `padding` says. */
  outputPadding?: PerAxis<A>;
}

/** Options of poolings; sizes for each axis, or one for all. */
export interface PoolOptions {
  /** Size of the window. Default 2. */
  poolSize?: number | readonly number[];
  /** Step between windows. Default: the window's size. */
  strides?: number | readonly number[];
  /** `valid`: only whole windows; `same`: windows may reach over the edge. Default `valid`. */
  padding?: Padding;
}

const NAMES: Readonly<Record<Axes, string>> = {
  1: '[rows, steps, channels]',
  2: '[rows, height, width, channels]',
  3: '[rows, depth, height, width, channels]',
};

const KERNELS: Readonly<Record<Axes, string>> = { 1: 'size', 2: 'height, width', 3: 'depth, height, width' };

/** A value of floats [rows, axes…, channels]. */
function image(what: string, x: unknown, axes: Axes): Value {
  const given = floats(`${what} x`, x);
  if (given.shape.length === axes + 2) return given;
  throw new GradstepError('ERR_SHAPE', `Expected ${NAMES[axes]} for ${what} x but received ${formatShape(given.shape)}`);
}

/** A kernel, whose last axes are called `channels`; of them the one at `at` fits the channels of x. */
function kernelFor(what: string, kernel: unknown, axes: Axes, channels: string, fits: (kernel: Value) => boolean): Value {
  const given = floats(`${what} kernel`, kernel);
  if (given.shape.length === axes + 2 && fits(given)) return given;
  const wanted = `[${KERNELS[axes]}, ${channels}]`;
  throw new GradstepError('ERR_SHAPE', `Expected ${wanted} for ${what} kernel but received ${formatShape(given.shape)}`);
}

const plain = oneOf(['valid', 'same']);

function windowSchema(axes: Axes) {
  const ones = Array.from({ length: axes }, () => 1) as readonly number[];
  return {
    strides: optional(perAxis(axes), ones),
    padding: optional(axes === 1 ? oneOf(['valid', 'same', 'causal']) : plain, 'valid' as const),
    dilationRate: optional(perAxis(axes), ones),
  } satisfies SchemaOf<ConvolutionOptions<1>>;
}

/** ERR_SHAPE where nothing is left of an axis. */
function expectLengths(what: string, lengths: readonly number[], x: Value, size: readonly number[]): void {
  if (lengths.every((l) => l >= 1)) return;
  throw new GradstepError('ERR_SHAPE', `A window of ${formatShape(size)} does not fit ${formatShape(x.shape)} in ${what}`);
}

function convolve(axes: Axes, name: string, xGiven: Value, kernelGiven: Value, options: unknown): Value {
  const what = `ops.${name}`;
  const schema = { ...windowSchema(axes), groups: optional(integer(1), 1) };
  const { strides, padding, dilationRate: dilation, groups } = checkOptions(what, options, schema);
  const x = image(what, xGiven, axes);
  const channels = x.shape.at(-1)!;
  if (channels % groups !== 0) throw optionError(`${what}.groups`, `divisor of the ${channels} channels of x`, groups);
  const inner = channels / groups;
  const kernel = kernelFor(what, kernelGiven, axes, `${inner}, filters${groups > 1 ? ` that ${groups} divides` : ''}`, (k) => {
    return k.shape.at(-2) === inner && k.shape.at(-1)! % groups === 0;
  });
  const window: SlidingWindow = { size: kernel.shape.slice(0, -2), strides, dilation, padding };
  expectLengths(what, slidLengths(x.shape.slice(1, -1), window), x, window.size);
  return convolution(axes, x, kernel, window, groups);
}

function convolveDepthwise(axes: 1 | 2, name: string, xGiven: Value, kernelGiven: Value, options: unknown): Value {
  const what = `ops.${name}`;
  const { strides, padding, dilationRate: dilation } = checkOptions(what, options, windowSchema(axes));
  const x = image(what, xGiven, axes);
  const channels = x.shape.at(-1)!;
  const kernel = kernelFor(what, kernelGiven, axes, `${channels}, multiplier`, (k) => k.shape.at(-2) === channels);
  const window: SlidingWindow = { size: kernel.shape.slice(0, -2), strides, dilation, padding };
  expectLengths(what, slidLengths(x.shape.slice(1, -1), window), x, window.size);
  return depthwiseConvolution(axes, x, kernel, window);
}

function convolveTransposed(axes: Axes, name: string, xGiven: Value, kernelGiven: Value, options: unknown): Value {
  const what = `ops.${name}`;
  const schema = {
    ...windowSchema(axes),
    padding: optional(plain, 'valid' as const),
    outputPadding: optional(perAxis(axes, 0), undefined),
  };
  const { strides, padding, dilationRate: dilation, outputPadding } = checkOptions(what, options, schema);
  if (outputPadding?.some((p, i) => p >= strides[i]!)) {
    throw optionError(`${what}.outputPadding`, `less than the strides ${formatShape(strides)}`, outputPadding);
  }
  const x = image(what, xGiven, axes);
  const channels = x.shape.at(-1)!;
  const kernel = kernelFor(what, kernelGiven, axes, `filters, ${channels}`, (k) => k.shape.at(-1) === channels);
  const window = { size: kernel.shape.slice(0, -2), strides, dilation, padding, outputPadding };
  expectLengths(what, transposedLengths(x.shape.slice(1, -1), window), x, window.size);
  return transposedConvolution(axes, x, kernel, window);
}

function pool(name: string, xGiven: Value, options: unknown, op: typeof maxPoolOf): Value {
  const what = `ops.${name}`;
  const { length: rank } = floats(`${what} x`, xGiven).shape;
  if (rank < 3 || rank > 5) {
    const shape = formatShape(xGiven.shape);
    throw new GradstepError('ERR_SHAPE', `Expected [rows, one to three axes, channels] for ${what} x but received ${shape}`);
  }
  const axes = (rank - 2) as Axes;
  const schema = {
    poolSize: optional(perAxis(axes), Array.from({ length: axes }, () => 2) as readonly number[]),
    strides: optional(perAxis(axes), undefined),
    padding: optional(plain, 'valid' as const),
  } satisfies SchemaOf<PoolOptions>;
  const { poolSize: size, strides = size, padding } = checkOptions(what, options, schema);
  const window: SlidingWindow = { size, strides, dilation: size.map(() => 1), padding };
  expectLengths(what, slidLengths(xGiven.shape.slice(1, -1), window), xGiven, size);
  return pooling(axes, xGiven, window, op);
}

/** x [rows, steps, in] convolved with a kernel [size, in/groups, filters]: [rows, steps', filters]. ERR_SHAPE where they do not fit. */
export function conv1d(x: Value, kernel: Value, options?: GroupedConvolutionOptions<1>): Value {
  return convolve(1, 'conv1d', x, kernel, options);
}

/** x [rows, height, width, in] convolved with a kernel [height, width, in/groups, filters]; see conv1d. */
export function conv2d(x: Value, kernel: Value, options?: GroupedConvolutionOptions<2>): Value {
  return convolve(2, 'conv2d', x, kernel, options);
}

/** x [rows, depth, height, width, in] convolved with a kernel [depth, height, width, in/groups, filters]; see conv1d. */
export function conv3d(x: Value, kernel: Value, options?: GroupedConvolutionOptions<3>): Value {
  return convolve(3, 'conv3d', x, kernel, options);
}

/** x [rows, steps, in] convolved channel by channel with a kernel [size, in, multiplier]: [rows, steps', in · multiplier]. */
export function depthwiseConv1d(x: Value, kernel: Value, options?: ConvolutionOptions<1>): Value {
  return convolveDepthwise(1, 'depthwiseConv1d', x, kernel, options);
}

/** x [rows, height, width, in] convolved channel by channel with a kernel [height, width, in, multiplier]; see depthwiseConv1d. */
export function depthwiseConv2d(x: Value, kernel: Value, options?: ConvolutionOptions<2>): Value {
  return convolveDepthwise(2, 'depthwiseConv2d', x, kernel, options);
}

/** The transposed convolution of x [rows, steps, in] with a kernel [size, filters, in]: the input gradient of conv1d. */
export function conv1dTranspose(x: Value, kernel: Value, options?: TransposedConvolutionOptions<1>): Value {
  return convolveTransposed(1, 'conv1dTranspose', x, kernel, options);
}

/** The transposed convolution of x [rows, height, width, in] with a kernel [height, width, filters, in]. */
export function conv2dTranspose(x: Value, kernel: Value, options?: TransposedConvolutionOptions<2>): Value {
  return convolveTransposed(2, 'conv2dTranspose', x, kernel, options);
}

/** The transposed convolution of x [rows, depth, height, width, in] with a kernel [depth, height, width, filters, in]. */
export function conv3dTranspose(x: Value, kernel: Value, options?: TransposedConvolutionOptions<3>): Value {
  return convolveTransposed(3, 'conv3dTranspose', x, kernel, options);
}

/** The largest of each window of x [rows, axes…, channels], over one to three axes; the gradient goes to the first of equals. */
export function maxPool(x: Value, options?: PoolOptions): Value {
  return pool('maxPool', x, options, maxPoolOf);
}

/** The mean of each window of x [rows, axes…, channels], over one to three axes; padding is not counted. */
export function avgPool(x: Value, options?: PoolOptions): Value {
  return pool('avgPool', x, options, averagePool);
}
