/** randomBrightness: while training, each image gets lighter or darker by an amount drawn in every step. */
import { elementwise } from '../ops/map.js';
import { randomUniform } from '../ops/random.js';
import { optional, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { shareOption, valueRangeOption, type Factor } from './factor_option.js';

export interface RandomBrightnessOptions extends LayerOptions {
  /** From [lower, upper] within [−1, 1], or from ± one number from 0 to 1; 1 is the whole range of values. */
  factor: Factor;
  /** Lowest and highest value of a pixel; results are kept within. Default [0, 255]. */
  valueRange?: readonly [number, number];
}

const options = {
  factor: shareOption,
  valueRange: optional(valueRangeOption, [0, 255] as const),
} satisfies SchemaOf<Omit<RandomBrightnessOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'RandomBrightness',
  factory: 'randomBrightness',
  baseName: 'random_brightness',
  options,
  outputShape(_options, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return input;
  },
  call({ factor, valueRange: [low, high] }, x, { training, state, stream }) {
    if (!training) return x;
    const whole = high - low;
    const change = randomUniform(state, [x.shape[0]!, 1, 1, 1], factor[0] * whole, factor[1] * whole, stream('brightness'));
    return elementwise('minimum', elementwise('maximum', elementwise('add', x, change), low), high);
  },
});

/** While training, adds a number drawn for each of [rows, height, width, channels], kept within valueRange; otherwise x → x. */
export function randomBrightness(options: RandomBrightnessOptions): Layer {
  return make(options);
}
