/** exponentialDecay: the learning rate shrinks by a factor over so many updates, smoothly or in stairs. */
import { checkOptions, type SchemaOf } from '../options.js';
import { factor, flag, rate, steps } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface ExponentialDecayOptions {
  /** Number >= 0. */
  initialLearningRate: number;
  /** Updates over which the rate is multiplied by decayRate once, integer > 0. */
  decaySteps: number;
  /** Number >= 0. */
  decayRate: number;
  /** Whether the rate changes only every decaySteps updates. Default false. */
  staircase?: boolean;
}

const schema = {
  initialLearningRate: rate,
  decaySteps: steps,
  decayRate: factor,
  staircase: flag,
} satisfies SchemaOf<ExponentialDecayOptions>;

/** initialLearningRate · decayRate^(step / decaySteps), the exponent rounded down with staircase. */
export function exponentialDecay(options: ExponentialDecayOptions): Schedule {
  const config = checkOptions('schedules.exponentialDecay', options, schema);
  const { initialLearningRate, decaySteps, decayRate, staircase } = config;
  return defineSchedule('exponentialDecay', config, (f, step) => {
    const time = f.div(step, decaySteps);
    return f.mul(initialLearningRate, f.pow(decayRate, staircase ? f.floor(time) : time));
  });
}
