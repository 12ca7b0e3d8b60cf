/**
 * alphaDropout (Klambauer et al. 2017): dropout for `selu` networks. Dropped elements become selu's lower limit
 * −λα ≈ −1.758, and everything is then scaled and shifted so that mean 0 and variance 1 stay as they are.
 */
import { optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { checkNoiseShape, dropShared, noiseShapeOption, rateOption, type NoiseShape } from './drop_options.js';

/** −λα of selu. */
const LOWER_LIMIT = -1.6732632423543772 * 1.0507009873554805;

export interface AlphaDropoutOptions extends LayerOptions {
  /** Probability of each element to be dropped, in [0, 1). */
  rate: number;
  /** Shape in which is drawn, as for `dropout`. Default: each element is drawn. */
  noiseShape?: NoiseShape;
}

const options = {
  rate: rateOption,
  noiseShape: optional(noiseShapeOption, undefined),
} satisfies SchemaOf<Omit<AlphaDropoutOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'AlphaDropout',
  factory: 'alphaDropout',
  baseName: 'alpha_dropout',
  options,
  mask: 'pass',
  outputShape({ noiseShape }, input) {
    checkNoiseShape(noiseShape, input);
    return input;
  },
  call({ rate, noiseShape }, x, { training, state, stream }) {
    if (!training || rate === 0) return x;
    const factor = ((1 - rate) * (1 + rate * LOWER_LIMIT ** 2)) ** -0.5;
    const offset = -factor * LOWER_LIMIT * rate;
    const dropped = factor * LOWER_LIMIT + offset;
    return dropShared(x, state, { rate, factor, offset, dropped, stream: stream('dropout') }, noiseShape);
  },
});

/**
 * While training, y = a · x + b, or a · l + b with probability `rate`, where l = −λα of selu,
 * a = ((1 − rate)(1 + rate · l²))^−½ and b = −a · l · rate; otherwise x → x.
 */
export function alphaDropout(options: AlphaDropoutOptions): Layer {
  return make(options);
}
