/** l1: a penalty on absolute values, which drives weights to exactly zero. */
import { abs, mul, sum } from '../ops/index.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { strength, type Regularizer } from './regularizer.js';

export interface L1Options {
  /** Factor of Σ|w|, number >= 0. Default 0.01. */
  l1?: number;
}

const schema = { l1: strength(0.01) } satisfies SchemaOf<L1Options>;

/** l1 · Σ|w|. */
export function l1(options?: L1Options): Regularizer {
  const config = checkOptions('regularizers.l1', options, schema);
  return { name: 'l1', config, penalty: (w) => mul(sum(abs(w)), config.l1) };
}
