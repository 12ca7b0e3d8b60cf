/**
 * lion (Chen et al. 2023): every parameter moves by the learning rate, in the direction of a mean of gradients.
 */
import { lionOp } from '../ops/lion.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { decay, rate } from './checks.js';
import type { Optimizer } from './optimizer.js';

export interface LionOptions {
  /** Step length, >= 0. Default 0.001; a third to a tenth of what adam takes is usual. */
  learningRate?: number;
  /** Share of the mean, as against the present gradient, in the direction, in [0, 1). Default 0.9. */
  beta1?: number;
  /** Decay of the mean of gradients, in [0, 1). Default 0.99. */
  beta2?: number;
}

const schema = {
  learningRate: rate(0.001),
  beta1: decay(0.9),
  beta2: decay(0.99),
} satisfies SchemaOf<LionOptions>;

/** W ← W − lr·sign(β₁m + (1−β₁)g), then m ← β₂m + (1−β₂)g. */
export function lion(options?: LionOptions): Optimizer {
  const config = checkOptions('optimizers.lion', options, schema);
  const { beta1, beta2 } = config;
  return {
    name: 'lion',
    config,
    learningRate: config.learningRate,
    slots: ['m'],
    apply(context) {
      const { params, grads, flag } = context;
      const inputs = {
        params,
        grads,
        m: context.slot('m'),
        learningRate: context.learningRate,
        flag,
      };
      params.graph.add(lionOp, inputs, { beta1, beta2 });
    },
  };
}
