/** Constraints by name: what options take as strings, and what saved models name. */
import { GradstepError, optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { maxNorm, minMaxNorm, nonNeg, unitNorm } from './index.js';
import { ownConstraint, type Constraint, type ConstraintFunction } from './constraint.js';

const CONSTRAINTS = { maxNorm, unitNorm, nonNeg, minMaxNorm } as const;

export type ConstraintName = keyof typeof CONSTRAINTS;

/** What an option takes: a name, what a factory made, or a function over `gs.ops`. */
export type ConstraintOption = ConstraintName | Constraint | ConstraintFunction;

export function isConstraint(value: unknown): value is Constraint {
  if (typeof value !== 'object' || value === null) return false;
  const { config, apply } = value as Partial<Constraint>;
  return typeof config === 'object' && typeof apply === 'function';
}

/** Reads a constraint given by name, made by a factory, or written as a function. */
export const constraintOption: Check<Constraint> = (value, name) => {
  if (typeof value === 'function') return ownConstraint(value as ConstraintFunction);
  if (isConstraint(value)) return value;
  if (typeof value !== 'string') throw optionError(name, 'name of a constraint, a constraint or a function', value);
  return restoreConstraint({ name: value, config: undefined }, name);
};

/** The saved form; ERR_OPTION when it is a function of the user's own. */
export function saveConstraint({ name, config }: Constraint, where: string): { name: string; config: unknown } {
  if (name === undefined) {
    throw new GradstepError('ERR_OPTION', `A constraint that is a function of your own cannot be saved (${where})`);
  }
  restoreConstraint({ name, config }, where);
  return { name, config };
}

/** The constraint of a saved form. */
export function restoreConstraint({ name, config }: { name: string; config: unknown }, where: string): Constraint {
  if (!Object.hasOwn(CONSTRAINTS, name)) throw unknownName('constraint', name, where, Object.keys(CONSTRAINTS));
  return CONSTRAINTS[name as ConstraintName](config as never);
}
