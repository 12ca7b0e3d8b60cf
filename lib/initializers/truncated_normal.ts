/** truncatedNormal: normally distributed within two standard deviations of the mean. */
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { truncatedNormal as draw } from './distributions.js';
import type { Initializer } from './initializer.js';

export interface TruncatedNormalOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation before the cut, number >= 0. Default 0.05. */
  stddev?: number;
}

const schema = {
  mean: optional(number(), 0),
  stddev: optional(
    number('finite number >= 0', (v) => v >= 0),
    0.05,
  ),
} satisfies SchemaOf<TruncatedNormalOptions>;

/** Normal with the given mean and standard deviation, everything beyond two deviations drawn again. */
export function truncatedNormal(options?: TruncatedNormalOptions): Initializer {
  const config = checkOptions('initializers.truncatedNormal', options, schema);
  return { name: 'truncatedNormal', config, sampler: () => draw(config.mean, config.stddev) };
}
