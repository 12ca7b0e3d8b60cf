/** layerNormalization (Ba, Kiros & Hinton 2016): each sample, or each place in it, by the mean and variance over some axes. */
import { layerNorm } from '../ops/layer_norm.js';
import { aboveZero, optional, type SchemaOf } from '../options.js';
import { axesOption, sampleAxes, withAxesLast } from './axes.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { scaleAndShift, type ScaleAndShiftOptions, scaleAndShiftWeights } from './scale_and_shift.js';

export interface LayerNormalizationOptions extends LayerOptions, ScaleAndShiftOptions {
  /** The axis or axes to normalise over, the batch being 0. Default −1; any but the last cost a transposition there and back. */
  axis?: number | readonly number[];
  /** Added to the variance, > 0. Default 1e-3. */
  epsilon?: number;
}

const options = {
  axis: optional(axesOption, -1),
  epsilon: optional(aboveZero, 1e-3),
  ...scaleAndShift,
} satisfies SchemaOf<Omit<LayerNormalizationOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'LayerNormalization',
  factory: 'layerNormalization',
  baseName: 'layer_normalization',
  options,
  mask: 'pass',
  weights: (o, input) =>
    scaleAndShiftWeights(
      o,
      sampleAxes(o.axis, input).map((axis) => input[axis]!),
    ),
  outputShape(o, input) {
    sampleAxes(o.axis, input);
    return input;
  },
  call(o, x, context) {
    const axes = sampleAxes(o.axis, x.shape.slice(1));
    const gamma = o.scale ? context.weight('gamma') : undefined;
    const beta = o.center ? context.weight('beta') : undefined;
    return withAxesLast(x, axes, (last) => layerNorm(last, gamma, beta, o.epsilon, { axes: axes.length }));
  },
});

/**
 * Layer normalisation, [rows, …] → the same: y = (x − mean)/√(variance + epsilon)·gamma + beta with the mean and the biased
 * variance over `axis`. Weights: gamma, beta, each of the sizes of those axes, in ascending order.
 */
export function layerNormalization(options: LayerNormalizationOptions = {}): Layer {
  return make(options);
}
