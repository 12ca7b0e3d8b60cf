/**
 * oneCycle (Smith & Topin 2018), as PyTorch's OneCycleLR writes it: up from maxLearningRate / divFactor to the maximum, then
 * down to the beginning divided by finalDivFactor; in three phases first down to the beginning. It stays there.
 */
import { checkOptions, integer, number, oneOf, optional, type Checked, type SchemaOf } from '../options.js';
import { flag, rate, share } from './checks.js';
import { defineSchedule, halfWave, type Schedule } from './schedule.js';

export interface OneCycleOptions {
  /** The peak, number >= 0. */
  maxLearningRate: number;
  /** Updates of the whole cycle, integer > 1. */
  totalSteps: number;
  /** Share of the cycle in which the rate goes up, number in [0, 1]. Default 0.3. */
  pctStart?: number;
  /** Along half a cosine wave, or straight. Default `cos`. */
  annealStrategy?: 'cos' | 'linear';
  /** How many times the beginning the peak is, number > 0. Default 25. */
  divFactor?: number;
  /** How many times the end the beginning is, number > 0. Default 10,000. */
  finalDivFactor?: number;
  /** Whether the rate first goes down as long as it went up, to the beginning, and only then to the end. Default false. */
  threePhase?: boolean;
}

const positive = number('number > 0', (v) => v > 0);

const schema = {
  maxLearningRate: rate,
  totalSteps: integer(2, 0x7fffffff),
  pctStart: share(0.3),
  annealStrategy: optional(oneOf(['cos', 'linear']), 'cos' as const),
  divFactor: optional(positive, 25),
  finalDivFactor: optional(positive, 10_000),
  threePhase: flag,
} satisfies SchemaOf<OneCycleOptions>;

interface Phase {
  readonly begin: number;
  readonly end: number;
  readonly from: number;
  readonly to: number;
}

/** The cycle's phases: between which steps, which are not whole numbers, and between which rates they lead. */
function phasesOf(config: Checked<typeof schema>): Phase[] {
  const { maxLearningRate: peak, totalSteps, pctStart, threePhase } = config;
  const initial = peak / config.divFactor;
  const up = { begin: 0, end: pctStart * totalSteps - 1, from: initial, to: peak };
  const last = { end: totalSteps - 1, to: initial / config.finalDivFactor };
  if (!threePhase) return [up, { ...last, begin: up.end, from: peak }];
  const down = { begin: up.end, end: 2 * pctStart * totalSteps - 2, from: peak, to: initial };
  return [up, down, { ...last, begin: down.end, from: initial }];
}

/** The rate at a step: a phase reaches up to its end, the last one on and on. */
export function oneCycle(options: OneCycleOptions): Schedule {
  const config = checkOptions('schedules.oneCycle', options, schema);
  // The first phase, and with it the second, may end before there is a step.
  const phases = phasesOf(config).filter(({ begin, end }) => end > Math.max(begin, 0));
  return defineSchedule('oneCycle', config, (f, step) => {
    const along = ({ begin, end, from, to }: Phase) => {
      const left = f.div(f.sub(end, f.min(step, end)), end - begin);
      return f.add(to, f.mul(from - to, config.annealStrategy === 'cos' ? halfWave(f, left) : left));
    };
    return phases
      .slice(0, -1)
      .reduceRight((rate, phase) => f.ifGreater(step, phase.end, rate, along(phase)), along(phases.at(-1)!));
  });
}
