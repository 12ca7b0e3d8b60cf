/**
 * What the separable convolutions share: a depthwise convolution, then one of size 1 that mixes the channels.
 * Kernels are depthwise [size…, in, depthMultiplier] and pointwise [1…, in · depthMultiplier, filters], biases [filters].
 */
import { glorotUniform } from '../initializers/index.js';
import { convolution, depthwiseConvolution, type SlidingWindow } from '../ops/sliding.js';
import { integer, optional, type Axes, type SchemaOf } from '../options.js';
import { windowLayerOptions, windowOf, type LayerNames, type WindowLayerOptions } from './conv.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type WeightOptions } from './weight_options.js';
import { windowedSize } from './window.js';

export interface SeparableConvOptions<A extends Axes>
  extends WindowLayerOptions<A>, WeightOptions<'depthwise'>, WeightOptions<'pointwise'> {
  /** Channels of the result. */
  filters: number;
  /** Channels between the two convolutions for each of the input. Default 1. */
  depthMultiplier?: number;
}

/** Makes the factory of a separable convolution over `axes` axes. */
export function defineSeparableConv(axes: 1 | 2, names: LayerNames): (options: unknown) => Layer {
  const options = {
    filters: integer(1),
    ...windowLayerOptions(axes),
    depthMultiplier: optional(integer(1), 1),
    ...weightOptions('depthwise', glorotUniform()),
    ...weightOptions('pointwise', glorotUniform()),
  } satisfies SchemaOf<Omit<SeparableConvOptions<2>, keyof LayerOptions>>;
  return defineLayer({
    ...names,
    options,
    weights(o, input) {
      const channels = input.at(-1)!;
      const ones = o.kernelSize.map(() => 1);
      const kernels = [
        weight(o, 'depthwise', [...o.kernelSize, channels, o.depthMultiplier], 'depthwise_kernel'),
        weight(o, 'pointwise', [...ones, channels * o.depthMultiplier, o.filters], 'pointwise_kernel'),
      ];
      return o.useBias ? [...kernels, weight(o, 'bias', [o.filters])] : kernels;
    },
    outputShape(o, input) {
      return [...windowedSize(axes, input, windowOf(o)), o.filters];
    },
    call(o, x, context) {
      const between = depthwiseConvolution(axes, x, context.weight('depthwise_kernel'), windowOf(o));
      const ones = o.kernelSize.map(() => 1);
      const each: SlidingWindow = { size: ones, strides: ones, dilation: ones, padding: 'valid' };
      const bias = o.useBias ? context.weight('bias') : undefined;
      return o.activation(convolution(axes, between, context.weight('pointwise_kernel'), each, 1, bias));
    },
  });
}
