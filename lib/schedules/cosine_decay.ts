/** cosineDecay (Loshchilov & Hutter 2017): half a cosine wave down, after a straight way up where one is asked for. */
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import { rate, share, steps } from './checks.js';
import { defineSchedule, halfWave, type Schedule } from './schedule.js';

export interface CosineDecayOptions {
  /** Number >= 0: where the decay begins, or with warmupTarget the warm-up. */
  initialLearningRate: number;
  /** Updates of the decay, without the warm-up, integer > 0. */
  decaySteps: number;
  /** The end, as a share of where the decay began, number in [0, 1]. Default 0. */
  alpha?: number;
  /** Where the warm-up leads and the decay begins, number >= 0. Default: no warm-up. */
  warmupTarget?: number;
  /** Updates of the warm-up, integer >= 0; counts with warmupTarget only. Default 0. */
  warmupSteps?: number;
}

const schema = {
  initialLearningRate: rate,
  decaySteps: steps,
  alpha: share(0),
  warmupTarget: optional(rate, undefined),
  warmupSteps: optional(integer(0, 0x7fffffff), 0),
} satisfies SchemaOf<CosineDecayOptions>;

/**
 * begin · ((1 − alpha) · (1 + cos(π · min(t, decaySteps) / decaySteps)) / 2 + alpha), t = step and begin = initialLearningRate;
 * with warmupTarget t = step − warmupSteps, begin = warmupTarget, and before it a straight line from initialLearningRate.
 */
export function cosineDecay(options: CosineDecayOptions): Schedule {
  const config = checkOptions('schedules.cosineDecay', options, schema);
  const { initialLearningRate, decaySteps, alpha, warmupTarget } = config;
  const warmupSteps = warmupTarget === undefined ? 0 : config.warmupSteps;
  const begin = warmupTarget ?? initialLearningRate;
  return defineSchedule('cosineDecay', config, (f, step) => {
    const t = warmupSteps === 0 ? step : f.sub(step, warmupSteps);
    const left = f.div(f.sub(decaySteps, f.min(t, decaySteps)), decaySteps);
    const decayed = f.add(f.mul(begin * (1 - alpha), halfWave(f, left)), begin * alpha);
    if (warmupSteps === 0) return decayed;
    const warming = f.add(initialLearningRate, f.mul(begin - initialLearningRate, f.div(step, warmupSteps)));
    return f.ifGreater(warmupSteps, step, warming, decayed);
  });
}
