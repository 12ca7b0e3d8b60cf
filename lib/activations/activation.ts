/** What a layer's option `activation` may be: the name of an activation, or a function of a value. */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { unknownName, type Check } from '../options.js';
import {
  elu,
  exponential,
  gelu,
  hardSigmoid,
  leakyRelu,
  linear,
  logSoftmax,
  mish,
  relu,
  relu6,
  selu,
  sigmoid,
  silu,
  softmax,
  softplus,
  softsign,
  tanh,
} from './index.js';

/** A function applied to a layer's result [rows, …]; the shape stays. */
export type Activation = (x: Value) => Value;

/** By name; of two names for one function, models are saved with the first. */
const ACTIVATIONS = {
  linear,
  relu,
  relu6,
  leakyRelu,
  elu,
  selu,
  gelu,
  silu,
  swish: silu,
  mish,
  sigmoid,
  hardSigmoid,
  tanh,
  softplus,
  softsign,
  softmax,
  logSoftmax,
  exponential,
} as const;

export type ActivationName = keyof typeof ACTIVATIONS;

/** Reads an activation given by name or as a function. */
export const activationOption: Check<Activation> = (value, name) => {
  if (typeof value === 'function') return value as Activation;
  if (typeof value !== 'string') throw optionError(name, 'name of an activation or a function', value);
  if (!Object.hasOwn(ACTIVATIONS, value)) throw unknownName('activation', value, name, Object.keys(ACTIVATIONS));
  return ACTIVATIONS[value as ActivationName];
};

/** The name to save an activation under; ERR_OPTION when it is a function of the user's. */
export function activationName(activation: Activation): ActivationName {
  for (const [name, known] of Object.entries(ACTIVATIONS)) if (known === activation) return name as ActivationName;
  throw new GradstepError(
    'ERR_OPTION',
    `An activation that is a function of your own (${activation.name || 'unnamed'}) cannot be saved`,
  );
}
