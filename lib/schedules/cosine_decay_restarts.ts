/** cosineDecayRestarts (SGDR, Loshchilov & Hutter 2017): half a cosine wave down, again and again, longer and lower each time. */
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import { factor, rate, share, steps } from './checks.js';
import { defineSchedule, halfWave, type Schedule } from './schedule.js';

export interface CosineDecayRestartsOptions {
  /** Number >= 0. */
  initialLearningRate: number;
  /** Updates of the first cycle, integer > 0. */
  firstDecaySteps: number;
  /** How many times as long as the one before a cycle is, number >= 1. Default 2. */
  tMul?: number;
  /** What a cycle begins at, as a multiple of what the one before did, number >= 0. Default 1. */
  mMul?: number;
  /** The least rate, as a share of initialLearningRate, number in [0, 1]. Default 0. */
  alpha?: number;
}

const schema = {
  initialLearningRate: rate,
  firstDecaySteps: steps,
  tMul: optional(
    number('number >= 1', (v) => v >= 1),
    2,
  ),
  mMul: optional(factor, 1),
  alpha: share(0),
} satisfies SchemaOf<CosineDecayRestartsOptions>;

/** initialLearningRate · ((1 − alpha) · mMul^cycle · (1 + cos(π · part)) / 2 + alpha), part of the cycle that is over. */
export function cosineDecayRestarts(options: CosineDecayRestartsOptions): Schedule {
  const config = checkOptions('schedules.cosineDecayRestarts', options, schema);
  const { initialLearningRate, firstDecaySteps, tMul, mMul, alpha } = config;
  return defineSchedule('cosineDecayRestarts', config, (f, step) => {
    const { cycle, part } = f.restarts(step, firstDecaySteps, tMul);
    const wave = halfWave(f, f.sub(1, part));
    const lowered = mMul === 1 ? wave : f.mul(f.pow(mMul, cycle), wave);
    return f.add(f.mul(initialLearningRate * (1 - alpha), lowered), initialLearningRate * alpha);
  });
}
