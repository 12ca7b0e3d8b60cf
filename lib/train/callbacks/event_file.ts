/** Event files, which TensorBoard shows: scalars, histograms and texts by tag and step, written as they come. */
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { TensorData } from '../../data/tensor.js';
import { GradstepError, optionError } from '../../errors.js';
import { eventMessage, recordOf, type EventContent, type Histogram } from './event_records.js';

/** Bytes that are gathered before they are written. */
const BUFFER = 1 << 16;

/** Buckets of a histogram. */
const BUCKETS = 30;

let filesOpened = 0;

/** Seconds since 1970. */
const now = (): number => Date.now() / 1000;

/** Equal buckets from the least to the largest finite number; undefined where there is none. */
function histogramOf(values: ArrayLike<number>): Histogram | undefined {
  let [min, max, num, sum, sumSquares] = [Infinity, -Infinity, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    num++;
    sum += value;
    sumSquares += value * value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (num === 0) return undefined;
  if (min === max) return { min, max, num, sum, sumSquares, limits: [max], counts: [num] };
  const width = (max - min) / BUCKETS;
  const counts = new Array<number>(BUCKETS).fill(0);
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i]!)) counts[Math.min(Math.floor((values[i]! - min) / width), BUCKETS - 1)]!++;
  }
  const limits = counts.map((_, i) => (i === BUCKETS - 1 ? max : min + (i + 1) * width));
  return { min, max, num, sum, sumSquares, limits, counts };
}

/**
 * Writes one event file. What is recorded is written in the background, in order, as soon as there is enough of it, and at
 * `flush` and `close`, which reject with ERR_FILE when writing failed.
 */
export class EventFileWriter {
  private pending: Uint8Array[] = [];
  private pendingBytes = 0;
  private writing: Promise<void> = Promise.resolve();
  private failure: GradstepError | undefined;
  private isClosed = false;

  private constructor(
    private readonly file: FileHandle,
    /** Where the file is. */
    readonly path: string,
  ) {
    this.add(now(), 0, { fileVersion: 'brain.Event:2' });
  }

  /** Makes a new file in a folder, which is made where it is not there. ERR_FILE where that fails. */
  static async open(folder: string): Promise<EventFileWriter> {
    if (typeof folder !== 'string' || folder === '') throw optionError('EventFileWriter.folder', 'path of a folder', folder);
    const seconds = String(Math.floor(now())).padStart(10, '0');
    const path = join(folder, `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${filesOpened++}.v2`);
    try {
      await mkdir(folder, { recursive: true });
      return new EventFileWriter(await open(path, 'wx'), path);
    } catch (error) {
      throw writeError(path, error);
    }
  }

  /** Records a number. `wallTime` is in seconds since 1970; default: now. */
  scalar(tag: string, value: number, step: number, wallTime?: number): void {
    if (typeof value !== 'number') throw optionError('EventFileWriter.value', 'number', value);
    this.record(tag, step, wallTime, { tag, scalar: value });
  }

  /** Records a text, which TensorBoard shows as Markdown. */
  text(tag: string, text: string, step: number, wallTime?: number): void {
    if (typeof text !== 'string') throw optionError('EventFileWriter.text', 'string', text);
    this.record(tag, step, wallTime, { tag, text });
  }

  /** Records how numbers are distributed. Infinite ones and NaN are not counted; nothing is recorded where there are no others. */
  histogram(tag: string, values: TensorData | readonly number[], step: number, wallTime?: number): void {
    if (!Array.isArray(values) && !ArrayBuffer.isView(values))
      throw optionError('EventFileWriter.values', 'array of numbers', values);
    const histogram = histogramOf(values);
    if (histogram) this.record(tag, step, wallTime, { tag, histogram });
  }

  private record(tag: string, step: number, wallTime: number | undefined, content: EventContent): void {
    if (typeof tag !== 'string' || tag === '') throw optionError('EventFileWriter.tag', 'string that is not empty', tag);
    if (!Number.isSafeInteger(step) || step < 0) throw optionError('EventFileWriter.step', 'integer >= 0', step);
    if (wallTime !== undefined && !Number.isFinite(wallTime))
      throw optionError('EventFileWriter.wallTime', 'seconds since 1970', wallTime);
    if (this.isClosed) throw new GradstepError('ERR_DISPOSED', `The event file ${this.path} is closed`);
    this.add(wallTime ?? now(), step, content);
  }

  private add(wallTime: number, step: number, content: EventContent): void {
    const record = recordOf(eventMessage(wallTime, step, content));
    this.pending.push(record);
    this.pendingBytes += record.length;
    if (this.pendingBytes >= BUFFER) this.write();
  }

  /** Begins to write what is pending, after what is being written. */
  private write(): void {
    const bytes = Buffer.concat(this.pending);
    this.pending = [];
    this.pendingBytes = 0;
    if (bytes.length === 0) return;
    this.writing = this.writing
      .then(() => (this.failure ? undefined : this.file.writeFile(bytes)))
      .catch((error: unknown) => {
        this.failure = writeError(this.path, error);
      });
  }

  /** Writes all that was recorded. */
  async flush(): Promise<void> {
    this.write();
    await this.writing;
    if (this.failure) throw this.failure;
  }

  /** Writes what is left and closes the file; once closed it does nothing. */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    try {
      await this.flush();
    } finally {
      await this.file.close();
    }
  }
}

function writeError(path: string, error: unknown): GradstepError {
  return new GradstepError('ERR_FILE', `${path} cannot be written: ${(error as Error).message}`, { cause: error });
}
