/** zeros: every element 0, the default for biases. */
import { checkOptions } from '../options.js';
import type { Initializer } from './initializer.js';

/** Every element 0. */
export function zeros(options?: Record<string, never>): Initializer {
  const config = checkOptions('initializers.zeros', options, {});
  return { name: 'zeros', config, sampler: () => () => 0 };
}
