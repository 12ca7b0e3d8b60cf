/**
 * What the native addon offers; lib/runtime/native.ts loads it and nothing else does. Everything that may take long
 * returns a promise and runs on the device's executor thread. Rejections are Error objects with a `code` of ErrorCode.
 */
export interface NativeDevice {
  name: string;
  description: string;
  memoryBytes: number;
  /** Whether it has units that multiply such numbers, or rounded ones are multiplied as float32. */
  bfloat16: 'native' | 'emulated';
}

export interface NativeSessionOptions {
  /** `cpu`, `cuda:0`, or `cuda-emulated` (tests only). */
  device: string;
  /** CPU threads; 0: as many as the process may use. */
  threads: number;
  /** Path of the plugin library for any device but `cpu`. */
  plugin?: string;
  /** Nothing that is computed depends on how long something took. Default false. */
  deterministic?: boolean;
}

/** Bytes of a region, or of a slot when `slot` >= 0. */
export interface NativeSpan {
  region: 'persistent' | 'scratch' | 'slot';
  /** Slot number, the spare of slot s being s + 128; ignored for regions. */
  slot?: number;
  offset: number;
  bytes: number;
}

/** What was chosen by measuring, and may be chosen again where the device is the same. */
export interface NativeChoices {
  /** The device, its driver and its libraries: all that choices may depend on. Empty where none are made. */
  device: string;
  /** What each choice is for, and the choice in hexadecimal digits; in the order of what they are for. */
  taken: readonly (readonly [what: string, choice: string])[];
}

export interface NativeRunResult {
  /** Steps that ran to their end. */
  steps: number;
  /** Wall-clock seconds spent running. */
  seconds: number;
  /** The bytes of the report span after the last step. */
  report: ArrayBuffer;
}

export interface NativeSession {
  /** Grows the persistent region to at least this many bytes, zero-filled, contents kept. */
  reserve(bytes: number): Promise<void>;
  /** Verifies and prepares a program (lib/compile/encode.ts); the number is what `run` takes. */
  load(program: Uint8Array): Promise<number>;
  unload(entry: number): Promise<void>;
  /**
   * Runs an entry up to `steps` times: ends early when `budgetMs` (0: unbounded) has passed, when 2 ms of it have passed and
   * other calls wait for the device, or when `stop` was called after this call; then reads `report` of the persistent region.
   */
  run(entry: number, steps: number, budgetMs: number, report: { offset: number; bytes: number }): Promise<NativeRunResult>;
  /** Runs stretches one after the other, given as pairs of entry and steps, as `run` does; the budget is for all of them. */
  runSeries(series: Int32Array, budgetMs: number, report: { offset: number; bytes: number }): Promise<NativeRunResult>;
  /**
   * Runs an entry as `run` does, and reads the clock: for each time that the program ran, seconds on one clock at which it
   * began and at which each of its steps had ended.
   */
  profile(entry: number, steps: number, budgetMs: number): Promise<Float64Array>;
  /** Copies the view's bytes before it returns (the caller slices large data); they are written in the order of calls. */
  write(to: Omit<NativeSpan, 'bytes'>, data: ArrayBufferView): Promise<void>;
  read(from: NativeSpan): Promise<ArrayBuffer>;
  /** Fills the view. Until the promise is settled nobody else may read, write or transfer its memory, and the caller holds it. */
  readInto(from: Omit<NativeSpan, 'bytes'>, to: ArrayBufferView): Promise<void>;
  allocateSlot(slot: number, dtype: number, rows: number, rowElements: number): Promise<void>;
  releaseSlot(slot: number): Promise<void>;
  /**
   * A slot and its spare change places. No program reads spares, so calls that allocate, write or release one are done
   * between the steps of a run that was asked for before them, unless a call that must wait for the run came in between.
   */
  turnSlot(slot: number): Promise<void>;
  /** Ends the runs that are under way or queued now, after their current step. */
  stop(): void;
  memory(): Promise<{ persistent: number; scratch: number; workspace: number; slots: number }>;
  /** What the programs that are loaded use of choices that were made by measuring. */
  choices(): Promise<NativeChoices>;
  /** Programs that are loaded from now on take what an earlier session's used, as far as that is possible. */
  recallChoices(earlier: NativeChoices): Promise<void>;
  /** Stops, drops what is queued (rejected with ERR_DISPOSED) and releases the memory. */
  dispose(): Promise<void>;
}

export interface NativeAddon {
  readonly opTableHash: string;
  /** `2.6.3` or the like. */
  readonly onednnVersion: string;
  /** CPU threads the process may use (affinity and cgroup quota). */
  readonly threads: number;
  /** Devices of a plugin, or why there are none. */
  pluginDevices(path: string): { devices: NativeDevice[]; why: string };
  cpuDevice(): NativeDevice;
  Session: new (options: NativeSessionOptions) => NativeSession;
}
