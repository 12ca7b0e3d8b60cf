/**
 * What the depthwise convolutions share: each input channel is convolved with `depthMultiplier` filters of its own.
 * Kernels are [size…, in, depthMultiplier], biases [in · depthMultiplier]; output channel c · depthMultiplier + m is that
 * of input channel c.
 */
import { glorotUniform } from '../initializers/index.js';
import { depthwiseConvolution } from '../ops/sliding.js';
import { integer, optional, type Axes, type SchemaOf } from '../options.js';
import { windowLayerOptions, windowOf, type LayerNames, type WindowLayerOptions } from './conv.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type WeightOptions } from './weight_options.js';
import { windowedSize } from './window.js';

export interface DepthwiseConvOptions<A extends Axes> extends WindowLayerOptions<A>, WeightOptions<'depthwise'> {
  /** Channels of the result for each of the input. Default 1. */
  depthMultiplier?: number;
}

/** Makes the factory of a depthwise convolution over `axes` axes. */
export function defineDepthwiseConv(axes: 1 | 2, names: LayerNames): (options: unknown) => Layer {
  const options = {
    ...windowLayerOptions(axes),
    depthMultiplier: optional(integer(1), 1),
    ...weightOptions('depthwise', glorotUniform()),
  } satisfies SchemaOf<Omit<DepthwiseConvOptions<2>, keyof LayerOptions>>;
  return defineLayer({
    ...names,
    options,
    weights(o, input) {
      const channels = input.at(-1)!;
      const kernel = weight(o, 'depthwise', [...o.kernelSize, channels, o.depthMultiplier], 'kernel');
      return o.useBias ? [kernel, weight(o, 'bias', [channels * o.depthMultiplier])] : [kernel];
    },
    outputShape(o, input) {
      return [...windowedSize(axes, input, windowOf(o)), input.at(-1)! * o.depthMultiplier];
    },
    call(o, x, context) {
      const bias = o.useBias ? context.weight('bias') : undefined;
      return o.activation(depthwiseConvolution(axes, x, context.weight('kernel'), windowOf(o), bias));
    },
  });
}
