/** tensor: host data, a typed array and a shape. Nothing to dispose; the array is not copied. */
import { describeValue, GradstepError, optionError } from '../errors.js';
import type { DType } from '../graph/dtype.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { integer, oneOf } from '../options.js';

/** Typed arrays that hold data. Bytes stay bytes on the device and are cast there, never scaled. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

/** Typed arrays whose numbers are copied: into float32, or int32 where they are whole (of clamped bytes the memory is used as it is). */
export type OtherNumbers = Float64Array | Int8Array | Int16Array | Uint16Array | Uint32Array | Uint8ClampedArray;

/** Numbers in arrays in arrays: all of one length at each depth. */
export type NestedNumbers = readonly number[] | readonly NestedNumbers[];

/** Element types that host data may have. */
export type DataType = Exclude<DType, 'float64' | 'bfloat16'>;

/** The typed array of each of them. */
interface ArrayOf {
  float32: Float32Array;
  int32: Int32Array;
  uint8: Uint8Array;
}

/** What functions that take data accept. */
export type TensorLike = Tensor | TensorData | OtherNumbers | NestedNumbers;

/** A typed array with a shape, row-major. ERR_SHAPE unless the shape holds as many elements; ERR_DTYPE for other arrays. */
export class Tensor<D extends TensorData = TensorData> {
  readonly data: D;

  constructor(
    data: D,
    readonly shape: Shape,
  ) {
    const dtype = dtypeOf(data);
    if (!dtype) {
      const { message } = optionError('tensor.data', 'Float32Array, Int32Array or Uint8Array', data);
      throw new GradstepError('ERR_DTYPE', message);
    }
    this.data = ofThisRealm(data, dtype) as D;
    if (!Array.isArray(shape) || !shape.every((d) => Number.isInteger(d) && d >= 0)) {
      throw optionError('tensor.shape', 'array of integers >= 0', shape);
    }
    if (sizeOf(shape) !== data.length) {
      const wanted = `${sizeOf(shape)} elements for a tensor of shape ${formatShape(shape)}`;
      throw new GradstepError('ERR_SHAPE', `Expected ${wanted} but received ${data.length}`);
    }
  }

  /** `float32`, `int32` or `uint8`, after the array. */
  get dtype(): DataType {
    return dtypeOf(this.data)!;
  }

  /** Rows `begin` to `end` (exclusive) along the first axis, over the same memory. ERR_OPTION where there are no such rows. */
  rows(begin: number, end: number): Tensor<D> {
    const [count, ...row] = this.shape;
    if (count === undefined) throw new GradstepError('ERR_SHAPE', 'Expected rows for tensor.rows but received a single number');
    integer(0, count)(end, 'tensor.rows.end');
    integer(0, end)(begin, 'tensor.rows.begin');
    checkAttached(this, 'the tensor');
    const size = sizeOf(row);
    return new Tensor(this.data.subarray(begin * size, end * size) as D, [end - begin, ...row]);
  }

  /** The elements as arrays in arrays, one depth for each axis; a tensor of no axes is a number. */
  toArray(): number | NestedNumbers {
    checkAttached(this, 'the tensor');
    return nest(this.data, this.shape, 0, 0);
  }
}

/** The part of nested arrays at a depth that begins at an element. */
function nest(data: TensorData, shape: Shape, depth: number, begin: number): number | NestedNumbers {
  if (depth === shape.length) return data[begin]!;
  const size = sizeOf(shape.slice(depth + 1));
  if (depth === shape.length - 1) return Array.from(data.subarray(begin, begin + shape[depth]!));
  return Array.from({ length: shape[depth]! }, (_, i) => nest(data, shape, depth + 1, begin + i * size)) as NestedNumbers[];
}

const ARRAYS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };
const TYPES: Readonly<Record<string, DataType>> = {
  Float32Array: 'float32',
  Float64Array: 'float32',
  Int8Array: 'int32',
  Int16Array: 'int32',
  Int32Array: 'int32',
  Uint16Array: 'int32',
  Uint32Array: 'int32',
  Uint8Array: 'uint8',
  Uint8ClampedArray: 'uint8',
};

