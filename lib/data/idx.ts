/**
 * IDX files, the format of MNIST: two zero bytes, a type, a number of axes, their sizes as big-endian 32-bit integers, then the
 * numbers, big-endian.
 */
import { sizeOf } from '../graph/shape.js';
import { reading, type FileSource } from './bytes.js';
import { readNumbers, type FileNumber } from './numbers.js';
import { Tensor } from './tensor.js';

const TYPES: Readonly<Record<number, FileNumber>> = { 0x08: 'u1', 0x09: 'i1', 0x0b: 'i2', 0x0c: 'i4', 0x0d: 'f4', 0x0e: 'f8' };

/**
 * Reads an IDX file (also packed with gzip), or the bytes of one: bytes as uint8, other integers as int32, floats as float32.
 * ERR_FILE for a file that is not whole or not IDX; ERR_DTYPE where float32 does not hold a number.
 */
export function idx(source: FileSource): Promise<Tensor> {
  return reading(source, 'data.idx', async (reader) => {
    const magic = await reader.begin(4);
    const type = magic && TYPES[magic[2]!];
    if (!magic || magic[0] !== 0 || magic[1] !== 0 || type === undefined) throw reader.error('is not an IDX file');
    const sizes = await reader.take(4 * magic[3]!);
    const view = new DataView(sizes.buffer);
    const shape = Array.from({ length: magic[3]! }, (_, axis) => view.getUint32(4 * axis));
    const count = sizeOf(shape);
    if (!Number.isSafeInteger(count)) throw reader.error(`has the shape [${shape.join(', ')}]`);
    const data = await readNumbers(reader, type, true, count);
    await reader.end();
    return new Tensor(data, shape);
  });
}
