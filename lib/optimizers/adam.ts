/**
 * adam (Kingma & Ba 2015), with epsilon outside the corrected root, as Keras writes it; AMSGrad (Reddi, Kale & Kumar 2018)
 * is an option of it.
 */
import { adamOp } from '../ops/adam.js';
import { update } from '../ops/update_inputs.js';
import { boolean, optional, type Checked, type SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate } from './checks.js';
import { checkOptimizer, type CheckedCommonOptions, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface AdamOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
  /** Whether the largest mean of squared gradients so far is divided by, not the present one. Default false. */
  amsgrad?: boolean;
}

export const adamSchema = {
  learningRate: learningRate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon,
  amsgrad: optional(boolean, false),
} satisfies SchemaOf<OwnOptions<AdamOptions>>;

/** Adam under either of its names. The weights' decay is part of its own kernel. */
export function adamOptimizer(
  name: 'adam' | 'adamW',
  { config, common }: { config: Checked<typeof adamSchema>; common: CheckedCommonOptions },
): Optimizer {
  const { learningRate, beta1, beta2, epsilon, amsgrad } = config;
  const { weightDecay } = common;
  return makeOptimizer({
    name,
    config: { ...config },
    common: { ...common, weightDecay: 0 },
    learningRate,
    slots: amsgrad ? ['m', 'v', 'vMax'] : ['m', 'v'],
    apply(context) {
      const vMax = amsgrad ? context.slot('vMax') : undefined;
      const slots = { m: context.slot('m'), v: context.slot('v'), vMax };
      update(adamOp, context, slots, { beta1, beta2, epsilon, weightDecay });
    },
  });
}

/** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε); with `amsgrad` the largest v so far. */
export function adam(options?: AdamOptions): Optimizer {
  return adamOptimizer('adam', checkOptimizer('adam', options, adamSchema));
}
