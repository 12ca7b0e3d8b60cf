/** An amount that is drawn: one number f for the range it makes, or [lower, upper]. */
import { optionError } from '../errors.js';
import type { Range } from '../ops/random_transform.js';
import type { Check } from '../options.js';

export type Factor = number | readonly [number, number];

/** Checks a range with bounds; a single number f >= 0 becomes [−f, f]. `expected` says the bounds in words. */
export function factorOption(expected: string, accepts: (bound: number) => boolean = () => true): Check<Range> {
  return (value, name) => {
    const range = typeof value === 'number' ? [-value, value] : value;
    const valid =
      Array.isArray(range) &&
      range.length === 2 &&
      range.every((v) => typeof v === 'number' && Number.isFinite(v) && accepts(v)) &&
      (range[0] as number) <= (range[1] as number);
    if (!valid) throw optionError(name, `number >= 0 or [lower, upper]${expected}`, value);
    return [range[0] as number, range[1] as number];
  };
}

/** [lower, upper] of the numbers that pixels have. */
export const valueRangeOption: Check<readonly [number, number]> = (value, name) => {
  const valid =
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((v) => typeof v === 'number' && Number.isFinite(v)) &&
    (value[0] as number) < (value[1] as number);
  if (!valid) throw optionError(name, '[lower, upper] with lower < upper', value);
  return [value[0] as number, value[1] as number];
};
