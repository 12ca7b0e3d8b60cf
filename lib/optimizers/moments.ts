/** What adamax and nadam have in common: their options, and how their kernels are called. */
import type { OpDef } from '../graph/define_op.js';
import { update } from '../ops/update_inputs.js';
import type { SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { decay, epsilon, learningRate } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface MomentOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.001. */
  learningRate?: number | Schedule;
  /** Decay of the mean of gradients, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the second slot, the mean of squared gradients or their norm, in [0, 1). Default 0.999. */
  beta2?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: learningRate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.999),
  epsilon,
} satisfies SchemaOf<OwnOptions<MomentOptions>>;

/** An optimizer of these options. @param second the slot beside `m` */
export function momentOptimizer(name: string, op: OpDef, second: string, options: MomentOptions | undefined): Optimizer {
  const { config, common } = checkOptimizer(name, options, schema);
  const { beta1, beta2, epsilon } = config;
  return makeOptimizer({
    name,
    config,
    common,
    learningRate: config.learningRate,
    slots: ['m', second],
    apply(context) {
      update(op, context, { m: context.slot('m'), [second]: context.slot(second) }, { beta1, beta2, epsilon });
    },
  });
}
