/**
 * adagrad (Duchi, Hazan & Singer 2011): each parameter's rate falls with the squares of all gradients it has had; as Keras
 * writes it.
 */
import { adagradOp } from '../ops/adagrad.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { epsilon, rate } from './checks.js';
import type { Optimizer } from './optimizer.js';

export interface AdagradOptions {
  /** Step length, >= 0. Default 0.001. */
  learningRate?: number;
  /** What the sums of squared gradients begin at, >= 0. Default 0.1. */
  initialAccumulatorValue?: number;
  /** Keeps the division finite, > 0. Default 1e-7. */
  epsilon?: number;
}

const schema = {
  learningRate: rate(0.001),
  initialAccumulatorValue: rate(0.1),
  epsilon,
} satisfies SchemaOf<AdagradOptions>;

/** s ← s + g², from s = 0; W ← W − lr·g/√(initialAccumulatorValue + s + ε). */
export function adagrad(options?: AdagradOptions): Optimizer {
  const config = checkOptions('optimizers.adagrad', options, schema);
  const { initialAccumulatorValue: initial, epsilon } = config;
  return {
    name: 'adagrad',
    config,
    learningRate: config.learningRate,
    slots: ['sum'],
    apply(context) {
      const { params, grads, flag } = context;
      const inputs = {
        params,
        grads,
        sum: context.slot('sum'),
        learningRate: context.learningRate,
        flag,
      };
      params.graph.add(adagradOp, inputs, { initial, epsilon });
    },
  };
}
