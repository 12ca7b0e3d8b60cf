/** Optimizers by name: what `compile` takes as a string, and what saved models name. */
import { optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { isSavedSchedule, restoreSchedule, saveSchedule } from '../schedules/registry.js';
import { isSchedule } from '../schedules/schedule.js';
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

/** An optimizer in saved form. */
export interface SavedOptimizer {
  name: string;
  config: unknown;
}

/** The saved form, a schedule within it in its own; ERR_OPTION when it is none of these. */
export function saveOptimizer({ name, config }: Optimizer, where: string): SavedOptimizer {
  const saved = Object.entries(config).map(([key, value]): [string, unknown] => [
    key,
    isSchedule(value) ? saveSchedule(value, `${where}.${key}`) : value,
  ]);
  const form = { name, config: Object.fromEntries(saved) };
  restoreOptimizer(form, where);
  return form;
}

/** The optimizer of a saved form. */
export function restoreOptimizer({ name, config }: SavedOptimizer, where: string): Optimizer {
  if (!Object.hasOwn(OPTIMIZERS, name)) throw unknownName('optimizer', name, where, Object.keys(OPTIMIZERS));
  const make = OPTIMIZERS[name as OptimizerName];
  if (typeof config !== 'object' || config === null || !Object.hasOwn(config, 'learningRate')) return make(config as never);
  const { learningRate } = config as { learningRate: unknown };
  if (!isSavedSchedule(learningRate)) return make(config as never);
  return make({ ...config, learningRate: restoreSchedule(learningRate, `${where}.learningRate`) } as never);
}
