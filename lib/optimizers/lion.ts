/**
 * lion (Chen et al. 2023): every parameter moves by the learning rate, in the direction of a mean of gradients.
 */
import { lionOp } from '../ops/lion.js';
import { update } from '../ops/update_inputs.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, learningRate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface LionOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001; a third to a tenth of what adam takes is usual. */
  learningRate?: number | Schedule;
  /** Share of the mean, as against the present gradient, in the direction, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of gradients, in [0, 1). Default 0.99. */
  beta2?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.99),
} satisfies SchemaOf<OwnOptions<LionOptions>>;

/** W ← W − lr·sign(β₁m + (1−β₁)g), then m ← β₂m + (1−β₂)g. */
export function lion(options?: LionOptions): Optimizer {
  const { config, common } = checkOptimizer('lion', options, schema);
  const { beta1, beta2 } = config;
  return makeOptimizer({
    name: 'lion',
    config,
    common,
    learningRate: config.learningRate,
    slots: ['m'],
    apply(context) {
      update(lionOp, context, { m: context.slot('m') }, { beta1, beta2 });
    },
  });
}
