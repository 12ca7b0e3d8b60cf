/** Weights between their block (gaps included) and tensors in Keras's order. */
import { rowShapeOf } from '../data/samples.js';
import { Tensor, tensor, type TensorLike } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { blockOffsets, type Member } from '../runtime/layout.js';

/** Copies each member out of a block. */
export function unpackBlock(members: readonly Member[], block: Float32Array): Tensor<Float32Array>[] {
  const { offsets } = blockOffsets(members);
  return members.map(({ shape }, i) => {
    const start = offsets[i]! / 4;
    return new Tensor(block.slice(start, start + sizeOf(shape)), shape);
  });
}

/** A block from values of each member; ERR_SHAPE or ERR_DTYPE naming the one that does not fit. */
export function packBlock(members: readonly Member[], values: readonly TensorLike[]): Float32Array {
  if (!Array.isArray(values)) throw optionError('weights', 'array of tensors', values);
  if (values.length !== members.length) {
    throw new GradstepError('ERR_SHAPE', `Expected ${members.length} weights but received ${values.length}`);
  }
  const { offsets, bytes } = blockOffsets(members);
  const block = new Float32Array(bytes / 4);
  members.forEach(({ name, shape }, i) => {
    const value = values[i] as TensorLike;
    const given = value instanceof Tensor ? value : tensor(value, rowShapeOf(value) ? undefined : shape);
    if (given.dtype !== 'float32')
      throw new GradstepError('ERR_DTYPE', `Expected float32 for ${name} but received ${given.dtype}`);
    if (!sameShape(given.shape, shape)) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected shape ${formatShape(shape)} for ${name} but received ${formatShape(given.shape)}`,
      );
    }
    block.set(given.data, offsets[i]! / 4);
  });
  return block;
}
