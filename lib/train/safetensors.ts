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

/** A tensor's place in a file. */
export interface Entry {
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
  if (dtype !== 'F32') throw bad(`of dtype ${JSON.stringify(dtype)}; only F32 is known here`);
  if (!Array.isArray(shape) || shape.length > 32 || !shape.every(isCount)) throw bad('whose shape is not an array of sizes');
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    throw bad('whose data_offsets are not a pair of offsets');
  const [begin, end] = offsets as [number, number];
  if (begin > end || start + end > fileSize)
    throw bad(`at ${begin}…${end}, outside the file's ${fileSize - start} bytes of data`);
  if (4 * sizeOf(shape as number[]) !== end - begin)
    throw bad(`whose shape [${shape.join(', ')}] does not take ${end - begin} bytes`);
  return { shape: shape as number[], begin: start + begin, end: start + end };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Reads one tensor. */
export async function readTensor(file: FileHandle, path: string, { shape, begin, end }: Entry): Promise<Tensor<Float32Array>> {
  const data = new Float32Array((end - begin) / 4);
  await readExactly(file, path, new Uint8Array(data.buffer), begin);
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
