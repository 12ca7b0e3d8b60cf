/**
 * nadam (Dozat 2016): adam with Nesterov momentum, warmed up by the schedule μₜ = β₁(1 − 0.96ᵗ/2), as Keras writes it.
 */
import { nadamOp } from '../ops/nadam.js';
import { momentOptimizer, type MomentOptions } from './moments.js';
import type { Optimizer } from './optimizer.js';

export type NadamOptions = MomentOptions;

/** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·(μₜ₊₁m/(1−μ₁…μₜ₊₁) + (1−μₜ)g/(1−μ₁…μₜ)) / (√(v/(1−β₂ᵗ)) + ε). */
export function nadam(options?: NadamOptions): Optimizer {
  return momentOptimizer('nadam', nadamOp, 'v', options);
}
