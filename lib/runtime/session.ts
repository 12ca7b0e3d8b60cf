/**
 * A session is one native session: a persistent region laid out by a Layout, programs, and data slots. This file adds
 * what the addon leaves out: errors of our own class with the caller's stack, large copies in slices with the event loop
 * in between, and a cache of prepared programs.
 */
import { setImmediate } from 'node:timers/promises';
import type { NativeChoices, NativeRunResult, NativeSession } from '../../binding.js';
import { encodeProgram } from '../compile/encode.js';
import type { Program } from '../compile/program.js';
import { allocate, isDetached, type Tensor, type TensorData } from '../data/tensor.js';
import { GradstepError, type ErrorCode } from '../errors.js';
import { DTYPES } from '../graph/dtype.js';
import { sizeOf } from '../graph/shape.js';
import { resolveDevice } from './devices.js';
import { native } from './native.js';

/** Bytes copied between two looks at the event loop. */
const SLICE_BYTES = 4 << 20;

/** Prepared programs kept at once; beyond that the one unused for longest is dropped. */
const PROGRAMS = 24;

/** Milliseconds a run may take before it returns to report. */
const REPORT_MS = 100;

/** Slots that programs can name; each has a spare as far behind it (native/core/backend.h). */
const SLOTS = 128;

/** Stretches handed over at once: enough for many times that. */
const SERIES = 4096;

/** What is next to be a slot's contents: unlike a slot, it can be filled between the steps of a run. */
export function spareOf(slot: number): number {
  return slot + SLOTS;
}

interface CachedProgram {
  entry: Promise<number>;
  users: number;
}

/** Bytes of the persistent region. */
export interface Range {
  readonly offset: number;
  readonly bytes: number;
}

/** A program that runs a number of times. */
export interface Stretch {
  readonly entry: number;
  readonly steps: number;
}

/** Data that the session has, and will copy before it does what it is asked for later. */
export interface HandedOver {
  readonly copied: Promise<unknown>;
}

export class Session {
  private readonly programs = new Map<string, CachedProgram>();
  private disposed = false;

  private constructor(
    private readonly native: NativeSession,
    /** `cpu` or `cuda:0`. */
    readonly device: string,
    readonly backend: 'cpu' | 'cuda',
  ) {}

  /** Opens a session with `bytes` of zeros as its persistent region. */
  static async open(device: string, threads: number, bytes: number, deterministic = false): Promise<Session> {
    const { name, plugin } = resolveDevice(device);
    const options = { device: name, threads, deterministic, ...(plugin !== undefined && { plugin }) };
    const opened = translate(() => new (native().Session)(options));
    const session = new Session(opened, name, name === 'cpu' ? 'cpu' : 'cuda');
    await session.call((n) => n.reserve(bytes));
    return session;
  }

  /** Calls the native session; failures become GradstepErrors with the stack of whoever awaits this. */
  private async call<T>(body: (native: NativeSession) => Promise<T>): Promise<T> {
    if (this.disposed) throw disposedError();
    try {
      return await body(this.native);
    } catch (error) {
      throw this.disposed ? disposedError() : toGradstepError(error);
    }
  }

  /**
   * Runs `body` with the entry of a program, made by `build` unless one was loaded under this key. The program stays
   * loaded while `body` runs.
   */
  async withProgram<T>(key: string, build: () => Program, body: (entry: number) => Promise<T>): Promise<T> {
    const program = this.programs.get(key) ?? { entry: this.load(build), users: 0 };
    // The map is kept in order of use.
    this.programs.delete(key);
    this.programs.set(key, program);
    program.users++;
    try {
      return await body(await this.entryOf(key, program));
    } finally {
      program.users--;
      this.dropUnused();
    }
  }

  private async load(build: () => Program): Promise<number> {
    const program = encodeProgram(build());
    return this.call((n) => n.load(program));
  }

  /** The entry of a program; one that could not be prepared is forgotten, so that the next call tries again. */
  private async entryOf(key: string, program: CachedProgram): Promise<number> {
    try {
      return await program.entry;
    } catch (error) {
      if (this.programs.get(key) === program) this.programs.delete(key);
      throw error;
    }
  }

  /** Prepares a program that stays as long as the session. */
  loadProgram(program: Program): Promise<number> {
    return this.load(() => program);
  }

  unloadProgram(entry: number): Promise<void> {
    return this.call((n) => n.unload(entry));
  }

  private dropUnused(): void {
    for (const [key, program] of this.programs) {
      if (this.programs.size <= PROGRAMS) return;
      if (program.users > 0) continue;
      this.programs.delete(key);
      // Queued behind what runs; when the session is disposed meanwhile, the program is gone anyway.
      program.entry.then((entry) => this.call((n) => n.unload(entry))).catch(() => undefined);
    }
  }

  /** Grows the persistent region to this many bytes; what is there stays. */
  reserve(bytes: number): Promise<void> {
    return this.call((n) => n.reserve(bytes));
  }

  /**
   * Runs stretches one after the other, for about 100 ms, or 2 where other work waits for the device, then reads `report`;
   * fewer steps than asked for is no error.
   */
  run(stretches: readonly Stretch[], report: Range): Promise<NativeRunResult> {
    const [first] = stretches;
    if (stretches.length === 1) return this.call((n) => n.run(first!.entry, first!.steps, REPORT_MS, report));
    const series = Int32Array.from(stretches.slice(0, SERIES).flatMap(({ entry, steps }) => [entry, steps]));
    return this.call((n) => n.runSeries(series, REPORT_MS, report));
  }

