/** sgd: W ← W − lr·g, optionally with momentum (Polyak 1964) or Nesterov's form of it, as Keras writes them. */
import { sgdOp } from '../ops/sgd.js';
import { update } from '../ops/update_inputs.js';
import { boolean, optional, type SchemaOf } from '../options.js';
import type { Schedule } from '../schedules/schedule.js';
import { learningRate, momentum } from './checks.js';
import { checkOptimizer, type CommonOptions, type OwnOptions } from './common.js';
import { makeOptimizer, type Optimizer } from './optimizer.js';

export interface SgdOptions extends CommonOptions {
  /** Step length: number >= 0, or a schedule. Default 0.01. */
  learningRate?: number | Schedule;
  /** Part of the previous move that is kept, in [0, 1]. Default 0: none. */
  momentum?: number;
  /** Whether the gradient counts as taken ahead of the move. Default false. */
  nesterov?: boolean;
}

const schema = {
  learningRate: learningRate(0.01),
  momentum,
  nesterov: optional(boolean, false),
} satisfies SchemaOf<OwnOptions<SgdOptions>>;

/** W ← W − lr·g; with momentum v ← momentum·v − lr·g and W ← W + v, or with Nesterov W ← W + momentum·v − lr·g. */
export function sgd(options?: SgdOptions): Optimizer {
  const { config, common } = checkOptimizer('sgd', options, schema);
  const { learningRate, momentum, nesterov } = config;
  return makeOptimizer({
    name: 'sgd',
    config,
    common,
    learningRate,
    slots: momentum > 0 ? ['velocity'] : [],
    apply(context) {
      const velocity = momentum > 0 ? context.slot('velocity') : undefined;
      update(sgdOp, context, { velocity }, { momentum, nesterov: nesterov ? 'yes' : 'no' });
    },
  });
}
