/** Losses by name: what `compile` takes as a string, and what saved models name. */
import { optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import {
  binaryCrossentropy,
  binaryFocalCrossentropy,
  categoricalCrossentropy,
  categoricalFocalCrossentropy,
  categoricalHinge,
  cosineSimilarity,
  hinge,
  huber,
  kullbackLeiblerDivergence,
  logCosh,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredError,
  meanSquaredLogarithmicError,
  poisson,
  sparseCategoricalCrossentropy,
  squaredHinge,
} from './index.js';
import { ownLoss, type Loss, type LossFunction } from './loss.js';

const LOSSES = {
  meanSquaredError,
  meanAbsoluteError,
  meanAbsolutePercentageError,
  meanSquaredLogarithmicError,
  huber,
  logCosh,
  binaryCrossentropy,
  categoricalCrossentropy,
  sparseCategoricalCrossentropy,
  binaryFocalCrossentropy,
  categoricalFocalCrossentropy,
  hinge,
  squaredHinge,
  categoricalHinge,
  kullbackLeiblerDivergence,
  poisson,
  cosineSimilarity,
} as const;

/** Keras's short names. A loss is saved under its long one. */
const ALIASES = {
  mse: meanSquaredError,
  mae: meanAbsoluteError,
  mape: meanAbsolutePercentageError,
  msle: meanSquaredLogarithmicError,
  bce: binaryCrossentropy,
  kld: kullbackLeiblerDivergence,
} as const;

const KNOWN = { ...LOSSES, ...ALIASES };

export type LossName = keyof typeof KNOWN;

/** Reads a loss given by name, made by a factory, or written as a function. */
export const lossOption: Check<Loss> = (value, name) => {
  if (typeof value === 'function') return ownLoss(value as LossFunction);
  if (typeof value === 'string') return restoreLoss({ name: value, config: {} }, name);
  if (typeof value === 'object' && value !== null && typeof (value as Partial<Loss>).perPosition === 'function')
    return value as Loss;
  throw optionError(name, 'name of a loss, a loss or a function', value);
};

/** The loss of a saved form. */
export function restoreLoss(saved: { name: string; config: unknown }, where: string): Loss {
  if (!Object.hasOwn(KNOWN, saved.name)) throw unknownName('loss', saved.name, where, Object.keys(KNOWN));
  return KNOWN[saved.name as LossName](saved.config as never);
}
