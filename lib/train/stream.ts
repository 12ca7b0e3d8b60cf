/**
 * Streamed data: batches of a dataset, collected into chunks that are copied to the device together (feed.ts). While a chunk is
 * computed the next one is made.
 */
import type { Dataset, ElementsOptions } from '../data/dataset.js';
import { rowsOf, type Samples } from '../data/samples.js';
import { COLUMNS } from '../data/sources.js';
import type { Structure } from '../data/structure.js';
import { Tensor, type TensorData } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import { sameShape } from '../graph/shape.js';
import { unknownName } from '../options.js';
import { inputsOf, samplesOf, type Weighting } from './inputs.js';
import type { ModelCore } from './model_core.js';
import type { DataLike } from './run_options.js';

/** A chunk ends when it has so many bytes or batches, or when it has been made for so many milliseconds. */
const CHUNK_BYTES = 8 << 20;
const CHUNK_BATCHES = 64;
const CHUNK_MS = 200;

/** Batches one after the other; all have `batchSize` rows but the last, which may have fewer. */
export interface Chunk {
  readonly samples: Samples;
  readonly batchSize: number;
}

export interface ChunkOptions {
  /** Batches to take at most. */
  readonly batches?: number;
  /** Chunks hold a multiple of so many batches, but for the last. */
  readonly group?: number;
}

/** A dataset of batches: as it is, or cut into batches of so many rows. */
export function batched(dataset: Dataset, batchSize: number): Dataset {
  return dataset.batched ? dataset : dataset.batch(batchSize);
}

/** ERR_OPTION where a dataset never ends and `option`, the batches to take, is not given. */
export function checkEnds(dataset: Dataset, steps: number | undefined, option: string): void {
  if (steps === undefined && dataset.size === Infinity) {
    throw optionError(option, 'integer > 0 where a dataset never ends', steps);
  }
}

/** Batches of a dataset, the first `steps` or all of them. */
export function firstBatches(dataset: Dataset, batchSize: number, steps: number | undefined, option: string): Dataset {
  checkEnds(dataset, steps, option);
  const batches = batched(dataset, batchSize);
  return steps === undefined ? batches : batches.take(steps);
}

/** Reads what a dataset yields for training or evaluation. */
export function sampleReader(core: ModelCore, classWeight?: Weighting['classWeight']): (element: unknown) => Samples {
  return (element) => {
    const { x, y, sampleWeight } = partsOf(element);
    if (y === undefined && core.compiled.compared.length > 0) throw optionError('dataset element', 'batch with x and y', element);
    core.prepareFor(x);
    return samplesOf(core, x, y, { sampleWeight, classWeight });
  };
}

/** Reads what a dataset yields for prediction. */
export function inputReader(core: ModelCore): (element: unknown) => Samples {
  return (element) => {
    const { x } = partsOf(element);
    core.prepareFor(x);
    return { x: inputsOf(core, x), y: [], weights: [] };
  };
}

/** Lets the first element say what shape the inputs have, where nothing else did. */
export async function shapeFrom(
  core: ModelCore,
  dataset: Dataset,
  read: (element: unknown) => Samples,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (core.isBuilt) return;
  const first = batched(dataset, 1).take(1);
  for await (const element of first.elements({ epoch: 0, ...(signal && { signal }) })) read(element);
}

function partsOf(element: unknown): { x: DataLike; y?: DataLike; sampleWeight?: DataLike } {
  if (element instanceof Tensor) return { x: element };
  if (Array.isArray(element)) {
    if (element.length > 3) throw optionError('dataset element', '[x, y] or [x, y, sampleWeight]', element);
    const [x, y, sampleWeight] = element as DataLike[];
    return { x: x!, ...(y !== undefined && { y }), ...(sampleWeight !== undefined && { sampleWeight }) };
  }
  if (typeof element !== 'object' || element === null || !('x' in element)) {
    throw optionError('dataset element', 'batch { x, y } or [x, y]', element);
  }
  for (const [name, part] of Object.entries(element)) {
    if (part !== undefined && !COLUMNS.includes(name)) throw unknownName('part', name, 'a dataset element', COLUMNS);
  }
  return element as { x: DataLike; y?: DataLike; sampleWeight?: DataLike };
}

