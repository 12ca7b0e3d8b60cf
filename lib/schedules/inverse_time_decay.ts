/** inverseTimeDecay: the learning rate shrinks like 1 / time, smoothly or in stairs. */
import { checkOptions, type SchemaOf } from '../options.js';
import { factor, flag, rate, steps } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface InverseTimeDecayOptions {
  /** Number >= 0. */
  initialLearningRate: number;
  /** Updates that are one unit of time, integer > 0. */
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
} satisfies SchemaOf<InverseTimeDecayOptions>;

/** initialLearningRate / (1 + decayRate · step / decaySteps), the time rounded down with staircase. */
export function inverseTimeDecay(options: InverseTimeDecayOptions): Schedule {
  const config = checkOptions('schedules.inverseTimeDecay', options, schema);
  const { initialLearningRate, decaySteps, decayRate, staircase } = config;
  return defineSchedule('inverseTimeDecay', config, (f, step) => {
    const time = f.div(step, decaySteps);
    return f.div(initialLearningRate, f.add(1, f.mul(decayRate, staircase ? f.floor(time) : time)));
  });
}
