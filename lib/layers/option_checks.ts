/**
 * `gs.layers.options`: checks for the options of layers of a user's own. A check is a function of what the caller gave
 * (undefined when nothing) and of the option's full name; it returns the value to use, or throws ERR_OPTION.
 */
import { activationOption } from '../activations/activation.js';
import type { Activation, ActivationName } from '../activations/activation.js';
import type { Constraint } from '../constraints/constraint.js';
import { constraintOption, type ConstraintOption } from '../constraints/registry.js';
import { optionError } from '../errors.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import * as checks from '../options.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { regularizerOption, type RegularizerOption } from '../regularizers/registry.js';

/** A check that returns `T`, for an option that callers write as `Given`, and must write unless `Needed` is false. */
export type OptionCheck<T, Given = T, Needed extends boolean = true> = ((value: unknown, name: string) => T) & {
  /** Only for types; there is nothing behind it. */
  readonly given?: readonly [Given, Needed];
};

interface Range {
  min?: number;
  max?: number;
}

/** A bound may be infinite. */
const bound: checks.Check<number> = (value, name) => {
  if (typeof value !== 'number' || Number.isNaN(value)) throw optionError(name, 'number', value);
  return value;
};

function rangeOf(where: string, given: unknown, lowest: number, highest: number): Required<Range> {
  const schema = { min: checks.optional(bound, lowest), max: checks.optional(bound, highest) } satisfies checks.SchemaOf<Range>;
  const { min, max } = checks.checkOptions(where, given, schema);
  if (min > max) throw optionError(`${where}.max`, `number >= ${min}`, max);
  return { min, max };
}

/** An integer from `min` (default 1) to `max`. */
export function integer(range?: Range): OptionCheck<number> {
  const { min, max } = rangeOf('layers.options.integer', range, 1, Number.MAX_SAFE_INTEGER);
  return checks.integer(min, max);
}

/** A finite number, from `min` to `max` where they are given. */
export function number(range?: Range): OptionCheck<number> {
  const { min, max } = rangeOf('layers.options.number', range, -Infinity, Infinity);
  const words = [min > -Infinity ? ` >= ${min}` : '', max < Infinity ? ` <= ${max}` : ''].filter(Boolean).join(' and');
  return checks.number(words === '' ? 'finite number' : `number${words}`, (v) => v >= min && v <= max);
}

/** true or false. */
export function boolean(): OptionCheck<boolean> {
  return checks.boolean;
}

/** One of a few words. */
export function oneOf<const T extends string>(words: readonly T[]): OptionCheck<T> {
  const isList = Array.isArray(words) && words.length > 0;
  if (!isList || [...(words as unknown[])].some((word) => typeof word !== 'string')) {
    throw optionError('layers.options.oneOf', 'array of words', words);
  }
  return checks.oneOf([...words]);
}

/** An array of integers > 0. */
export function shape(): OptionCheck<readonly number[]> {
  return checks.shape;
}

/** A name of `gs.activations`, or a function of a value; such a function cannot be saved. */
export function activation(): OptionCheck<Activation, ActivationName | Activation> {
  return activationOption;
}

/** First values of a weight. Saved under option names that end in `Initializer`. */
export function initializer(): OptionCheck<Initializer, InitializerName | Initializer> {
  return initializerOption;
}

/** What the loss adds for a weight. Saved under option names that end in `Regularizer`. */
export function regularizer(): OptionCheck<Regularizer, RegularizerOption> {
  return regularizerOption;
}

/** What holds a weight. Saved under option names that end in `Constraint`. */
export function constraint(): OptionCheck<Constraint, ConstraintOption> {
  return constraintOption;
}

/** An option that need not be given: without `fallback` it is undefined then. The fallback goes through the check as well. */
export function optional<T, Given>(check: OptionCheck<T, Given>): OptionCheck<T | undefined, Given, false>;
export function optional<T, Given>(check: OptionCheck<T, Given>, fallback: NoInfer<Given>): OptionCheck<T, Given, false>;
export function optional<T, Given>(check: OptionCheck<T, Given>, fallback?: Given): OptionCheck<T | undefined, Given, false> {
  checks.func()(check, 'layers.options.optional');
  return (value, name) => {
    const given = value === undefined ? fallback : value;
    return given === undefined ? undefined : check(given, name);
  };
}
