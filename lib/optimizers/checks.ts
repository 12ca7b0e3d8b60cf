/** Checks of options that several optimizers have. */
import { aboveZero, float32, number, optional, type Check } from '../options.js';
import { isSchedule, type Schedule } from '../schedules/schedule.js';

const fixedRate = float32('number >= 0 or a schedule', (v) => v >= 0);

/** A learning rate: a number >= 0, or a schedule. */
export const learningRate =
  (fallback: number): Check<number | Schedule> =>
  (value, name) => {
    if (value === undefined) return fallback;
    if (isSchedule(value)) return value;
    return fixedRate(value, name);
  };

/** A rate of weight decay, >= 0. */
export const rate = (fallback: number): Check<number> =>
  optional(
    float32('number >= 0', (v) => v >= 0),
    fallback,
  );

/** How much of a running mean stays from one step to the next, in [0, 1), also as a float32. */
export const decay = (fallback: number): Check<number> =>
  optional(
    number('number in [0, 1)', (v) => v >= 0 && Math.fround(v) < 1),
    fallback,
  );

/** Part of the previous move that is kept, in [0, 1]. */
export const momentum: Check<number> = optional(
  number('number in [0, 1]', (v) => v >= 0 && v <= 1),
  0,
);

/** What keeps a division finite, > 0. Default 1e-7. */
export const epsilon: Check<number> = optional(aboveZero, 1e-7);
