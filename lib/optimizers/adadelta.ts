/**
 * adadelta (Zeiler 2012): moves as large as the recent moves over the recent gradients, each by a running average of squares;
 * as Keras writes it, with a learning rate (1 is the paper's method).
 */
import { adadeltaOp } from '../ops/adadelta.js';
import { update } from '../ops/update_inputs.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface AdadeltaOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001; the paper has 1. */
  learningRate?: number | Schedule;
  /** Decay of both averages, in [0, 1). Default 0.95. */
  rho?: number;
  /** Keeps the division finite and the first moves from being 0, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  rho: decay(0.95),
  epsilon,
} satisfies SchemaOf<OwnOptions<AdadeltaOptions>>;

/** s ← ρs + (1−ρ)g², Δ = g·√(d + ε)/√(s + ε), d ← ρd + (1−ρ)Δ², W ← W − lr·Δ. */
export function adadelta(options?: AdadeltaOptions): Optimizer {
  const { config, common } = checkOptimizer('adadelta', options, schema);
  const { rho, epsilon } = config;
  return makeOptimizer({
    name: 'adadelta',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['meanSquare', 'meanSquareMove'],
    apply(context) {
      const slots = { meanSquare: context.slot('meanSquare'), meanSquareMove: context.slot('meanSquareMove') };
      update(adadeltaOp, context, slots, { rho, epsilon });
    },
  });
}
