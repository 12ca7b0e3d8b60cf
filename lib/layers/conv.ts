/**
 * What the convolutions over one, two and three axes share: options, weights, the window. Kernels are
 * [size…, in/groups, filters], biases [filters].
 */
import { linear } from '../activations/index.js';
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import { GradstepError, optionError } from '../errors.js';
import { glorotUniform, zeros } from '../initializers/index.js';
import { convolution, type CausalPadding, type Padding, type SlidingWindow } from '../ops/sliding.js';
import { boolean, integer, optional, perAxis, type Axes, type PerAxis, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type BiasOptions, type KernelOptions } from './weight_options.js';
import { causalPaddingOption, paddingOption, windowedSize } from './window.js';

/** The names of a layer's class, factory and instances. */
export interface LayerNames {
  className: string;
  factory: string;
  baseName: string;
}

/** Options of every convolution of `A` axes. */
export interface WindowLayerOptions<A extends Axes> extends LayerOptions, BiasOptions {
  /** Size of the window: one number for all axes, or one for each. */
  kernelSize: PerAxis<A>;
  /** Step between windows. Default 1. */
  strides?: PerAxis<A>;
  /**
   * `valid`: only whole windows; `same`: zeros around, so that the result has ceil(size / stride) elements; `causal` (one
   * axis only): zeros in front, so that no result sees later steps. Default `valid`.
   */
  padding?: A extends 1 ? CausalPadding : Padding;
  /** Distance between the window's elements; goes together with any strides. Default 1. */
  dilationRate?: PerAxis<A>;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName | Activation;
  /** Whether a bias is added. Default true. */
  useBias?: boolean;
}

export interface ConvOptions<A extends Axes> extends WindowLayerOptions<A>, KernelOptions {
  /** Channels of the result; a multiple of `groups`. */
  filters: number;
  /** Into how many groups the channels are cut, each with filters of its own; the input's channels divide by it. Default 1. */
  groups?: number;
}

/** Checks of the options that every convolution of `axes` axes has, but those of weights other than the bias. */
export function windowLayerOptions(axes: Axes) {
  const ones = Array.from({ length: axes }, () => 1) as readonly number[];
  return {
    kernelSize: perAxis(axes),
    strides: optional(perAxis(axes), ones),
    padding: optional(axes === 1 ? causalPaddingOption : paddingOption, 'valid' as const),
    dilationRate: optional(perAxis(axes), ones),
    activation: optional(activationOption, linear),
    useBias: optional(boolean, true),
    ...weightOptions('bias', zeros()),
  };
}

/** The window of checked options. */
export function windowOf(o: {
  readonly kernelSize: readonly number[];
  readonly strides: readonly number[];
  readonly dilationRate: readonly number[];
  readonly padding: CausalPadding;
}): SlidingWindow {
  return { size: o.kernelSize, strides: o.strides, dilation: o.dilationRate, padding: o.padding };
}

/** Makes the factory of a convolution over `axes` axes. */
export function defineConv(axes: Axes, names: LayerNames): (options: unknown) => Layer {
  const options = {
    filters: integer(1),
    ...windowLayerOptions(axes),
    groups: optional(integer(1), 1),
    ...weightOptions('kernel', glorotUniform()),
  } satisfies SchemaOf<Omit<ConvOptions<2>, keyof LayerOptions>>;
  return defineLayer({
    ...names,
    options,
    check({ filters, groups }) {
      if (filters % groups !== 0) {
        throw optionError(`layers.${names.factory}.filters`, `multiple of groups (${groups})`, filters);
      }
    },
    weights(o, input) {
      const kernel = weight(o, 'kernel', [...o.kernelSize, input.at(-1)! / o.groups, o.filters]);
      return o.useBias ? [kernel, weight(o, 'bias', [o.filters])] : [kernel];
    },
    outputShape(o, input) {
      const size = windowedSize(axes, input, windowOf(o));
      const channels = input.at(-1)!;
      if (channels % o.groups !== 0) {
        throw new GradstepError('ERR_SHAPE', `Expected channels that divide by groups (${o.groups}) but received ${channels}`);
      }
      return [...size, o.filters];
    },
    call(o, x, context) {
      const bias = o.useBias ? context.weight('bias') : undefined;
      return o.activation(convolution(axes, x, context.weight('kernel'), windowOf(o), o.groups, bias));
    },
  });
}
