/**
 * adamax (Kingma & Ba 2015, section 7.1): adam with the infinity norm of the gradients, as Keras writes it.
 */
import { adamaxOp } from '../ops/adamax.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import type { Optimizer } from './optimizer.js';

export interface AdamaxOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the norm of gradients, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon,
} satisfies SchemaOf<OwnOptions<AdamaxOptions>>;

/** m ← β₁m + (1−β₁)g, u ← max(β₂u, |g|), W ← W − lr/(1−β₁ᵗ) · m/(u + ε). */
export function adamax(options?: AdamaxOptions): Optimizer {
  const { config, common } = checkOptimizer('adamax', options, schema);
  const { beta1, beta2, epsilon } = config;
  return {
    name: 'adamax',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['m', 'u'],
    apply(context) {
      const { params, grads, state, flag } = context;
      const inputs = {
        params,
        grads,
        m: context.slot('m'),
        u: context.slot('u'),
        learningRate: context.learningRate,
        state,
        flag,
      };
      params.graph.add(adamaxOp, inputs, { beta1, beta2, epsilon });
    },
  };
}
