/** Numbers of any type and byte order in a file, as one of the types that tensors have; nothing is changed silently. */
import { endianness } from 'node:os';
import { GradstepError } from '../errors.js';
import type { ByteReader } from './bytes.js';
import { allocate, type DataType, type TensorData } from './tensor.js';

/** Types of numbers in files: kind (float, signed, unsigned, bool) and bytes, as NumPy writes them. */
export type FileNumber = 'f2' | 'f4' | 'f8' | 'i1' | 'i2' | 'i4' | 'i8' | 'u1' | 'u2' | 'u4' | 'u8' | 'b1';

type Numbers = Int8Array | Int16Array | Uint16Array | Uint32Array | Float64Array | BigInt64Array | BigUint64Array | TensorData;

interface NumberType {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly dtype: DataType;
  /** The bytes as numbers of the file's type. */
  readonly view: (buffer: ArrayBuffer) => Numbers;
}

const TYPES: Readonly<Record<FileNumber, NumberType>> = {
  f2: { bytes: 2, dtype: 'float32', view: (b) => Float32Array.from(new Uint16Array(b), halfToNumber) },
  f4: { bytes: 4, dtype: 'float32', view: (b) => new Float32Array(b) },
  f8: { bytes: 8, dtype: 'float32', view: (b) => new Float64Array(b) },
  i1: { bytes: 1, dtype: 'int32', view: (b) => new Int8Array(b) },
  i2: { bytes: 2, dtype: 'int32', view: (b) => new Int16Array(b) },
  i4: { bytes: 4, dtype: 'int32', view: (b) => new Int32Array(b) },
  i8: { bytes: 8, dtype: 'int32', view: (b) => new BigInt64Array(b) },
  u1: { bytes: 1, dtype: 'uint8', view: (b) => new Uint8Array(b) },
  u2: { bytes: 2, dtype: 'int32', view: (b) => new Uint16Array(b) },
  u4: { bytes: 4, dtype: 'int32', view: (b) => new Uint32Array(b) },
  u8: { bytes: 8, dtype: 'int32', view: (b) => new BigUint64Array(b) },
  b1: { bytes: 1, dtype: 'uint8', view: (b) => new Uint8Array(b).map((v) => Number(v !== 0)) },
};

/** Numbers converted between two reads. */
const CHUNK = 1 << 16;

export const HOST_IS_BIG = endianness() === 'BE';

export function isFileNumber(name: string): name is FileNumber {
  return Object.hasOwn(TYPES, name);
}

/** IEEE 754 half precision: 1 sign bit, 5 of exponent, 10 of mantissa. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + mantissa / 1024) : 2 ** -14 * (mantissa / 1024));
}

function swap(bytes: Uint8Array, size: 1 | 2 | 4 | 8): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}

/** Reads so many numbers: floats as float32, u1 and bools as uint8, the rest as int32; ERR_DTYPE where one does not fit. */
export async function readNumbers(reader: ByteReader, type: FileNumber, isBig: boolean, count: number): Promise<TensorData> {
  const { bytes, dtype, view } = TYPES[type];
  reader.expect(count * bytes);
  const out = allocate(dtype, count);
  for (let at = 0; at < count; at += CHUNK) {
    const chunk = new Uint8Array(Math.min(CHUNK, count - at) * bytes);
    await reader.fill(chunk);
    if (isBig !== HOST_IS_BIG) swap(chunk, bytes);
    convert(view(chunk.buffer), out, at, reader.name);
  }
  return out;
}

/** Copies numbers into `out` from `at` on. */
function convert(values: Numbers, out: TensorData, at: number, name: string): void {
  if (values instanceof BigInt64Array || values instanceof BigUint64Array) {
    values.forEach((value, i) => {
      if (value > 2147483647n || value < -2147483648n) throw doesNotFit(value, at + i, 'int32', name);
      out[at + i] = Number(value);
    });
    return;
  }
  out.set(values, at);
  if (values instanceof Uint32Array) {
    const large = values.findIndex((value) => value > 2147483647);
    if (large >= 0) throw doesNotFit(values[large]!, at + large, 'int32', name);
  } else if (values instanceof Float64Array) {
    const large = values.findIndex((value, i) => Number.isFinite(value) && !Number.isFinite(out[at + i]));
    if (large >= 0) throw doesNotFit(values[large]!, at + large, 'float32', name);
  }
}

function doesNotFit(value: number | bigint, index: number, dtype: DataType, name: string): GradstepError {
  return new GradstepError('ERR_DTYPE', `${name} holds ${value} at element ${index}, which ${dtype} does not hold`);
}
