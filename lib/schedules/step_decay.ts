/** stepDecay: the learning rate is multiplied by a factor every so many updates. */
import { checkOptions, optional, type SchemaOf } from '../options.js';
import { factor, rate, steps } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface StepDecayOptions {
  /** Number >= 0. */
  initialLearningRate: number;
  /** Updates between two decays, integer > 0. */
  decaySteps: number;
  /** What the rate is multiplied by, number >= 0. Default 0.1. */
  factor?: number;
}

const schema = {
  initialLearningRate: rate,
  decaySteps: steps,
  factor: optional(factor, 0.1),
} satisfies SchemaOf<StepDecayOptions>;

/** initialLearningRate · factor^⌊step / decaySteps⌋. */
export function stepDecay(options: StepDecayOptions): Schedule {
  const config = checkOptions('schedules.stepDecay', options, schema);
  const { initialLearningRate, decaySteps, factor } = config;
  return defineSchedule('stepDecay', config, (f, step) =>
    f.mul(initialLearningRate, f.pow(factor, f.floor(f.div(step, decaySteps)))),
  );
}
