/** An amount that is drawn: one number f for the range it makes, or [lower, upper]. */
import { optionError } from '../errors.js';
import type { Range } from '../ops/random_transform.js';
import type { Check } from '../options.js';

export type Factor = number | readonly [number, number];

/** What amounts may be. */
interface FactorBounds {
  /** The largest single number. */
  readonly most: number;
  /** The bounds of a range in words. */
  readonly range: string;
  readonly accepts: (bound: number) => boolean;
}

/**
 * Checks a range with bounds; a single number f from 0 to `most` becomes [−f, f], and a saved model gives that back. Without bounds
 * any range will do.
 */
export function factorOption({ most, range: words, accepts }: FactorBounds = ANY): Check<Range> {
  const single = most === Infinity ? 'number >= 0' : `number from 0 to ${most}`;
  return (value, name) => {
    const range: unknown = typeof value === 'number' ? [-value, value] : value;
    const numbers = Array.isArray(range) && range.every((v) => Number.isFinite(v)) ? (range as number[]) : [];
    const [lower = NaN, upper = NaN] = numbers;
    const isOfOne = -lower === upper && upper <= most;
    const valid = numbers.length === 2 && lower <= upper && (isOfOne || (typeof value !== 'number' && numbers.every(accepts)));
    if (!valid) throw optionError(name, `${single} or [lower, upper]${words}`, value);
    return [lower, upper];
  };
}

const ANY: FactorBounds = { most: Infinity, range: '', accepts: () => true };

/** Within [−1, 1]. */
export const shareOption = factorOption({ most: 1, range: ' within [-1, 1]', accepts: (v) => v >= -1 && v <= 1 });

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
