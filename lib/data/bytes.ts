/**
 * Bytes of files for the readers: read in order, unpacked where they are gzip, and never more memory asked for than the file
 * can fill.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createGunzip } from 'node:zlib';
import { GradstepError, optionError } from '../errors.js';

/** Most bytes that deflate makes of one. */
export const MOST_INFLATED = 1032;

const CHUNK = 1 << 20;

/** A file, or the bytes of one. */
export type FileSource = string | URL | Uint8Array;

export function fileError(name: string, what: string, cause?: unknown): GradstepError {
  return new GradstepError('ERR_FILE', `${name} ${what}`, { cause });
}

/** A path as a string; ERR_OPTION names the argument. */
export function pathOf(path: unknown, name: string): string {
  if (path instanceof URL) return fromUrl(path, name);
  if (typeof path !== 'string' || path === '') throw optionError(name, 'path of a file', path);
  return path;
}

function fromUrl(url: URL, name: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    const message = `Expected path of a file or file: URL of one for ${name} but received ${url.href}: ${(error as Error).message}`;
    throw new GradstepError('ERR_OPTION', message, { cause: error });
  }
}

/** Whether bytes begin as gzip does. */
function isGzip(bytes: Uint8Array): boolean {
  return bytes.length >= 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Chunks, unpacked when the first says that they are gzip. */
export async function* gunzipped(
  chunks: AsyncIterable<Uint8Array>,
  onGzip?: () => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = chunks[Symbol.asyncIterator]();
  try {
    const parts: Uint8Array[] = [];
    let length = 0;
    while (length < 2) {
      const { done, value } = await iterator.next();
      if (done) break;
      parts.push(value);
      length += value.length;
    }
    const rest = async function* () {
      yield* parts;
      yield* { [Symbol.asyncIterator]: () => iterator };
    };
    if (!isGzip(Buffer.concat(parts, Math.min(length, 2)))) {
      yield* rest();
      return;
    }
    onGzip?.();
    const packed = Readable.from(rest());
    const gunzip = createGunzip({ chunkSize: CHUNK });
    packed.on('error', (error) => gunzip.destroy(error));
    yield* packed.pipe(gunzip) as AsyncIterable<Uint8Array>;
  } finally {
    await iterator.return?.();
  }
}

/** Reads bytes in order. */
export class ByteReader {
  private chunk: Uint8Array = new Uint8Array(0);
  private at = 0;
  private position = 0;

  /** @param limit no more bytes than this can come. */
  constructor(
    private readonly chunks: AsyncIterator<Uint8Array>,
    readonly name: string,
    private limit: number,
  ) {}

  /** Bytes of gzip that turn out to be so come unpacked: more of them may come. */
  grow(): void {
    this.limit *= MOST_INFLATED;
  }

  /** Fails when so many more bytes cannot come; asked before memory is taken for them. */
  expect(bytes: number): void {
    if (bytes > this.limit - this.position) throw this.error('ends in the middle of its data');
  }

  error(what: string): GradstepError {
    return fileError(this.name, what);
  }

  /** Goes to the next chunk; whether there is one. */
  private async advance(): Promise<boolean> {
    while (this.at === this.chunk.length) {
      const { done, value } = await this.chunks.next();
      if (done) return false;
      this.chunk = value;
      this.at = 0;
    }
    return true;
  }

  /** Fills an array. */
  async fill(into: Uint8Array): Promise<void> {
    for (let done = 0; done < into.length;) {
      if (!(await this.advance())) throw this.error('ends in the middle of its data');
      const part = this.chunk.subarray(this.at, this.at + into.length - done);
      into.set(part, done);
      done += part.length;
      this.at += part.length;
      this.position += part.length;
    }
  }

  /** The next bytes. */
  async take(length: number): Promise<Uint8Array> {
    this.expect(length);
    const bytes = new Uint8Array(length);
    await this.fill(bytes);
    return bytes;
  }

  /** The first bytes, or undefined where there are not so many. */
  async begin(length: number): Promise<Uint8Array | undefined> {
    const bytes: number[] = [];
    while (bytes.length < length && (await this.advance())) bytes.push(this.chunk[this.at++]!);
    this.position = bytes.length;
    return bytes.length === length ? Uint8Array.from(bytes) : undefined;
  }

  /** Fails when there are bytes left. */
  async end(): Promise<void> {
    if (await this.advance()) throw this.error('has more bytes than its header says');
  }
}

/** Runs `body` with a reader of a file or of bytes; failures to read become ERR_FILE. */
export async function reading<T>(source: FileSource, where: string, body: (reader: ByteReader) => Promise<T>): Promise<T> {
  const isBytes = source instanceof Uint8Array;
  const name = isBytes ? where : pathOf(source, `${where}.path`);
  try {
    if (isBytes) return await readingChunks(chunksOf(source), name, source.length, body);
    const file = await open(name, 'r');
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw fileError(name, 'is not a file');
      const chunks = createReadStream('', { fd: file, autoClose: false, highWaterMark: CHUNK }) as AsyncIterable<Uint8Array>;
      return await readingChunks(chunks, name, stat.size, body);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw fileError(name, `cannot be read: ${(error as Error).message}`, error);
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield await Promise.resolve(bytes);
}

async function readingChunks<T>(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  limit: number,
  body: (reader: ByteReader) => Promise<T>,
): Promise<T> {
  const unpacked: AsyncGenerator<Uint8Array, void, undefined> = gunzipped(chunks, () => reader.grow());
  const reader = new ByteReader(unpacked, name, limit);
  try {
    return await body(reader);
  } finally {
    await unpacked.return();
  }
}
