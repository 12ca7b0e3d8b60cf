/**
 * adamW (Loshchilov & Hutter 2019): adam with weights that shrink on their own, by a decay that does not go through the
 * gradients; as Keras writes it.
 */
import type { SchemaOf } from '../options.js';
import { adamOptimizer, adamSchema, type AdamOptions } from './adam.js';
import { rate } from './checks.js';
import { checkOptimizer, type OwnOptions } from './common.js';
import type { Optimizer } from './optimizer.js';

export interface AdamWOptions extends AdamOptions {
  /** How fast every parameter shrinks, >= 0: by learningRate · weightDecay of itself each step. Default 0.004. */
  weightDecay?: number;
}

const schema = { ...adamSchema, weightDecay: rate(0.004) } satisfies SchemaOf<
  OwnOptions<AdamWOptions> & Pick<AdamWOptions, 'weightDecay'>
>;

/** W ← W − lr·weightDecay·W, then as adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε). */
export function adamW(options?: AdamWOptions): Optimizer {
  return adamOptimizer('adamW', checkOptimizer('adamW', options, schema));
}
