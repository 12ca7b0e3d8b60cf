/**
 * nadam (Dozat 2016): adam with Nesterov momentum, warmed up by the schedule μₜ = β₁(1 − 0.96ᵗ/2), as Keras writes it.
 */
import { nadamOp } from '../ops/nadam.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import type { Optimizer } from './optimizer.js';

export interface NadamOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon,
} satisfies SchemaOf<OwnOptions<NadamOptions>>;

/** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·(μₜ₊₁m/(1−μ₁…μₜ₊₁) + (1−μₜ)g/(1−μ₁…μₜ)) / (√(v/(1−β₂ᵗ)) + ε). */
export function nadam(options?: NadamOptions): Optimizer {
  const { config, common } = checkOptimizer('nadam', options, schema);
  const { beta1, beta2, epsilon } = config;
  return {
    name: 'nadam',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['m', 'v'],
    apply(context) {
      const { params, grads, state, flag } = context;
      const inputs = {
        params,
        grads,
        m: context.slot('m'),
        v: context.slot('v'),
        learningRate: context.learningRate,
        state,
        flag,
      };
      params.graph.add(nadamOp, inputs, { beta1, beta2, epsilon });
    },
  };
}