/** The chunks of a pass over all of a dataset. */
export async function* chunksOf(
  dataset: Dataset,
  read: (element: unknown) => Samples,
  options: ElementsOptions,
): AsyncGenerator<Chunk, void, undefined> {
  const source = dataset.elements(options);
  try {
    yield* chunksFrom(source, read);
  } finally {
    await source.return?.();
  }
}

/** The next batches of a source as chunks, each made while the caller works on the one before. */
export async function* chunksFrom(
  source: AsyncIterator<unknown>,
  read: (element: unknown) => Samples,
  { batches = Infinity, group = 1 }: ChunkOptions = {},
): AsyncGenerator<Chunk, void, undefined> {
  let pending: Samples | undefined;
  let left = batches;
  const next = async (): Promise<Samples | undefined> => {
    if (left <= 0) return undefined;
    const { done, value } = await source.next();
    if (done) return undefined;
    left--;
    return read(value as Structure);
  };
  const collect = async (): Promise<Chunk | undefined> => {
    const first = pending ?? (await next());
    pending = undefined;
    if (!first) return undefined;
    const batchSize = rowsOf(first);
    const parts = [first];
    const limit = Math.max(1, Math.min(CHUNK_BATCHES, Math.floor(CHUNK_BYTES / Math.max(1, bytesOf(first)))));
    const most = Math.ceil(limit / group) * group;
    const end = performance.now() + CHUNK_MS;
    while (parts.length < most && (performance.now() < end || parts.length % group > 0)) {
      const batch = await next();
      if (!batch) break;
      checkAlike(first, batch);
      const rows = rowsOf(batch);
      const isLike = haveSameRows(first, batch);
      if (!isLike && parts.length % group !== 0) throw mixedUpdate(group);
      if (!isLike || rows > batchSize) {
        pending = batch;
        break;
      }
      parts.push(batch);
      if (rows < batchSize) break;
    }
    return { samples: joinSamples(parts), batchSize };
  };
  let ahead = collect();
  for (let chunk = await ahead; chunk; chunk = await ahead) {
    ahead = collect();
    // A failure is met when its chunk's turn comes.
    ahead.catch(() => undefined);
    yield chunk;
  }
}

/** Of batches that share an update. */
function mixedUpdate(group: number): GradstepError {
  const update = `an update of ${group} (gradientAccumulationSteps)`;
  const remedy = 'pad all samples to one, as paddedShapes of paddedBatch does';
  return new GradstepError('ERR_SHAPE', `Expected samples of one shape in ${update} but its batches have several: ${remedy}`);
}

function bytesOf({ x, y, weights }: Samples): number {
  return [...x, ...y, ...weights].reduce((n, t) => n + (t?.data.byteLength ?? 0), 0);
}

function tensorsOf({ x, y, weights }: Samples): (Tensor | undefined)[] {
  return [...x, ...y, ...weights];
}

/** Batches of one pass have the same parts, of the same types. */
function checkAlike(first: Samples, batch: Samples): void {
  const others = tensorsOf(batch);
  if (tensorsOf(first).every((part, i) => part?.dtype === others[i]?.dtype)) return;
  throw new GradstepError('ERR_DTYPE', 'Expected batches of the same parts and types throughout the dataset');
}

/** Whether batches may differ in how many rows they have, but not in what a row is. */
function haveSameRows(first: Samples, batch: Samples): boolean {
  const others = tensorsOf(batch);
  return tensorsOf(first).every((part, i) => part === undefined || sameShape(part.shape.slice(1), others[i]!.shape.slice(1)));
}

/** Batches as one. */
export function joinSamples(parts: readonly Samples[]): Samples {
  if (parts.length === 1) return parts[0]!;
  const [first] = parts;
  return {
    x: first!.x.map((_, i) => concatenated(parts.map((p) => p.x[i]!))),
    y: first!.y.map((_, i) => concatenated(parts.map((p) => p.y[i]!))),
    weights: first!.weights.map((w, i) => w && concatenated(parts.map((p) => p.weights[i]!))),
  };
}

/** The rows of several tensors as one. */
export function concatenated(tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  const rows = tensors.reduce((n, t) => n + t.shape[0]!, 0);
  const make = first!.data.constructor as new (length: number) => TensorData;
  const data = new make(tensors.reduce((n, t) => n + t.data.length, 0));
  let at = 0;
  for (const t of tensors) {
    data.set(t.data, at);
    at += t.data.length;
  }
  return new Tensor(data, [rows, ...first!.shape.slice(1)]);
}
