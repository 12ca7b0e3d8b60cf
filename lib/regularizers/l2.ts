/** l2: a penalty on squares; without half in front, as Keras writes it. */
import { mul, square, sum } from '../ops/index.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { strength, type Regularizer } from './regularizer.js';

export interface L2Options {
  /** Factor of Σw², number >= 0. Default 0.01. */
  l2?: number;
}

const schema = { l2: strength(0.01) } satisfies SchemaOf<L2Options>;

/** l2 · Σw². */
export function l2(options?: L2Options): Regularizer {
  const config = checkOptions('regularizers.l2', options, schema);
  return { name: 'l2', config, penalty: (w) => mul(sum(square(w)), config.l2) };
}
