/**
 * adamW (Loshchilov & Hutter 2019): adam with weights that shrink on their own, by a decay that does not go through the
 * gradients; as Keras writes it.
 */
import { adamOp } from '../ops/adam.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { decay, epsilon, rate } from './checks.js';
import type { Optimizer } from './optimizer.js';

export interface AdamWOptions {
  /** Step length, >= 0. Default 0.001. */
  learningRate?: number;
  /** How fast every parameter shrinks, >= 0: by learningRate · weightDecay of itself each step. Default 0.004. */
  weightDecay?: number;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
  /** Whether the largest mean of squared gradients so far is divided by, not the present one. Default false. */
  amsgrad?: boolean;
}

const schema = {
  learningRate: rate(0.001),
  weightDecay: rate(0.004),
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon,
  amsgrad: optional(boolean, false),
} satisfies SchemaOf<AdamWOptions>;

/** W ← W − lr·weightDecay·W, then as adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε). */
export function adamW(options?: AdamWOptions): Optimizer {
  const config = checkOptions('optimizers.adamW', options, schema);
  const { weightDecay, beta1, beta2, epsilon, amsgrad } = config;
  return {
    name: 'adamW',
    config,
    learningRate: config.learningRate,
    slots: amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
    apply(context) {
      const { params, grads, state, flag } = context;
      const inputs = {
        params,
        grads,
        m: context.slot('m'),
        v: context.slot('v'),
        vMax: amsgrad ? context.slot('vMax') : undefined,
        learningRate: context.learningRate,
        state,
        flag,
      };
      params.graph.add(adamOp, inputs, { beta1, beta2, epsilon, weightDecay });
    },
  };
}
