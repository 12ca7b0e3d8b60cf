/** randomContrast: while training, each channel's deviations from its mean are scaled by a factor drawn in every step. */
import { optionError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { randomUniform } from '../ops/random.js';
import type { Range } from '../ops/random_transform.js';
import { mean } from '../ops/reduce_sum.js';
import { optional, type Check, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { valueRangeOption, type Factor } from './factor_option.js';

export interface RandomContrastOptions extends LayerOptions {
  /** [lower, upper] within [0, 1]: the factor is drawn from 1 − lower to 1 + upper. One number stands for both. */
  factor: Factor;
  /** Lowest and highest value of a pixel; results are kept within. Default [0, 255]. */
  valueRange?: readonly [number, number];
}

const factor: Check<Range> = (value, name) => {
  const both: unknown[] = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2 || !both.every((v) => typeof v === 'number' && v >= 0 && v <= 1)) {
    throw optionError(name, 'number in [0, 1] or [lower, upper] of them', value);
  }
  return [both[0] as number, both[1] as number];
};

const options = {
  factor,
  valueRange: optional(valueRangeOption, [0, 255] as const),
} satisfies SchemaOf<Omit<RandomContrastOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'RandomContrast',
  factory: 'randomContrast',
  baseName: 'random_contrast',
  options,
  outputShape(_options, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return input;
  },
  call({ factor: [lower, upper], valueRange: [low, high] }, x, { training, state, stream }) {
    if (!training) return x;
    const scale = randomUniform(state, [x.shape[0]!, 1, 1, 1], 1 - lower, 1 + upper, stream('contrast'));
    const middle = mean(x, [1, 2], true);
    const stretched = elementwise('add', elementwise('mul', elementwise('sub', x, middle), scale), middle);
    return elementwise('minimum', elementwise('maximum', stretched, low), high);
  },
});

/**
 * While training, y = (x − mean) · factor + mean for each image and channel of [rows, height, width, channels], kept within
 * valueRange; otherwise x → x.
 */
export function randomContrast(options: RandomContrastOptions): Layer {
  return make(options);
}
