/** Checks of options that several optimizers have. */
import { number, optional, type Check } from '../options.js';

/** A rate, >= 0: of learning, or of weight decay. */
export const rate = (fallback: number): Check<number> =>
  optional(
    number('number >= 0', (v) => v >= 0),
    fallback,
  );

/** How much of a running mean stays from one step to the next, in [0, 1). */
export const decay = (fallback: number): Check<number> =>
  optional(
    number('number in [0, 1)', (v) => v >= 0 && v < 1),
    fallback,
  );

/** Part of the previous move that is kept, in [0, 1]. */
export const momentum: Check<number> = optional(
  number('number in [0, 1]', (v) => v >= 0 && v <= 1),
  0,
);

/** What keeps a division finite, > 0. Default 1e-7. */
export const epsilon: Check<number> = optional(
  number('number > 0', (v) => v > 0),
  1e-7,
);