  /**
   * Runs a program up to `steps` times, for about 100 ms, and reads the clock: for each time that it ran, the seconds on one
   * clock at which it began and at which each of its instructions had ended.
   */
  profile({ entry, steps }: Stretch): Promise<Float64Array> {
    return this.call((n) => n.profile(entry, steps, REPORT_MS));
  }

  /** Ends the runs that are under way or queued, after their current step. */
  stop(): void {
    if (!this.disposed) this.native.stop();
  }

  write(offset: number, data: ArrayBufferView): Promise<void> {
    return this.call((n) => n.write({ region: 'persistent', offset }, data));
  }

  /** Reads a range at one moment: no step runs in between. It is copied by the session's thread, however large it is. */
  async read({ offset, bytes }: Range): Promise<ArrayBuffer> {
    const data = allocate('uint8', bytes);
    if (bytes > 0) await this.call((n) => n.readInto({ region: 'persistent', offset }, data));
    return data.buffer as ArrayBuffer;
  }

  /** Makes a data slot as large as a tensor's rows. */
  allocateSlot(slot: number, { dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>): Promise<void> {
    return this.call((n) => n.allocateSlot(slot, DTYPES[dtype].code, shape[0]!, sizeOf(shape.slice(1))));
  }

  releaseSlot(slot: number): Promise<void> {
    return this.call((n) => n.releaseSlot(slot));
  }

  /** The spare of a slot changes places with it. */
  turnSlot(slot: number): Promise<void> {
    return this.call((n) => n.turnSlot(slot));
  }

  /** Fills a slot; see handOver. */
  async writeSlot(slot: number, tensor: Tensor, name: string): Promise<void> {
    const { copied } = await this.handOverSlot(slot, tensor, name);
    await copied;
  }

  /** Writes much data into the persistent region; see handOver. */
  async writeRange(offset: number, data: TensorData, name: string): Promise<void> {
    const { copied } = await this.handOverRange(offset, data, name);
    await copied;
  }

  handOverSlot(slot: number, { data, shape }: Tensor, name: string): Promise<HandedOver> {
    return this.handOver({ region: 'slot', slot }, 0, data, sizeOf(shape), name);
  }

  handOverRange(offset: number, data: TensorData, name: string): Promise<HandedOver> {
    return this.handOver({ region: 'persistent' }, offset, data, data.length, name);
  }

  /**
   * Hands `length` elements over in slices, the event loop in between; few of them at once, before this returns. What the session
   * is asked for later comes after the copy. ERR_OPTION when the array's memory has been taken away.
   */
  private async handOver(
    to: { region: 'persistent' | 'slot'; slot?: number },
    start: number,
    data: TensorData,
    length: number,
    name: string,
  ): Promise<HandedOver> {
    const step = SLICE_BYTES / data.BYTES_PER_ELEMENT;
    let copied: Promise<void> = Promise.resolve();
    for (let at = 0; at < length; at += step) {
      if (at > 0) {
        await copied;
        await setImmediate();
      }
      if (isDetached(data, length)) {
        throw new GradstepError('ERR_OPTION', `The memory of ${name} was transferred elsewhere while it was being copied`);
      }
      const offset = start + at * data.BYTES_PER_ELEMENT;
      const slice = data.subarray(at, Math.min(at + step, length));
      copied = this.call((n) => n.write({ ...to, offset }, slice));
      copied.catch(() => undefined); // whoever awaits it hears of it
    }
    return { copied };
  }

  /** Copies a slot's floats out. */
  async readSlot(slot: number, length: number): Promise<Float32Array<ArrayBuffer>> {
    const data = allocate('float32', length);
    const step = SLICE_BYTES / 4;
    // Straight into the result: what is garbage outside of JavaScript's heap makes it collect all of that.
    for (let at = 0; at < length; at += step) {
      const slice = data.subarray(at, Math.min(at + step, length));
      await this.call((n) => n.readInto({ region: 'slot', slot, offset: 4 * at }, slice));
    }
    return data;
  }

  memory(): Promise<{ persistent: number; scratch: number; workspace: number; slots: number }> {
    return this.call((n) => n.memory());
  }

  /** What the programs that are loaded use of choices that were made by measuring. */
  choices(): Promise<NativeChoices> {
    return this.call((n) => n.choices());
  }

  /** Programs that are loaded from now on take what an earlier session's used, as far as that is possible. */
  recallChoices(earlier: NativeChoices): Promise<void> {
    return this.call((n) => n.recallChoices(earlier));
  }

  /** Stops what runs, rejects what waits with ERR_DISPOSED, and gives the memory back. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    await this.native.dispose();
  }
}

function disposedError(): GradstepError {
  return new GradstepError('ERR_DISPOSED', 'The model has been disposed: its memory is gone');
}

function translate<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw toGradstepError(error);
  }
}

/** Errors of the addon carry a `code`; anything else is a defect of ours. */
function toGradstepError(error: unknown): GradstepError {
  if (error instanceof GradstepError) return error;
  const { code, message } = error as { code?: string; message?: string };
  const known = typeof code === 'string' && code.startsWith('ERR_') && !code.startsWith('ERR_NAPI');
  return new GradstepError(known ? (code as ErrorCode) : 'ERR_INTERNAL', message ?? String(error), { cause: error });
}
