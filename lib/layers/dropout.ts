/** dropout (Srivastava et al. 2014): while training, elements are zeroed at random and the rest scaled up. */
import { optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { checkNoiseShape, dropShared, noiseShapeOption, rateOption, type NoiseShape } from './drop_options.js';

export interface DropoutOptions extends LayerOptions {
  /** Probability of each element to be zeroed, in [0, 1). */
  rate: number;
  /**
   * Shape in which is drawn, the batch first, null as in the input: elements along an axis of size 1 are zeroed together.
   * `[null, 1, null]` zeroes features of [rows, time, features] for all time. Default: each element is drawn.
   */
  noiseShape?: NoiseShape;
}

const options = {
  rate: rateOption,
  noiseShape: optional(noiseShapeOption, undefined),
} satisfies SchemaOf<Omit<DropoutOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Dropout',
  factory: 'dropout',
  baseName: 'dropout',
  options,
  mask: 'pass',
  outputShape({ noiseShape }, input) {
    checkNoiseShape(noiseShape, input);
    return input;
  },
  call({ rate, noiseShape }, x, { training, state, stream }) {
    if (!training || rate === 0) return x;
    return dropShared(x, state, { rate, factor: 1 / (1 - rate), offset: 0, dropped: 0, stream: stream('dropout') }, noiseShape);
  },
});

/** While training, zeroes each element with probability `rate` and divides the others by 1 − rate; otherwise x → x. */
export function dropout(options: DropoutOptions): Layer {
  return make(options);
}
