/** Checks of options that several schedules have. */
import { optionError } from '../errors.js';
import { boolean, float32, integer, number, optional, type Check } from '../options.js';
import { isSchedule, type Schedule } from './schedule.js';

/** A learning rate that must be given, number >= 0. */
export const rate: Check<number> = float32('number >= 0', (v) => v >= 0);

/** A factor that must be given, number >= 0. */
export const factor: Check<number> = float32('number >= 0', (v) => v >= 0);

/** A number of updates that must be given, integer > 0. */
export const steps: Check<number> = integer(1, 0x7fffffff);

/** A share, number in [0, 1]. */
export const share = (fallback: number): Check<number> =>
  optional(
    number('number in [0, 1]', (v) => v >= 0 && v <= 1),
    fallback,
  );

/** Off by default. */
export const flag: Check<boolean> = optional(boolean, false);

/** A schedule that must be given. */
export const scheduleOption: Check<Schedule> = (value, name) => {
  if (!isSchedule(value)) throw optionError(name, 'schedule', value);
  return value;
};
