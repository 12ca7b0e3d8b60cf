/** Weights as tensors in Keras's order. */
import { dtypeOf, Tensor, tensorOf, type TensorLike } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../graph/shape.js';

interface Named {
  readonly name: string;
  readonly shape: Shape;
}

/** The numbers of each weight as a tensor. */
export function weightTensors(weights: readonly Named[], values: readonly Float32Array[]): Tensor<Float32Array>[] {
  return weights.map(({ shape }, i) => new Tensor(values[i]!, shape));
}

/** Copies of the numbers given for each weight; ERR_SHAPE or ERR_DTYPE naming the one that does not fit. */
export function weightValues(weights: readonly Named[], values: readonly TensorLike[]): Float32Array[] {
  if (!Array.isArray(values)) throw optionError('weights', 'array of tensors', values);
  if (values.length !== weights.length) {
    throw new GradstepError('ERR_SHAPE', `Expected ${weights.length} weights but received ${values.length}`);
  }
  return weights.map((weight, i) => weightValue(weight, values[i] as TensorLike));
}

/** A copy of the numbers given for a weight. */
export function weightValue({ name, shape }: Named, value: TensorLike): Float32Array {
  const own = tensorOf(value, name);
  const given = dtypeOf(value) && sizeOf(shape) === own.data.length ? new Tensor(own.data, shape) : own;
  if (given.dtype !== 'float32') throw new GradstepError('ERR_DTYPE', `Expected float32 for ${name} but received ${given.dtype}`);
  if (!sameShape(given.shape, shape)) {
    const shapes = `${formatShape(shape)} for ${name} but received ${formatShape(given.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected shape ${shapes}`);
  }
  return Float32Array.from(given.data);
}
