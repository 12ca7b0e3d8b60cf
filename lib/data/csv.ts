/**
 * CSV files (RFC 4180) as datasets: columns by name or number, read in blocks of rows as the consumer asks for them. What is
 * neither a number nor a declared category is an error that names row and column.
 */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { GradstepError, optionError } from '../errors.js';
import { checkOptions } from '../options.js';
import { unbatchStage } from './batches.js';
import { fileError, gunzipped, pathOf, type FileSource } from './bytes.js';
import { csvSchema, repeated, type CheckedCsv, type CsvColumn, type CsvOptions } from './csv_options.js';
import { RowParser } from './csv_rows.js';
import { Dataset } from './dataset.js';
import { beginOf, isIterable, iterableStage, type AnyIterable } from './sources.js';
import type { Structure } from './structure.js';
import type { Tensor } from './tensor.js';

/** Rows read at once. */
const BLOCK = 1024;

/** Longest row, in characters: an unclosed quote must not swallow the file. */
const MAX_ROW = 1 << 24;

/** A file, its bytes, or its contents in pieces: a stream, or strings and bytes. */
export type CsvSource = FileSource | AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>;

async function* bytesOf(pieces: AsyncIterable<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  // The first half of a character whose second half comes with the next piece.
  let half = '';
  for await (const piece of pieces) {
    const isText = typeof piece === 'string';
    if (!isText && !(piece instanceof Uint8Array)) throw optionError('a piece of data.csv.source', 'string or bytes', piece);
    const text: string = half + (isText ? piece : '');
    half = isText && /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : '';
    yield Buffer.from(text.slice(0, text.length - half.length));
    if (!isText) yield piece;
  }
  yield Buffer.from(half);
}

/** The bytes of a file, opened when the first are asked for, so that no failure comes when nobody listens. */
async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path, { highWaterMark: 1 << 18 }) as AsyncIterable<Uint8Array>;
}

/** The records of a file, in blocks. */
async function* recordBlocks(pieces: AsyncIterable<Uint8Array>, options: CheckedCsv, file: string): AsyncGenerator<string[][]> {
  const { parse } = await import('csv-parse');
  const parser = parse({ bom: true, delimiter: options.delimiter, trim: true, skipEmptyLines: true, maxRecordSize: MAX_ROW });
  const unpacked = Readable.from(gunzipped(pieces), { objectMode: true });
  unpacked.on('error', (error) => parser.destroy(error));
  try {
    let block: string[][] = [];
    for await (const record of unpacked.pipe(parser) as AsyncIterable<string[]>) {
      block.push(record);
      if (block.length < BLOCK) continue;
      yield block;
      block = [];
    }
    if (block.length > 0) yield block;
  } catch (error) {
    if (error instanceof GradstepError) throw error;
    throw fileError(file, `cannot be read: ${(error as Error).message}`, error);
  } finally {
    unpacked.destroy();
  }
}

/** The rows of a file as batches. */
async function* rowBlocks(pieces: AsyncIterable<Uint8Array>, options: CheckedCsv, file: string): AsyncGenerator<Structure> {
  let parser: RowParser | undefined;
  for await (const records of recordBlocks(pieces, options, file)) {
    if (!parser) {
      const count = records[0]!.length;
      const names =
        options.header === true ? records.shift()! : options.header === false ? undefined : (options.header as string[]);
      const twice = names && repeated(names);
      if (twice !== undefined) throw fileError(file, `has two columns of the name ${JSON.stringify(twice)}`);
      if (names && names.length !== count) throw fileError(file, `has ${count} columns but ${names.length} names for them`);
      parser = new RowParser(names, count, options, file);
    }
    const rows = parser.parse(records);
    if (rows) yield rows;
  }
  if (!parser) throw fileError(file, 'is empty');
}

/**
 * The rows of a CSV file, also packed with gzip, as a dataset of `{ x, y }`: x is a vector of the columns, float32, or int32 when
 * all of them are integers or categories; y is the label. `batch` makes batches of them, `toTensors` all of them resident. A path
 * is read anew in each pass; a stream can be read once. Fields may be quoted; white space around them is left out.
 *
 * ERR_DATA names row (without the header, from 1) and column of a field that is not what its column holds, ERR_OPTION a column
 * that is not there, ERR_FILE a file that cannot be read as CSV.
 */
export function csv(
  source: CsvSource,
  options: CsvOptions & { columns?: readonly CsvColumn[]; label: CsvColumn | readonly CsvColumn[] },
): Dataset<{ x: Tensor; y: Tensor }>;
export function csv(
  source: CsvSource,
  options?: CsvOptions & { columns?: readonly CsvColumn[]; label?: undefined },
): Dataset<{ x: Tensor }>;
export function csv(source: CsvSource, options: CsvOptions): Dataset<{ x: Record<string, Tensor>; y: Tensor }>;
export function csv(source: CsvSource, options?: CsvOptions): Dataset<never> {
  const checked = checkOptions('data.csv', options, csvSchema);
  const isPath = typeof source === 'string' || source instanceof URL;
  if (!isPath && !isIterable(source)) throw optionError('data.csv.source', 'path, stream, or strings and bytes', source);
  const file = isPath ? pathOf(source, 'data.csv.path') : 'data.csv';
  const pieces = source instanceof Uint8Array ? [source] : source;
  const begin = isPath ? undefined : beginOf(pieces as AnyIterable);
  const open = (): AsyncIterable<Uint8Array> => {
    if (!begin) return fileChunks(file);
    const iterator = begin() as AsyncIterator<string | Uint8Array>;
    return bytesOf({ [Symbol.asyncIterator]: () => iterator });
  };
  return new Dataset(unbatchStage(iterableStage(() => rowBlocks(open(), checked, file), undefined)));
}
