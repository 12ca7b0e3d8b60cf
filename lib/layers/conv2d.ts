/** conv2d: 2-D convolution, channels last. kernel [height, width, in, filters], bias [filters]. */
import { linear } from '../activations/index.js';
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import { GradstepError } from '../errors.js';
import { glorotUniform, zeros } from '../initializers/index.js';
import { conv as convolve } from '../ops/conv.js';
import { boolean, integer, optional, pair, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { paddingOption, windowedSize, windowPadding, type Padding, type WindowOptions } from './padding.js';
import { weight, weightOptions, type BiasOptions, type KernelOptions } from './weight_options.js';

export interface Conv2dOptions extends LayerOptions, KernelOptions, BiasOptions {
  /** Channels of the result. */
  filters: number;
  /** Height and width of the window: one number for both, or a pair. */
  kernelSize: number | readonly [number, number];
  /** Step between windows. Default 1. */
  strides?: number | readonly [number, number];
  /** `valid`: only whole windows; `same`: zeros around, so that the result has ceil(size / stride) elements. Default `valid`. */
  padding?: Padding;
  /** Distance between the window's elements; with strides 1 only. Default 1. */
  dilationRate?: number | readonly [number, number];
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName | Activation;
  /** Whether a bias is added. Default true. */
  useBias?: boolean;
}

const options = {
  filters: integer(1),
  kernelSize: pair,
  strides: optional(pair, [1, 1] as const),
  padding: optional(paddingOption, 'valid' as const),
  dilationRate: optional(pair, [1, 1] as const),
  activation: optional(activationOption, linear),
  useBias: optional(boolean, true),
  ...weightOptions('kernel', glorotUniform()),
  ...weightOptions('bias', zeros()),
} satisfies SchemaOf<Omit<Conv2dOptions, keyof LayerOptions>>;

function windowOf(o: {
  kernelSize: readonly [number, number];
  strides: readonly [number, number];
  dilationRate: readonly [number, number];
  padding: Padding;
}): WindowOptions {
  return { size: o.kernelSize, strides: o.strides, dilation: o.dilationRate, padding: o.padding };
}

const make = defineLayer({
  className: 'Conv2D',
  factory: 'conv2d',
  baseName: 'conv2d',
  options,
  check({ strides, dilationRate }) {
    if (strides.some((s) => s > 1) && dilationRate.some((d) => d > 1)) {
      throw new GradstepError(
        'ERR_OPTION',
        'Expected layers.conv2d.strides or layers.conv2d.dilationRate to be 1 but both are larger',
      );
    }
  },
  weights(o, input) {
    const kernel = weight(o, 'kernel', [...o.kernelSize, input[2]!, o.filters]);
    return o.useBias ? [kernel, weight(o, 'bias', [o.filters])] : [kernel];
  },
  outputShape(o, input) {
    return [...windowedSize(input, windowOf(o)), o.filters];
  },
  call(o, x, context) {
    const [strideH, strideW] = o.strides;
    const [dilationH, dilationW] = o.dilationRate;
    const window = { strideH, strideW, dilationH, dilationW, ...windowPadding(x.shape.slice(1), windowOf(o)) };
    return o.activation(convolve(x, context.weight('kernel'), window, o.useBias ? context.weight('bias') : undefined));
  },
});

/**
 * A 2-D convolution: [rows, height, width, in] → [rows, height′, width′, filters].
 * Weights: kernel [kernelHeight, kernelWidth, in, filters], bias [filters].
 */
export function conv2d(options: Conv2dOptions): Layer {
  return make(options);
}
