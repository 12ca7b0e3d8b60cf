/** minMaxNorm: the lengths of a weight's vectors are held between two numbers, at once or step by step. */
import { GradstepError } from '../errors.js';
import { add, maximum, minimum, mul } from '../ops/index.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { axisOption, norm, norms, rescale, type Constraint } from './constraint.js';

export interface MinMaxNormOptions {
  /** The smallest length, number >= 0. Default 0. */
  minValue?: number;
  /** The largest length, number >= minValue. Default 1. */
  maxValue?: number;
  /** How much of the way each step goes, number in [0, 1]. Default 1: all of it. */
  rate?: number;
  /** Along which axis or axes the vectors lie. Default 0: the weights that lead to one unit of a dense layer; [0, 1, 2] for conv2d. */
  axis?: number | readonly number[];
}

const schema = {
  minValue: norm(0),
  maxValue: norm(1),
  rate: optional(
    number('number in [0, 1]', (v) => v >= 0 && v <= 1),
    1,
  ),
  axis: axisOption,
} satisfies SchemaOf<MinMaxNormOptions>;

/** w · (rate · clip(‖w‖, minValue, maxValue) + (1 − rate) · ‖w‖) / (1e-7 + ‖w‖). */
export function minMaxNorm(options?: MinMaxNormOptions): Constraint {
  const config = checkOptions('constraints.minMaxNorm', options, schema);
  const { minValue, maxValue, rate, axis } = config;
  if (minValue > maxValue) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected constraints.minMaxNorm.minValue to be at most maxValue but received ${minValue} and ${maxValue}`,
    );
  }
  return {
    name: 'minMaxNorm',
    config,
    apply(w) {
      const length = norms(w, axis, 'constraints.minMaxNorm');
      const held = minimum(maximum(length, minValue), maxValue);
      return rescale(w, rate === 1 ? held : add(mul(held, rate), mul(length, 1 - rate)), length);
    },
  };
}
