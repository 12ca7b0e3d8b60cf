/** l1l2: penalties on absolute values and on squares at once (the elastic net of Zou & Hastie 2005). */
import { abs, add, mul, square, sum } from '../ops/index.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { strength, type Regularizer } from './regularizer.js';

export interface L1L2Options {
  /** Factor of Σ|w|, number >= 0. Default 0. */
  l1?: number;
  /** Factor of Σw², number >= 0. Default 0. */
  l2?: number;
}

const schema = { l1: strength(0), l2: strength(0) } satisfies SchemaOf<L1L2Options>;

/** l1 · Σ|w| + l2 · Σw². */
export function l1l2(options?: L1L2Options): Regularizer {
  const config = checkOptions('regularizers.l1l2', options, schema);
  // One sum over both parts: one pass over the weight.
  return { name: 'l1l2', config, penalty: (w) => sum(add(mul(abs(w), config.l1), mul(square(w), config.l2))) };
}
