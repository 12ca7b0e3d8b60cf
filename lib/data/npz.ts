/** NumPy's .npz files: ZIP archives of .npy files, stored or deflated. Sizes and checksums are checked. */
import { Readable } from 'node:stream';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { GradstepError, optionError } from '../errors.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { ByteReader, fileError, MOST_INFLATED, pathOf, type FileSource } from './bytes.js';
import { npyChunks, readNpy, tensorOption } from './npy.js';
import { isRecord } from './structure.js';
import type { Tensor } from './tensor.js';
import { writeWhole } from './whole_file.js';

export interface WriteNpzOptions {
  /** Whether the arrays are deflated. Default false. */
  compress?: boolean;
}

const schema = { compress: optional(boolean, false) } satisfies SchemaOf<WriteNpzOptions>;

/** The time that archives give their files, so that the same arrays make the same bytes. */
const EPOCH = new Date(1980, 0, 1);

/** The chunks of an entry; the checksum is compared at the end. */
async function* checkedChunks(archive: ZipFile, entry: Entry, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  let checksum = 0;
  for await (const chunk of (await archive.openReadStreamPromise(entry)) as AsyncIterable<Uint8Array>) {
    checksum = crc32(chunk, checksum);
    yield chunk;
  }
  if (checksum >>> 0 !== entry.crc32 >>> 0) throw fileError(name, 'has a wrong checksum');
}

async function readEntry(archive: ZipFile, entry: Entry, archiveName: string): Promise<Tensor> {
  const name = `${archiveName}: ${entry.fileName}`;
  if (!entry.fileName.endsWith('.npy')) throw fileError(name, 'is not an .npy file');
  if (entry.uncompressedSize > entry.compressedSize * MOST_INFLATED) {
    throw fileError(name, `cannot have ${entry.uncompressedSize} bytes, packed in ${entry.compressedSize}`);
  }
  const chunks = checkedChunks(archive, entry, name);
  try {
    return await readNpy(new ByteReader(chunks, name, entry.uncompressedSize));
  } finally {
    await chunks.return();
  }
}

/**
 * Reads the arrays of an .npz file, or of the bytes of one, by their names without `.npy`; each as `data.npy` does. ERR_FILE for
 * an archive that is damaged or holds anything else.
 */
export async function npz(source: FileSource): Promise<Record<string, Tensor>> {
  const isBytes = source instanceof Uint8Array;
  const name = isBytes ? 'data.npz' : pathOf(source, 'data.npz.path');
  const { default: yauzl } = await import('yauzl');
  let archive: ZipFile | undefined;
  try {
    archive = isBytes
      ? await yauzl.fromBufferPromise(Buffer.from(source.buffer, source.byteOffset, source.length), { lazyEntries: true })
      : await yauzl.openPromise(name, { autoClose: false, lazyEntries: true });
    const tensors = new Map<string, Tensor>();
    for await (const entry of archive.eachEntry()) {
      const key = entry.fileName.replace(/\.npy$/, '');
      if (tensors.has(key)) throw fileError(name, `has two arrays of the name ${JSON.stringify(key)}`);
      tensors.set(key, await readEntry(archive, entry, name));
    }
    return Object.fromEntries(tensors);
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw fileError(name, `cannot be read: ${(error as Error).message}`, error);
  } finally {
    if (!isBytes) archive?.close();
  }
}

/** Names that are no path inside the archive. */
const UNSAFE = /\\|^\/|^[a-zA-Z]:|(^|\/)\.\.(\/|$)/;

/** Writes tensors as an .npz file, whole or not at all. ERR_FILE where that fails. */
export async function writeNpz(
  path: string | URL,
  tensors: Readonly<Record<string, Tensor>>,
  options?: WriteNpzOptions,
): Promise<void> {
  const where = 'data.writeNpz';
  const file = pathOf(path, `${where}.path`);
  const { compress } = checkOptions(where, options, schema);
  if (!isRecord(tensors)) throw optionError(`${where}.tensors`, 'record of tensors', tensors);
  const entries = Object.entries(tensors).map(([key, value]) => {
    if (UNSAFE.test(`${key}.npy`)) throw optionError(`a name in ${where}.tensors`, 'relative path with / and without ..', key);
    return [key, tensorOption(value, `${where}.tensors.${key}`)] as const;
  });
  const { ZipFile } = await import('yazl');
  const archive = new ZipFile();
  const failed = new Promise<never>((_, reject) => archive.on('error', reject));
  failed.catch(() => undefined);
  for (const [key, tensor] of entries) {
    const chunks = npyChunks(tensor);
    const size = chunks[0].length + chunks[1].length;
    const stream = (done: (error: unknown, stream: NodeJS.ReadableStream) => void) => done(null, Readable.from(chunks));
    archive.addReadStreamLazy(`${key}.npy`, { compress, size, mtime: EPOCH, forceDosTimestamp: true }, stream);
  }
  archive.end();
  await Promise.race([writeWhole(file, archive.outputStream as unknown as AsyncIterable<Uint8Array>), failed]);
}
