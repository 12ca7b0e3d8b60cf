/** tensor: host data, a typed array and a shape. Nothing to dispose; the array is not copied. */
import { GradstepError, optionError } from '../errors.js';
import type { DType } from '../graph/dtype.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { shape as shapeOption } from '../options.js';

/** Typed arrays that hold data. Bytes stay bytes on the device and are cast there, never scaled. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

/** Numbers in arrays in arrays: all of one length at each depth. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** What functions that take data accept. */
export type TensorLike = Tensor | TensorData | NestedNumbers;

/** A typed array with a shape, row-major. ERR_SHAPE unless the shape holds as many elements; ERR_DTYPE for other arrays. */
export class Tensor<D extends TensorData = TensorData> {
  constructor(
    readonly data: D,
    readonly shape: Shape,
  ) {
    if (!dtypeOf(data)) {
      const { message } = optionError('tensor.data', 'Float32Array, Int32Array or Uint8Array', data);
      throw new GradstepError('ERR_DTYPE', message);
    }
    if (sizeOf(shape) !== data.length) {
      const wanted = `${sizeOf(shape)} elements for a tensor of shape ${formatShape(shape)}`;
      throw new GradstepError('ERR_SHAPE', `Expected ${wanted} but received ${data.length}`);
    }
  }

  /** `float32`, `int32` or `uint8`, after the array. */
  get dtype(): Exclude<DType, 'float64'> {
    return dtypeOf(this.data)!;
  }

  /** Rows `begin` to `end` (exclusive) along the first axis, over the same memory. */
  rows(begin: number, end: number): Tensor<D> {
    const size = sizeOf(this.shape.slice(1));
    return new Tensor(this.data.subarray(begin * size, end * size) as D, [end - begin, ...this.shape.slice(1)]);
  }
}

export function dtypeOf(value: unknown): Exclude<DType, 'float64'> | undefined {
  if (value instanceof Float32Array) return 'float32';
  if (value instanceof Int32Array) return 'int32';
  return value instanceof Uint8Array ? 'uint8' : undefined;
}

/** Whether the memory behind an array has been taken away (transferred to a worker). */
export function isDetached(data: TensorData, length: number): boolean {
  return data.length !== length;
}

/**
 * Host data as a tensor. A typed array is used as it is, with `shape` or as one row of numbers; nested arrays become
 * float32. ERR_SHAPE when the shape does not hold as many elements, or nested arrays are ragged; ERR_DTYPE for any other
 * kind of data.
 */
export function tensor<D extends TensorData>(data: D, shape?: readonly number[]): Tensor<D>;
export function tensor(data: NestedNumbers, shape?: readonly number[]): Tensor<Float32Array>;
export function tensor(data: TensorData | NestedNumbers, shape?: readonly number[]): Tensor;
export function tensor(data: TensorData | NestedNumbers, shape?: readonly number[]): Tensor {
  const made = dtypeOf(data) ? new Tensor(data as TensorData, [(data as TensorData).length]) : fromNested(data as NestedNumbers);
  if (shape === undefined) return made;
  return new Tensor(made.data, shapeOption(shape, 'tensor.shape'));
}

function fromNested(data: NestedNumbers): Tensor<Float32Array> {
  if (!Array.isArray(data)) {
    const error = optionError('tensor.data', 'Float32Array, Int32Array, Uint8Array or nested arrays of numbers', data);
    throw new GradstepError('ERR_DTYPE', error.message);
  }
  const shape: number[] = [];
  for (let at: unknown = data; Array.isArray(at); at = at[0]) {
    if (at.length === 0)
      throw new GradstepError('ERR_SHAPE', 'Expected at least one element in each nested array but received an empty one');
    shape.push(at.length);
  }
  const values = new Float32Array(sizeOf(shape));
  let next = 0;
  const fill = (part: unknown, depth: number, path: string): void => {
    if (depth === shape.length) {
      if (Array.isArray(part))
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected a number at data${path} but received an array: nested arrays must not be ragged`,
        );
      if (typeof part !== 'number') throw new GradstepError('ERR_DTYPE', optionError(`data${path}`, 'number', part).message);
      values[next++] = part;
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[depth]) {
      const received = Array.isArray(part) ? `${part.length}` : 'a number';
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected ${shape[depth]} elements at data${path} but received ${received}: nested arrays must not be ragged`,
      );
    }
    part.forEach((p, i) => fill(p, depth + 1, `${path}[${i}]`));
  };
  fill(data, 0, '');
  return new Tensor(values, shape);
}
