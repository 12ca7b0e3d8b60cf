/** randomNormal: normally distributed. */
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { normal } from './distributions.js';
import type { Initializer } from './initializer.js';

export interface RandomNormalOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation, number >= 0. Default 0.05. */
  stddev?: number;
}

const schema = {
  mean: optional(number(), 0),
  stddev: optional(
    number('finite number >= 0', (v) => v >= 0),
    0.05,
  ),
} satisfies SchemaOf<RandomNormalOptions>;

/** Normal with the given mean and standard deviation. */
export function randomNormal(options?: RandomNormalOptions): Initializer {
  const config = checkOptions('initializers.randomNormal', options, schema);
  return { name: 'randomNormal', config, sampler: () => normal(config.mean, config.stddev) };
}