/** The name of a typed array's kind, of whichever realm it is; undefined of anything else. */
const kindOf = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get as (
  this: unknown,
) => string | undefined;

/**
 * The type that the numbers of a typed array have as data, also of one that another realm has made: of a test's context, of
 * `structuredClone` beside it.
 */
export function dtypeOf(value: unknown): DataType | undefined {
  return TYPES[kindOf.call(value) ?? ''];
}

/** The array; one of this realm over the same memory where it holds such numbers; else a copy. ERR_DTYPE where int32 does not hold one. */
function ofThisRealm(data: TensorData | OtherNumbers, dtype: DataType): TensorData {
  const Own = ARRAYS[dtype];
  if (data instanceof Own) return data;
  const { buffer, byteOffset, length } = data as OtherNumbers;
  const kind = kindOf.call(data);
  if (kind === Own.name || kind === 'Uint8ClampedArray') return new Own(buffer as ArrayBuffer, byteOffset, length);
  if (isGone(data)) throw goneError('data');
  const copy = Own.from(data as ArrayLike<number>);
  const lost = dtype === 'int32' ? copy.findIndex((v, i) => v !== data[i]) : -1;
  if (lost < 0) return copy;
  throw new GradstepError('ERR_DTYPE', `Expected numbers that int32 holds but received ${data[lost]} at element ${lost} of data`);
}

/** Whether the memory behind an array has been taken away, of which nothing else tells how long it was. */
function isGone({ length, buffer }: TensorData | OtherNumbers): boolean {
  if (length > 0) return false;
  try {
    void new Uint8Array(buffer);
    return false;
  } catch {
    return true;
  }
}

/** Whether the memory behind an array has been taken away (transferred to a worker). */
export function isDetached(data: TensorData, length: number): boolean {
  return data.length !== length;
}

const goneError = (what: string): GradstepError =>
  new GradstepError('ERR_OPTION', `The memory of ${what} was transferred elsewhere`);

/** ERR_OPTION where the memory behind a tensor has been taken away since it was made. */
export function checkAttached({ data, shape }: Tensor, what: string): void {
  if (isDetached(data, sizeOf(shape))) throw goneError(what);
}

/**
 * Host data as a tensor. A Float32Array, Int32Array or Uint8Array is used as it is, with `shape` or as one row of numbers; other typed
 * arrays are copied into float32, or int32 where they hold whole numbers; numbers and nested arrays into float32, or `dtype`.
 * ERR_SHAPE when the shape does not hold as many elements, or nested arrays are ragged; ERR_DTYPE for any other kind of data, for
 * numbers that the type does not hold, and for a typed array of another `dtype`.
 */
export function tensor<D extends TensorData>(data: D, shape?: readonly number[], dtype?: DataType): Tensor<D>;
export function tensor(
  data: number | Float64Array | NestedNumbers,
  shape?: readonly number[],
  dtype?: 'float32',
): Tensor<Float32Array>;
export function tensor<T extends DataType>(
  data: number | NestedNumbers,
  shape: readonly number[] | undefined,
  dtype: T,
): Tensor<ArrayOf[T]>;
export function tensor(
  data: number | TensorData | OtherNumbers | NestedNumbers,
  shape?: readonly number[],
  dtype?: DataType,
): Tensor;
export function tensor(
  data: number | TensorData | OtherNumbers | NestedNumbers,
  shape?: readonly number[],
  dtype?: DataType,
): Tensor {
  const wanted = dtype === undefined ? undefined : dataType(dtype, 'tensor.dtype');
  const given = dtypeOf(data);
  if (given && wanted && given !== wanted) {
    throw new GradstepError('ERR_DTYPE', `Expected an array of ${wanted} for tensor.data but received ${given}`);
  }
  const made = given
    ? new Tensor(data as TensorData, [(data as TensorData).length])
    : fromNested(data as number | NestedNumbers, wanted ?? 'float32');
  if (shape === undefined) return made;
  return new Tensor(made.data, Array.isArray(shape) ? [...shape] : shape);
}

