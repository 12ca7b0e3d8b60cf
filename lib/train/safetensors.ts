/**
 * The safetensors file format: 8 bytes of header length (little-endian), a JSON header that names each tensor with its
 * dtype, shape and place, then the tensors' bytes, row-major. Reading trusts nothing: every claim of the header is
 * checked against the file before anything is allocated for it.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { fileError } from '../data/bytes.js';
import { Tensor } from '../data/tensor.js';
import { writeWhole } from '../data/whole_file.js';
import { GradstepError } from '../errors.js';
import { sizeOf, type Shape } from '../graph/shape.js';

/** Largest header that is read: what the format's own library accepts. */
const MAX_HEADER = 100_000_000;

/** Bytes read at once. */
const CHUNK = 4 << 20;

/** Bytes of an element of each type that the format has. */
const BYTES: Readonly<Record<string, number>> = {
  ...{ F64: 8, F32: 4, F16: 2, BF16: 2, F8_E4M3: 1, F8_E5M2: 1 },
  ...{ I64: 8, I32: 4, I16: 2, I8: 1, U64: 8, U32: 4, U16: 2, U8: 1, BOOL: 1 },
};

/** A tensor's place in a file. */
export interface Entry {
  readonly dtype: string;
  readonly shape: Shape;
  /** Byte offsets in the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, Entry>;
}

/** Opens a file for reading and runs `body`; failures of the file system become ERR_FILE. */
export async function readingFile<T>(path: string, body: (file: FileHandle) => Promise<T>): Promise<T> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    return await body(file);
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw fileError(path, `cannot be read: ${(error as Error).message}`, error);
  } finally {
    await file?.close();
  }
}

async function readExactly(file: FileHandle, path: string, into: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < into.length;) {
    const { bytesRead } = await file.read(into, at, Math.min(CHUNK, into.length - at), position + at);
    if (bytesRead === 0) throw fileError(path, `ends after ${position + at} bytes, in the middle of its data`);
    at += bytesRead;
  }
}

/** Reads and checks the header. */
export async function readHeader(file: FileHandle, path: string): Promise<SafetensorsHeader> {
  const stat = await file.stat();
  if (!stat.isFile()) throw fileError(path, 'is not a file');
  if (stat.size < 8) throw fileError(path, `is not a safetensors file: it has ${stat.size} bytes`);
  const prefix = new Uint8Array(8);
  await readExactly(file, path, prefix, 0);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || length > BigInt(stat.size - 8)) {
    throw fileError(path, `is not a whole safetensors file: its header would take ${length} bytes of ${stat.size}`);
  }
  const bytes = new Uint8Array(Number(length));
  await readExactly(file, path, bytes, 8);
  return parseHeader(bytes, stat.size, path);
}

function parseHeader(bytes: Uint8Array, fileSize: number, path: string): SafetensorsHeader {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw fileError(path, `has a header that is not JSON: ${(error as Error).message}`, error);
  }
  if (!isObject(json)) throw fileError(path, 'has a header that is not a JSON object');
  const start = 8 + bytes.length;
  const metadata = new Map<string, string>();
  const tensors = new Map<string, Entry>();
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') {
      if (!isObject(value)) throw fileError(path, 'has metadata that is not a JSON object');
      for (const [key, text] of Object.entries(value)) {
        if (typeof text !== 'string') throw fileError(path, `has metadata ${JSON.stringify(key)} that is not a string`);
        metadata.set(key, text);
      }
    } else {
      tensors.set(name, parseEntry(name, value, start, fileSize, path));
    }
  }
  // The tensors tile the rest of the file: no gap, no overlap, nothing behind them.
  let at = start;
  for (const [name, { begin, end }] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      throw fileError(
        path,
        `has a ${begin < at ? 'tensor that overlaps another' : 'gap before a tensor'}: ${JSON.stringify(name)}`,
      );
    at = end;
  }
  if (at !== fileSize) throw fileError(path, `has ${fileSize - at} bytes that belong to no tensor`);
  return { metadata, tensors };
}

function parseEntry(name: string, value: unknown, start: number, fileSize: number, path: string): Entry {
  const bad = (what: string) => fileError(path, `has a tensor ${JSON.stringify(name)} ${what}`);
  if (!isObject(value)) throw bad('that is not a JSON object');
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(BYTES, dtype)) throw bad(`of dtype ${JSON.stringify(dtype)}, which is none`);
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every(isCount)) throw bad('whose shape is not an array of sizes');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw bad('whose data_offsets are not a pair of offsets');
  const [begin, end] = offsets as [number, number];
  if (begin > end || start + end > fileSize)
    throw bad(`at ${begin}…${end}, outside the file's ${fileSize - start} bytes of data`);
  if (BYTES[dtype]! * sizeOf(shape as number[]) !== end - begin)
    throw bad(`whose shape [${shape.join(', ')}] does not take ${end - begin} bytes`);
  return { dtype, shape: shape as number[], begin: start + begin, end: start + end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A half (IEEE 754 binary16) by its bits. */
function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const size =
    exponent === 0 ? fraction * 2 ** -24 : exponent < 31 ? (1024 + fraction) * 2 ** (exponent - 25) : fraction ? NaN : Infinity;
  return bits & 0x8000 ? -size : size;
}

/** Floats of other sizes as float32. */
function toFloat32(dtype: string, bytes: Uint8Array<ArrayBuffer>): Float32Array<ArrayBuffer> | undefined {
  const { buffer } = bytes;
  if (dtype === 'F32') return new Float32Array(buffer);
  if (dtype === 'F64') return Float32Array.from(new Float64Array(buffer));
  if (dtype === 'F16') return Float32Array.from(new Uint16Array(buffer), half);
  // The upper half of a float32.
  if (dtype === 'BF16') return new Float32Array(Uint32Array.from(new Uint16Array(buffer), (bits) => bits * 0x10000).buffer);
  return undefined;
}

/** Reads one tensor, of floats of any size. */
export async function readTensor(
  file: FileHandle,
  path: string,
  { dtype, shape, begin, end }: Entry,
  name: string,
): Promise<Tensor<Float32Array>> {
  const bytes = new Uint8Array(new ArrayBuffer(end - begin));
  await readExactly(file, path, bytes, begin);
  const data = toFloat32(dtype, bytes);
  if (!data) throw fileError(path, `has a tensor ${JSON.stringify(name)} of dtype ${dtype}; weights are F32, F64, F16 or BF16`);
  return new Tensor(data, shape);
}

/** Writes a file, whole or not at all. */
export async function writeSafetensors(
  path: string,
  metadata: Readonly<Record<string, string>>,
  tensors: ReadonlyMap<string, Tensor<Float32Array>>,
): Promise<void> {
  const parts = [...tensors.values()].map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  await writeWhole(path, [headerBytes(metadata, tensors), ...parts]);
}

/** Length and JSON, padded with spaces so that the tensors begin at a multiple of 8. */
function headerBytes(metadata: Readonly<Record<string, string>>, tensors: ReadonlyMap<string, Tensor<Float32Array>>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let at = 0;
  for (const [name, { data, shape }] of tensors) {
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + data.byteLength] };
    at += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(json, 8);
  return bytes;
}
