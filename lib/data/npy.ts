/**
 * NumPy's .npy files, versions 1 to 3: a magic number, a header that is a Python dictionary of type, order and shape, then the
 * numbers (NEP 1). Reading trusts nothing: the header is checked against the file before memory is taken.
 */
import { optionError } from '../errors.js';
import { sizeOf, type Shape } from '../graph/shape.js';
import { pathOf, reading, type ByteReader, type FileSource } from './bytes.js';
import { HOST_IS_BIG, isFileNumber, readNumbers, type FileNumber } from './numbers.js';
import { allocate, checkAttached, Tensor, type TensorData } from './tensor.js';
import { writeWhole } from './whole_file.js';

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** Largest header that is read; NumPy's own are under a kilobyte. */
const MAX_HEADER = 1 << 20;

const MAX_RANK = 32;

interface NpyHeader {
  readonly type: FileNumber;
  readonly isBig: boolean;
  readonly isFortran: boolean;
  readonly shape: Shape;
}

/** One entry of the dictionary, whose values are strings, booleans, tuples of integers, or lists (of fields). */
const ENTRY = /\s*(?:'([a-z_]+)'|"([a-z_]+)")\s*:\s*('[^']*'|"[^"]*"|True|False|\([\d\sL,]*\)|\[.*\])\s*(,|(?=\}))/sy;

function parseHeader(text: string, error: (what: string) => Error): NpyHeader {
  const dictionary = text.trim();
  const entries = new Map<string, string>();
  ENTRY.lastIndex = 1;
  let end = 1;
  for (let match; (match = ENTRY.exec(dictionary)); end = ENTRY.lastIndex) entries.set((match[1] ?? match[2])!, match[3]!);
  const isWhole = dictionary.startsWith('{') && dictionary.slice(end).trim() === '}';
  const [descr, order, shape] = ['descr', 'fortran_order', 'shape'].map((key) => entries.get(key));
  if (!isWhole || entries.size !== 3 || !descr || !shape?.startsWith('(') || (order !== 'True' && order !== 'False')) {
    throw error('has a header that is not one of an .npy file');
  }
  const [, , byteOrder = '', type = ''] = /^(["'])([<>|=])([a-z]\d+)\1$/.exec(descr) ?? [];
  if (!isFileNumber(type)) {
    throw error(`holds ${descr.slice(0, 40)}; only numbers and booleans of up to 8 bytes can be read`);
  }
  const sizes = [...shape.matchAll(/\d+/g)].map(([digits]) => Number(digits));
  if (
    !/^\(\s*(\d+L?\s*(,\s*\d+L?\s*)*,?\s*)?\)$/.test(shape) ||
    sizes.length > MAX_RANK ||
    !Number.isSafeInteger(sizeOf(sizes))
  ) {
    throw error(`has the shape ${shape.slice(0, 40)}`);
  }
  return { type, isBig: byteOrder === '>' || (byteOrder !== '<' && HOST_IS_BIG), isFortran: order === 'True', shape: sizes };
}

/** Reads one .npy file from where the reader stands to its end. */
export async function readNpy(reader: ByteReader): Promise<Tensor> {
  const prefix = await reader.begin(8);
  if (!prefix || !MAGIC.every((byte, i) => prefix[i] === byte)) throw reader.error('is not an .npy file');
  const version = prefix[6]!;
  if (version < 1 || version > 3) throw reader.error(`is an .npy file of version ${version}; versions 1 to 3 can be read`);
  const field = await reader.take(version === 1 ? 2 : 4);
  const length = field.reduceRight((sum, byte) => sum * 256 + byte, 0);
  if (length > MAX_HEADER) throw reader.error(`has a header of ${length} bytes; at most ${MAX_HEADER} are read`);
  const text = Buffer.from(await reader.take(length)).toString(version === 3 ? 'utf8' : 'latin1');
  const { type, isBig, isFortran, shape } = parseHeader(text, (what) => reader.error(what));
  const data = await readNumbers(reader, type, isBig, sizeOf(shape));
  await reader.end();
  return new Tensor(isFortran ? rowMajor(data, shape) : data, shape);
}

/** Numbers whose first axis varies fastest, in the order in which the last one does. */
function rowMajor(data: TensorData, shape: Shape): TensorData {
  if (shape.length < 2) return data;
  const out = allocate(new Tensor(data, [data.length]).dtype, data.length);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

const DESCR = { float32: 'f4', int32: 'i4', uint8: 'u1' } as const;

/** The bytes of an .npy file: its header, then its numbers. */
export function npyChunks({ data, dtype, shape }: Tensor): [header: Uint8Array, numbers: Uint8Array] {
  const order = dtype === 'uint8' ? '|' : HOST_IS_BIG ? '>' : '<';
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const dictionary = `{'descr': '${order}${DESCR[dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  // Magic, version and length take 10 bytes; the numbers begin at a multiple of 64.
  const length = Math.ceil((10 + dictionary.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.set([...MAGIC, 1, 0, length & 255, length >> 8]);
  header.write(dictionary, 10, 'latin1');
  header[header.length - 1] = 0x0a;
  return [header, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)];
}

export function tensorOption(value: unknown, name: string): Tensor {
  if (!(value instanceof Tensor)) throw optionError(name, 'tensor', value);
  checkAttached(value, name);
  return value;
}

/**
 * Reads an .npy file (also packed with gzip), or the bytes of one: floats as float32, bytes and booleans as uint8, other
 * integers as int32; row-major, whatever the file's order. ERR_FILE for a file that is not whole or not .npy; ERR_DTYPE where
 * int32 or float32 does not hold a number.
 */
export function npy(source: FileSource): Promise<Tensor> {
  return reading(source, 'data.npy', readNpy);
}

/** Writes a tensor as an .npy file of version 1, whole or not at all. ERR_FILE where that fails. */
export async function writeNpy(path: string | URL, tensor: Tensor): Promise<void> {
  await writeWhole(pathOf(path, 'data.writeNpy.path'), npyChunks(tensorOption(tensor, 'data.writeNpy.tensor')));
}
