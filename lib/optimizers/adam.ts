/** adam (Kingma & Ba 2015), with epsilon outside the corrected root, as Keras writes it. */
import { adamOp } from '../ops/adam.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import type { Optimizer } from './optimizer.js';

export interface AdamOptions {
  /** Step length, >= 0. Default 0.001. */
  learningRate?: number;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const decay = number('number in [0, 1)', (v) => v >= 0 && v < 1);

const schema = {
  learningRate: optional(
    number('number >= 0', (v) => v >= 0),
    0.001,
  ),
  beta1: optional(decay, 0.9),
  beta2: optional(decay, 0.999),
  epsilon: optional(
    number('number > 0', (v) => v > 0),
    1e-7,
  ),
} satisfies SchemaOf<AdamOptions>;

/** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε). */
export function adam(options?: AdamOptions): Optimizer {
  const config = checkOptions('optimizers.adam', options, schema);
  const { learningRate, beta1, beta2, epsilon } = config;
  return {
    name: 'adam',
    config,
    learningRate,
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
      params.graph.add(adamOp, inputs, { beta1, beta2, epsilon });
    },
  };
}
