/** polynomialDecay: the learning rate goes to an end along a power of the time left, once or in ever longer cycles. */
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { flag, rate, steps } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface PolynomialDecayOptions {
  /** Number >= 0. */
  initialLearningRate: number;
  /** Updates until the end, integer > 0. */
  decaySteps: number;
  /** Number >= 0. Default 0.0001. */
  endLearningRate?: number;
  /** Number > 0. Default 1: a straight line. */
  power?: number;
  /** Whether, at each end, the way is stretched by decaySteps and the rate goes up to what it is there. Default false. */
  cycle?: boolean;
}

const schema = {
  initialLearningRate: rate,
  decaySteps: steps,
  endLearningRate: optional(rate, 0.0001),
  power: optional(
    number('number > 0', (v) => v > 0),
    1,
  ),
  cycle: flag,
} satisfies SchemaOf<PolynomialDecayOptions>;

/** (initialLearningRate − endLearningRate) · (1 − min(step, n) / n)^power + endLearningRate; n is decaySteps, or with cycle its next multiple from step on. */
export function polynomialDecay(options: PolynomialDecayOptions): Schedule {
  const config = checkOptions('schedules.polynomialDecay', options, schema);
  const { initialLearningRate, decaySteps, endLearningRate, power, cycle } = config;
  return defineSchedule('polynomialDecay', config, (f, step) => {
    const cycles = cycle ? f.max(f.mul(-1, f.floor(f.div(f.mul(-1, step), decaySteps))), 1) : 1;
    const n = cycle ? f.mul(decaySteps, cycles) : decaySteps;
    const left = f.div(f.sub(n, f.min(step, n)), n);
    return f.add(f.mul(initialLearningRate - endLearningRate, power === 1 ? left : f.pow(left, power)), endLearningRate);
  });
}
