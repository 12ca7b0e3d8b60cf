/**
 * Checking of options objects. A schema has one check for each option: it receives what the caller gave (undefined when
 * nothing) and the option's full name, and returns the value to use or throws ERR_OPTION. Names that the schema does not
 * have are rejected with a suggestion, so a misspelling never passes silently.
 */
import { GradstepError, optionError } from './errors.js';

/** Returns the checked value; `name` is what messages call it: `layers.dense.units`. */
export type Check<T> = (value: unknown, name: string) => T;

export type Schema = Readonly<Record<string, Check<unknown>>>;

/** What a schema's checks return. */
export type Checked<S extends Schema> = { readonly [K in keyof S]: ReturnType<S[K]> };

/** A schema that has exactly the options of an interface. */
export type SchemaOf<O> = { readonly [K in keyof O]-?: Check<unknown> };

/**
 * Whether an object inherits something, such as a Map its methods, an object of a class its getters: what it holds there
 * would be passed over. What every object has, of whichever realm, does not count.
 */
function inherits(value: object): boolean {
  let at: unknown = Object.getPrototypeOf(value);
  for (; typeof at === 'object' && at !== null && !Object.hasOwn(at, 'isPrototypeOf'); at = Object.getPrototypeOf(at)) {
    if (Reflect.ownKeys(at).some((key) => key !== 'constructor')) return true;
  }
  return false;
}

/** An object whose names are all its own. */
export const record =
  (expected: string): Check<Readonly<Record<string, unknown>>> =>
  (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw optionError(name, expected, value);
    if (inherits(value)) throw optionError(name, `${expected} without inherited properties`, value);
    return value as Record<string, unknown>;
  };

const optionsObject = record('an object of options');

/** A copy of an array, whose holes are undefined: `every` and `map` would skip them. Other values as they are. */
function copied(value: unknown): unknown {
  return Array.isArray(value) ? [...(value as unknown[])] : value;
}

/** Checks every option of `given`; `where` names the function: `layers.dense`. Arrays reach their checks as copies. */
export function checkOptions<S extends Schema>(where: string, given: unknown, schema: S): Checked<S> {
  const options = given === undefined ? {} : optionsObject(given, where);
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(schema, name)) throw unknownName('option', name, where, Object.keys(schema));
  }
  const value = (name: string): unknown => (Object.hasOwn(options, name) ? copied(options[name]) : undefined);
  return Object.fromEntries(
    Object.entries(schema).map(([name, check]) => [name, check(value(name), `${where}.${name}`)]),
  ) as Checked<S>;
}

/** `Unknown option "unit" for layers.dense: did you mean "units"?` */
export function unknownName(kind: string, name: unknown, where: string, known: readonly string[]): GradstepError {
  if (typeof name !== 'string') return optionError(where, `${kind} name`, name);
  const near = nearest(name, known);
  const others = known.length === 0 ? `expected no ${kind}s` : `expected one of ${known.join(', ')}`;
  const hint = near === undefined ? others : `did you mean "${near}"?`;
  return new GradstepError('ERR_OPTION', `Unknown ${kind} ${JSON.stringify(name)} for ${where}: ${hint}`);
}

/** The known name that differs least, if it differs by little enough to be what was meant. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const ranked = known.map((k) => ({ k, distance: editDistance(name.toLowerCase(), k.toLowerCase()) }));
  ranked.sort((a, b) => a.distance - b.distance);
  const best = ranked[0];
  return best && best.distance <= Math.max(2, Math.floor(best.k.length / 3)) ? best.k : undefined;
}

/** Insertions, deletions and substitutions between two words (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Uses `fallback` where nothing was given. */
export function optional<T, F>(check: Check<T>, fallback: F): Check<T | F> {
  return (value, name) => (value === undefined ? fallback : check(value, name));
}

/** An integer from `min` to `max`. */
export function integer(min: number, max = Number.MAX_SAFE_INTEGER): Check<number> {
  const expected = max < Number.MAX_SAFE_INTEGER ? `integer from ${min} to ${max}` : `integer ${min === 1 ? '> 0' : `>= ${min}`}`;
  return (value, name) => {
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      throw optionError(name, expected, value);
    return value;
  };
}

