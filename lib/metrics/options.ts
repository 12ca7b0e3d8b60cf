/** Checks of options that several metrics share. */
import { optionError } from '../errors.js';
import { number, optional, type Check } from '../options.js';

/** A name for histories: a string that is not empty, on one line. */
export const historyKey: Check<string> = (value, name) => {
  if (typeof value !== 'string' || value === '') throw optionError(name, 'string that is not empty', value);
  if (/\p{Cc}/u.test(value)) throw optionError(name, 'string without line ends and other control characters', value);
  return value;
};

/** The option `name`, by default the metric's own. */
export const nameOption = (fallback: string): Check<string> => optional(historyKey, fallback);

/** A number from 0 to 1. */
export const fraction: Check<number> = number('number from 0 to 1', (v) => v >= 0 && v <= 1);

/** Thresholds: a number from 0 to 1, or several. */
export const thresholdsOption: Check<number | readonly number[] | undefined> = (value, name) => {
  if (!Array.isArray(value)) return value === undefined ? undefined : fraction(value, name);
  if (value.length === 0) throw optionError(name, 'number from 0 to 1 or an array of them', value);
  return value.map((v, i) => fraction(v, `${name}[${i}]`));
};

/** A list of numbers that each satisfy a check. */
export function listOf(check: Check<number>): Check<readonly number[]> {
  return (value, name) => {
    if (!Array.isArray(value) || value.length === 0) throw optionError(name, 'array of numbers that is not empty', value);
    return value.map((v, i) => check(v, `${name}[${i}]`));
  };
}

/** One of a few words, or null. */
export function wordOrNull<const T extends string>(check: Check<T>): Check<T | null> {
  return (value, name) => (value === null ? null : check(value, name));
}
