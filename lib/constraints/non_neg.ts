/** nonNeg: a weight has no negative elements. */
import { relu } from '../ops/index.js';
import { checkOptions } from '../options.js';
import type { Constraint } from './constraint.js';

/** max(w, 0). */
export function nonNeg(options?: Record<string, never>): Constraint {
  const config = checkOptions('constraints.nonNeg', options, {});
  return { name: 'nonNeg', config, apply: (w) => relu(w) };
}
