/** randomUniform: evenly distributed in a range. */
import { GradstepError } from '../errors.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { uniform } from './distributions.js';
import type { Initializer } from './initializer.js';

export interface RandomUniformOptions {
  /** Default −0.05. */
  minval?: number;
  /** At least minval. Default 0.05. */
  maxval?: number;
}

const schema = { minval: optional(number(), -0.05), maxval: optional(number(), 0.05) } satisfies SchemaOf<RandomUniformOptions>;

/** Uniform from minval to maxval. */
export function randomUniform(options?: RandomUniformOptions): Initializer {
  const config = checkOptions('initializers.randomUniform', options, schema);
  const { minval, maxval } = config;
  if (minval > maxval) {
    const message = `Expected initializers.randomUniform.minval to be at most maxval but received ${minval} and ${maxval}`;
    throw new GradstepError('ERR_OPTION', message);
  }
  return { name: 'randomUniform', config, sampler: () => uniform(minval, maxval) };
}
