/** warmup (Goyal et al. 2017): a straight way up to where another schedule begins, then that schedule. */
import { checkOptions, optional, type SchemaOf } from '../options.js';
import { rate, scheduleOption, steps } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface WarmupOptions {
  /** Updates of the way up, integer > 0. */
  steps: number;
  /** What follows; its own steps begin at 0 then. Make one that stays with `schedules.constant`. */
  after: Schedule;
  /** Where the way begins, number >= 0. Default 0. */
  initialLearningRate?: number;
}

const schema = {
  steps,
  after: scheduleOption,
  initialLearningRate: optional(rate, 0),
} satisfies SchemaOf<WarmupOptions>;

/** initialLearningRate + (after(0) − initialLearningRate) · step / steps before `steps`, then after(step − steps). */
export function warmup(options: WarmupOptions): Schedule {
  const config = checkOptions('schedules.warmup', options, schema);
  const { steps, after, initialLearningRate } = config;
  const top = after.at(0);
  return defineSchedule('warmup', config, (f, step, within) => {
    const warming = f.add(initialLearningRate, f.mul(top - initialLearningRate, f.div(step, steps)));
    return f.ifGreater(steps, step, warming, within(after, f.max(f.sub(step, steps), 0)));
  });
}
