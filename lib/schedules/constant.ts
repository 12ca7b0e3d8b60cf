/** constant: the learning rate stays; what a number means, as a schedule, to follow a warm-up. */
import { checkOptions, type SchemaOf } from '../options.js';
import { rate } from './checks.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface ConstantScheduleOptions {
  /** Number >= 0. */
  learningRate: number;
}

const schema = { learningRate: rate } satisfies SchemaOf<ConstantScheduleOptions>;

/** learningRate. */
export function constant(options: ConstantScheduleOptions): Schedule {
  const config = checkOptions('schedules.constant', options, schema);
  return defineSchedule('constant', config, () => config.learningRate);
}
