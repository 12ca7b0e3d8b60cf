/** Regularizers by name: what options take as strings, and what saved models name. */
import { GradstepError, optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { l1, l1l2, l2 } from './index.js';
import { ownRegularizer, type Regularizer, type RegularizerFunction } from './regularizer.js';

const REGULARIZERS = { l1, l2, l1l2 } as const;

export type RegularizerName = keyof typeof REGULARIZERS;

/** What an option takes: a name, what a factory made, or a function over `gs.ops`. */
export type RegularizerOption = RegularizerName | Regularizer | RegularizerFunction;

export function isRegularizer(value: unknown): value is Regularizer {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Regularizer>).penalty === 'function';
}

/** Reads a regularizer given by name, made by a factory, or written as a function. */
export const regularizerOption: Check<Regularizer> = (value, name) => {
  if (typeof value === 'function') return ownRegularizer(value as RegularizerFunction);
  if (isRegularizer(value)) return value;
  if (typeof value !== 'string') throw optionError(name, 'name of a regularizer, a regularizer or a function', value);
  return restoreRegularizer({ name: value, config: undefined }, name);
};

/** The saved form; ERR_OPTION when it is a function of the user's own. */
export function saveRegularizer({ name, config }: Regularizer, where: string): { name: string; config: unknown } {
  if (name === undefined) {
    throw new GradstepError('ERR_OPTION', `A regularizer that is a function of your own cannot be saved (${where})`);
  }
  restoreRegularizer({ name, config }, where);
  return { name, config };
}

/** The regularizer of a saved form. */
export function restoreRegularizer({ name, config }: { name: string; config: unknown }, where: string): Regularizer {
  if (!Object.hasOwn(REGULARIZERS, name)) throw unknownName('regularizer', name, where, Object.keys(REGULARIZERS));
  return REGULARIZERS[name as RegularizerName](config as never);
}
