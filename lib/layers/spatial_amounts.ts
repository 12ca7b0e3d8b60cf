/** How many elements are added before and after each spatial axis, or taken away: Keras's forms of writing it down. */
import { optionError } from '../errors.js';
import { isSize, type Check } from '../options.js';

/** [before, after] of one axis. */
export type Amounts = readonly [number, number];

/** The same number everywhere, or [before, after]. */
export type Amounts1d = number | Amounts;

/** The same number everywhere, one a axis for both its ends, or [before, after] for each axis. */
export type Amounts2d = number | readonly [number, number] | readonly [Amounts, Amounts];

/** The same number everywhere, one a axis for both its ends, or [before, after] for each axis. */
export type Amounts3d = number | readonly [number, number, number] | readonly [Amounts, Amounts, Amounts];

const isAmount = (v: unknown): v is number => isSize(v, 0);
const isPair = (v: unknown): v is Amounts => Array.isArray(v) && v.length === 2 && isAmount(v[0]) && isAmount(v[1]);

/** The amounts of `axes` axes in any of their forms. */
export function amountsOption(axes: 1 | 2 | 3): Check<readonly Amounts[]> {
  const words = { 1: '[before, after]', 2: 'two of them, or two pairs', 3: 'three of them, or three pairs' };
  return (value, name) => {
    if (isAmount(value)) return Array.from({ length: axes }, () => [value, value] as const);
    // The form that an option has once it was checked is accepted again when a saved model is read.
    if (axes === 1 && isPair(value)) return [[value[0], value[1]]];
    if (Array.isArray(value) && value.length === axes) {
      if (axes > 1 && value.every(isAmount)) return value.map((v: number) => [v, v] as const);
      if (value.every(isPair)) return value.map((v: Amounts) => [v[0], v[1]] as const);
    }
    throw optionError(name, `integer >= 0 or ${words[axes]}`, value);
  };
}
