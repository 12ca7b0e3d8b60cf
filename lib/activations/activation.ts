/** What a layer's option `activation` may be: the name of an activation, or a function of a value. */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sameShape } from '../graph/shape.js';
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
  if (typeof value === 'function') return isKnown(value) ? value : ownActivation(value as Activation, name);
  if (typeof value !== 'string') throw optionError(name, 'name of an activation or a function', value);
  if (!Object.hasOwn(ACTIVATIONS, value)) throw unknownName('activation', value, name, Object.keys(ACTIVATIONS));
  return ACTIVATIONS[value as ActivationName];
};

/** Whether it is one of the library's: those are told by identity. */
function isKnown(activation: unknown): activation is Activation {
  return Object.values(ACTIVATIONS).includes(activation as never);
}

/** Wraps a user's own function; what it returns is checked when the layer is called. */
function ownActivation(compute: Activation, where: string): Activation {
  const activation: Activation = (x) => {
    const y: unknown = compute(x);
    if (!(y instanceof Value) || y.graph !== x.graph) throw optionError(`the result of ${where}`, 'value made from its input', y);
    if (y.dtype !== 'float32')
      throw new GradstepError('ERR_DTYPE', `Expected float32 for the result of ${where} but received ${y.dtype}`);
    if (!sameShape(y.shape, x.shape)) {
      const shapes = `shape ${formatShape(x.shape)} for the result of ${where} but received ${formatShape(y.shape)}`;
      throw new GradstepError('ERR_SHAPE', `Expected ${shapes}`);
    }
    return y;
  };
  return Object.defineProperty(activation, 'name', { value: compute.name });
}

/** The name to save an activation under; ERR_OPTION when it is a function of the user's. */
export function activationName(activation: Activation): ActivationName {
  for (const [name, known] of Object.entries(ACTIVATIONS)) if (known === activation) return name as ActivationName;
  throw new GradstepError(
    'ERR_OPTION',
    `An activation that is a function of your own (${activation.name || 'unnamed'}) cannot be saved`,
  );
}
