/** Optimizers by name: what `compile` takes as a string, and what saved models name. */
import { optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { adadelta, adagrad, adam, adamW, adamax, lion, nadam, rmsprop, sgd } from './index.js';
import type { Optimizer } from './optimizer.js';

const OPTIMIZERS = { sgd, rmsprop, adagrad, adadelta, adam, adamW, adamax, nadam, lion } as const;

export type OptimizerName = keyof typeof OPTIMIZERS;

/** Reads an optimizer given by name or made by a factory. */
export const optimizerOption: Check<Optimizer> = (value, name) => {
  if (typeof value === 'string') return restoreOptimizer({ name: value, config: {} }, name);
  if (typeof value === 'object' && value !== null && typeof (value as Partial<Optimizer>).apply === 'function')
    return value as Optimizer;
  throw optionError(name, 'name of an optimizer or an optimizer', value);
};

/** The optimizer of a saved form. */
export function restoreOptimizer(saved: { name: string; config: unknown }, where: string): Optimizer {
  if (!Object.hasOwn(OPTIMIZERS, saved.name)) throw unknownName('optimizer', saved.name, where, Object.keys(OPTIMIZERS));
  return OPTIMIZERS[saved.name as OptimizerName](saved.config as never);
}
