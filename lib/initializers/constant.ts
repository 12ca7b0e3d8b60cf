/** constant: every element the same. */
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import type { Initializer } from './initializer.js';

export interface ConstantOptions {
  /** Default 0. */
  value?: number;
}

const schema = { value: optional(number(), 0) } satisfies SchemaOf<ConstantOptions>;

/** Every element `value`. */
export function constant(options?: ConstantOptions): Initializer {
  const config = checkOptions('initializers.constant', options, schema);
  return { name: 'constant', config, sampler: () => () => config.value };
}