/** A finite number that also satisfies `accepts`; `expected` says so in words. */
export function number(expected = 'finite number', accepts: (value: number) => boolean = () => true): Check<number> {
  return (value, name) => {
    if (typeof value !== 'number' || !Number.isFinite(value) || !accepts(value)) throw optionError(name, expected, value);
    return value;
  };
}

/** A number as `number` checks it that devices compute with: float32 holds it, too, up to about 3.4e38. */
export function float32(expected?: string, accepts?: (value: number) => boolean): Check<number> {
  const check = number(expected, accepts);
  return (value, name) => {
    const checked = check(value, name);
    if (!Number.isFinite(Math.fround(checked))) throw optionError(name, 'number that float32 holds', value);
    return checked;
  };
}

const positive = number('number > 0', (v) => v > 0);

/** A number above 0 that devices do not take for 0, as they do what float32 holds with fewer digits only. */
export const aboveZero: Check<number> = (value, name) => {
  const checked = positive(value, name);
  if (checked < 2 ** -126) throw optionError(name, 'number of at least 1.2e-38 (less counts as 0)', value);
  return checked;
};

export const boolean: Check<boolean> = (value, name) => {
  if (typeof value !== 'boolean') throw optionError(name, 'boolean', value);
  return value;
};

/** One of a few words. */
export function oneOf<const T extends string>(values: readonly T[]): Check<T> {
  return (value, name) => {
    if (typeof value === 'string') {
      if (!(values as readonly string[]).includes(value)) throw unknownName('value', value, name, values);
      return value as T;
    }
    throw optionError(name, `one of ${values.map((v) => `"${v}"`).join(', ')}`, value);
  };
}

/** Kernels count along an axis in 32 bits. */
const LARGEST_SIZE = 0x7fffffff;

/** An integer from `min` on that kernels can count to. */
export const isSize = (value: unknown, min: 0 | 1): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= min && value <= LARGEST_SIZE;

/** What sizes must be: the largest is told where one is larger. */
function sizeRange(min: 0 | 1, given: readonly unknown[]): string {
  if (given.some((v) => typeof v === 'number' && v > LARGEST_SIZE)) return `from ${min} to ${LARGEST_SIZE}`;
  return min === 1 ? '> 0' : '>= 0';
}

/** How many axes a window slides over. */
export type Axes = 1 | 2 | 3;

/** One number for all axes, or one for each. */
export type PerAxis<A extends Axes> =
  number | { 1: readonly [number]; 2: readonly [number, number]; 3: readonly [number, number, number] }[A];

/** An integer from `min` on for each of `axes` axes: one for all of them, or an array. */
export function perAxis(axes: Axes, min: 0 | 1 = 1): Check<readonly number[]> {
  const several = { 1: 'an array of one', 2: 'a pair of them', 3: 'an array of three' }[axes];
  return (value, name) => {
    const all: readonly unknown[] = Array.isArray(value) ? value : Array.from({ length: axes }, () => value as unknown);
    const valid = all.length === axes && all.every((v) => isSize(v, min));
    if (!valid) throw optionError(name, `integer ${sizeRange(min, all)} or ${several}`, value);
    return all as readonly number[];
  };
}

/** A positive integer for both axes, or [height, width]. */
export const pair = perAxis(2) as Check<readonly [number, number]>;

/** Positive sizes: the shape of one sample, without the batch. */
export const shape: Check<readonly number[]> = (value, name) => {
  const sizes: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [];
  const valid = Array.isArray(value) && sizes.every((v) => isSize(v, 1));
  if (!valid) throw optionError(name, `array of integers ${sizeRange(1, sizes)}`, value);
  return sizes as number[];
};

/** A shape in which null stands for sizes that data tell. */
export const partialShape: Check<readonly (number | null)[]> = (value, name) => {
  const sizes: unknown[] = Array.isArray(value) ? [...(value as unknown[])] : [];
  const valid = Array.isArray(value) && sizes.every((v) => v === null || isSize(v, 1));
  if (!valid) throw optionError(name, `array of integers ${sizeRange(1, sizes)} or null`, value);
  return sizes as (number | null)[];
};

/** A function, called with whatever its place says. */
export function func<F>(): Check<F> {
  return (value, name) => {
    if (typeof value !== 'function') throw optionError(name, 'function', value);
    return value as F;
  };
}

export const abortSignal: Check<AbortSignal> = (value, name) => {
  if (!(value instanceof AbortSignal)) throw optionError(name, 'AbortSignal', value);
  return value;
};
