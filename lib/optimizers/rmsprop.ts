/**
 * rmsprop (Tieleman & Hinton 2012, lecture 6e; centered: Graves 2013), with epsilon inside the root, as Keras writes it.
 */
import { rmspropOp } from '../ops/rmsprop.js';
import { update } from '../ops/update_inputs.js';
import { boolean, optional, type SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate, momentum } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface RmspropOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Decay of the mean of squared gradients, in [0, 1). Default 0.9. */
  rho?: number;
  /** Part of the previous move that is kept, in [0, 1]. Default 0: none. */
  momentum?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
  /** Whether the mean of gradients is taken off, so that their variance is divided by. Default false. */
  centered?: boolean;
}

const schema = {
  learningRate: learningRate(0.001),
  rho: decay(0.9),
  momentum,
  epsilon,
  centered: optional(boolean, false),
} satisfies SchemaOf<OwnOptions<RmspropOptions>>;

/**
 * s ← ρs + (1−ρ)g², W ← W − lr·g/√(s + ε); centered, with a ← ρa + (1−ρ)g, the root is √(s − a² + ε); with momentum
 * b ← momentum·b + lr·g/√…, W ← W − b.
 */
export function rmsprop(options?: RmspropOptions): Optimizer {
  const { config, common } = checkOptimizer('rmsprop', options, schema);
  const { rho, momentum, epsilon, centered } = config;
  return makeOptimizer({
    name: 'rmsprop',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['meanSquare', ...(centered ? ['mean'] : []), ...(momentum > 0 ? ['move'] : [])],
    apply(context) {
      const slots = {
        meanSquare: context.slot('meanSquare'),
        mean: centered ? context.slot('mean') : undefined,
        move: momentum > 0 ? context.slot('move') : undefined,
      };
      update(rmspropOp, context, slots, { rho, momentum, epsilon });
    },
  });
}
