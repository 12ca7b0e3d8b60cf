/**
 * adagrad (Duchi, Hazan & Singer 2011): each parameter's rate falls with the squares of all gradients it has had; as Keras
 * writes it.
 */
import { adagradOp } from '../ops/adagrad.js';
import { update } from '../ops/update_inputs.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { epsilon, learningRate, rate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface AdagradOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** What the sums of squared gradients begin at, >= 0. Default 0.1. */
  initialAccumulatorValue?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  initialAccumulatorValue: rate(0.1),
  epsilon,
} satisfies SchemaOf<OwnOptions<AdagradOptions>>;

/** s ← s + g², from s = 0; W ← W − lr·g/√(initialAccumulatorValue + s + ε). */
export function adagrad(options?: AdagradOptions): Optimizer {
  const { config, common } = checkOptimizer('adagrad', options, schema);
  const { initialAccumulatorValue: initial, epsilon } = config;
  return makeOptimizer({
    name: 'adagrad',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['sum'],
    apply(context) {
      update(adagradOp, context, { sum: context.slot('sum') }, { initial, epsilon });
    },
  });
}
