/**
 * adamax (Kingma & Ba 2015, section 7.1): adam with the infinity norm of the gradients, as Keras writes it.
 */
import { adamaxOp } from '../ops/adamax.js';
import { momentOptimizer, type MomentOptions } from './moments.js';
import type { Optimizer } from './optimizer.js';

export type AdamaxOptions = MomentOptions;

/** m ← β₁m + (1−β₁)g, u ← max(β₂u, |g|), W ← W − lr/(1−β₁ᵗ) · m/(u + ε). */
export function adamax(options?: AdamaxOptions): Optimizer {
  return momentOptimizer('adamax', adamaxOp, 'u', options);
}
