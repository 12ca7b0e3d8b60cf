/** rmsNormalization (Zhang & Sennrich 2019): each place by the root of the mean square over some axes. */
import { ones } from '../initializers/index.js';
import { rmsNorm } from '../ops/layer_norm.js';
import { aboveZero, optional, type SchemaOf } from '../options.js';
import { axesOption, sampleAxes, withAxesLast } from './axes.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface RmsNormalizationOptions extends LayerOptions {
  /** The axis or axes to normalise over, the batch being 0. Default −1; any but the last cost a transposition there and back. */
  axis?: number | readonly number[];
  /** Added to the mean square, > 0. Default 1e-6. */
  epsilon?: number;
}

const options = {
  axis: optional(axesOption, -1),
  epsilon: optional(aboveZero, 1e-6),
} satisfies SchemaOf<Omit<RmsNormalizationOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'RMSNormalization',
  factory: 'rmsNormalization',
  baseName: 'rms_normalization',
  options,
  mask: 'pass',
  weights: (o, input) => [{ role: 'scale', shape: sampleAxes(o.axis, input).map((axis) => input[axis]!), initializer: ones() }],
  outputShape(o, input) {
    sampleAxes(o.axis, input);
    return input;
  },
  call(o, x, context) {
    const axes = sampleAxes(o.axis, x.shape.slice(1));
    return withAxesLast(x, axes, (last) => rmsNorm(last, context.weight('scale'), o.epsilon, { axes: axes.length }));
  },
});

/**
 * Root-mean-square normalisation, [rows, …] → the same: y = x/√(mean of x² over `axis` + epsilon)·scale.
 * Weights: scale, of the sizes of those axes, in ascending order; it begins as ones.
 */
export function rmsNormalization(options: RmsNormalizationOptions = {}): Layer {
  return make(options);
}