/**
 * What stands for a tensor as one: a tensor itself, a typed array as one row of numbers, numbers and nested arrays as float32, or
 * `dtype`. Errors name the whole `name`: ERR_DTYPE where it is no data, ERR_OPTION where its memory has been taken away.
 */
export function tensorOf(value: TensorLike | number, name: string, dtype: DataType = 'float32'): Tensor {
  if (value instanceof Tensor) {
    checkAttached(value, name);
    return value;
  }
  if (dtypeOf(value)) {
    const data = value as TensorData;
    if (isGone(data)) throw goneError(name);
    return new Tensor(data, [data.length]);
  }
  if (Array.isArray(value) || typeof value === 'number') return fromNested(value as NestedNumbers | number, dtype, name);
  throw new GradstepError('ERR_DTYPE', optionError(name, 'tensor, typed array or nested arrays of numbers', value).message);
}

const dataType = oneOf(['float32', 'int32', 'uint8']);

/** A zeroed array of a type. */
export function allocate(dtype: 'float32', length: number): Float32Array<ArrayBuffer>;
export function allocate(dtype: DataType, length: number): TensorData;
export function allocate(dtype: DataType, length: number): TensorData {
  try {
    return new ARRAYS[dtype](length);
  } catch (error) {
    throw new GradstepError('ERR_OOM', `Out of memory: an array of ${length} numbers was wanted (${dtype})`, { cause: error });
  }
}

/** The most depths of nested arrays, as in NumPy: an array that holds itself would have no end. */
const MAX_DEPTH = 64;

/** Nested arrays, the first of them, its first, and so on; ERR_SHAPE where that goes too deep. */
export function firstArrays(data: unknown): readonly (readonly unknown[])[] {
  const arrays: (readonly unknown[])[] = [];
  for (let at = data; Array.isArray(at); at = at[0]) {
    if (arrays.length === MAX_DEPTH)
      throw new GradstepError('ERR_SHAPE', `Expected nested arrays of at most ${MAX_DEPTH} depths but received deeper ones`);
    arrays.push(at);
  }
  return arrays;
}

/** The sizes at each depth along the first elements of nested arrays. */
function nestedShape(data: NestedNumbers | number): number[] {
  return firstArrays(data).map(({ length }) => {
    if (length > 0) return length;
    throw new GradstepError('ERR_SHAPE', 'Expected at least one element in each nested array but received an empty one');
  });
}

/** A number or nested arrays as a tensor; errors name what is wrong `name[i][j]`. */
export function fromNested(data: NestedNumbers | number, dtype: DataType, name = 'data'): Tensor {
  if (!Array.isArray(data) && typeof data !== 'number') {
    const error = optionError('tensor.data', 'Float32Array, Int32Array, Uint8Array or nested arrays of numbers', data);
    throw new GradstepError('ERR_DTYPE', error.message);
  }
  const shape = nestedShape(data);
  const values = allocate(dtype, sizeOf(shape));
  const path: number[] = [];
  const where = () => `${name}${path.map((i) => `[${i}]`).join('')}`;
  let next = 0;
  const fill = (part: unknown, depth: number): void => {
    if (depth === shape.length) {
      if (Array.isArray(part))
        throw new GradstepError(
          'ERR_SHAPE',
          `Expected a number at ${where()} but received an array: nested arrays must not be ragged`,
        );
      if (typeof part !== 'number') throw new GradstepError('ERR_DTYPE', optionError(where(), 'number', part).message);
      values[next] = part;
      if (dtype !== 'float32' && values[next] !== part)
        throw new GradstepError('ERR_DTYPE', optionError(where(), `integer that ${dtype} holds`, part).message);
      next++;
      return;
    }
    if (!Array.isArray(part) || part.length !== shape[depth]) {
      const received = Array.isArray(part) ? `${part.length}` : typeof part === 'number' ? 'a number' : describeValue(part);
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected ${shape[depth]} elements at ${where()} but received ${received}: nested arrays must not be ragged`,
      );
    }
    for (let i = 0; i < part.length; i++) {
      path[depth] = i;
      path.length = depth + 1;
      fill(part[i], depth + 1);
    }
    path.length = depth;
  };
  fill(data, 0);
  return new Tensor(values, shape);
}
