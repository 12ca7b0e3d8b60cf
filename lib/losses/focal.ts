/**
 * What the focal losses share (Lin et al. 2017): a cross-entropy weighted by (1 − p)^gamma, p the probability of what is
 * right, so that samples the model is sure of count little.
 */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { number, optional } from '../options.js';
import { EPSILON } from './probabilities.js';

/** The option `alpha`: a weight from 0 to 1. */
export const alphaOption = optional(
  number('number from 0 to 1', (v) => v >= 0 && v <= 1),
  0.25,
);

/** The option `gamma`: the exponent. */
export const gammaOption = optional(
  number('finite number >= 0', (v) => v >= 0),
  2,
);

/** miss^gamma for a miss 1 − p in [0, 1]; no gradient flows through fractional powers below 1e-7, where it might be infinite. */
export function focus(miss: Value, gamma: number): Value | number {
  if (gamma === 0) return 1;
  if (gamma === 1) return miss;
  if (gamma === 2) return elementwise('square', miss);
  return elementwise('pow', elementwise('maximum', miss, EPSILON), gamma);
}
