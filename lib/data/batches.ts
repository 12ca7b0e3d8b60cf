/** Stages that put rows into batches and take them out again, without copying where rows lie together already. */
import { GradstepError } from '../errors.js';
import type { Pass } from './pass.js';
import { placed, type Stage } from './stage.js';
import { concatenateBatches, rowCount, rowOf, rowsOf, stackElements, toStructure, type Structure } from './structure.js';

/** Batches of `rows` rows cut from batches of any sizes; the last may have fewer. */
async function* rebatched(
  source: AsyncGenerator<Structure, void, undefined>,
  rows: number,
): AsyncGenerator<Structure, void, undefined> {
  let pieces: Structure[] = [];
  let held = 0;
  for await (const batch of source) {
    const count = rowCount(batch);
    for (let at = 0; at < count;) {
      const take = Math.min(count - at, rows - held);
      pieces.push(take === count ? batch : rowsOf(batch, at, at + take));
      held += take;
      at += take;
      if (held < rows) continue;
      yield concatenateBatches(pieces);
      pieces = [];
      held = 0;
    }
  }
  if (held > 0) yield concatenateBatches(pieces);
}

/** Makes a batch of elements; `first` is the number of the first of them. */
type Stack = (elements: readonly unknown[], first: number) => Structure;

/** Batches of single elements, of which the first has number `from`. */
async function* stacked(
  source: AsyncGenerator<unknown, void, undefined>,
  rows: number,
  stack: Stack,
  from: number,
): AsyncGenerator<Structure, void, undefined> {
  let elements: unknown[] = [];
  let first = from;
  for await (const element of source) {
    elements.push(element);
    if (elements.length < rows) continue;
    yield stack(elements, first);
    first += elements.length;
    elements = [];
  }
  if (elements.length > 0) yield stack(elements, first);
}

/** The elements of a stage from number `from` on in batches of `rows`: alike, unless `stack` says otherwise. */
function batchesOf(
  source: Stage,
  pass: Pass,
  key: string,
  from: number,
  rows: number,
  stack?: Stack,
): AsyncGenerator<Structure, void, undefined> {
  const hasBatches = source.openBatches && !stack;
  return hasBatches
    ? rebatched(source.openBatches!(pass, key, from, rows), rows)
    : stacked(source.open(pass, key, from), rows, stack ?? stackElements, from);
}

export function batchStage(source: Stage, rows: number, dropRemainder: boolean, stack?: Stack): Stage {
  const { size } = source;
  return {
    size: size === undefined ? undefined : dropRemainder ? Math.floor(size / rows) : Math.ceil(size / rows),
    batched: true,
    async *open(pass, key, from) {
      for await (const batch of batchesOf(source, pass, key, from * rows, rows, stack)) {
        if (!dropRemainder || rowCount(batch) === rows) yield batch;
      }
    },
  };
}

/** The rows of batches, one after the other. `size` is known only to whoever made the batches. */
export function unbatchStage(source: Stage, size?: number): Stage {
  async function* openBatches(pass: Pass, key: string, from: number): AsyncGenerator<Structure, void, undefined> {
    let index = 0;
    let left = from;
    for await (const element of source.open(pass, key, 0)) {
      let batch: Structure;
      let rows: number;
      try {
        batch = toStructure(element);
        rows = rowCount(batch);
      } catch (error) {
        throw placed(error, 'unbatch of the dataset', index);
      }
      index++;
      const skipped = Math.min(left, rows);
      left -= skipped;
      if (skipped < rows || rows === 0) yield skipped > 0 ? rowsOf(batch, skipped, rows) : batch;
    }
  }
  return {
    size,
    batched: false,
    async *open(pass, key, from) {
      for await (const batch of openBatches(pass, key, from)) {
        const rows = rowCount(batch);
        for (let i = 0; i < rows; i++) {
          const turn = pass.turn();
          if (turn) await turn;
          yield rowOf(batch, i);
        }
      }
    },
    openBatches,
  };
}

/** All elements of a pass as one structure: single elements are stacked, batches joined. ERR_DATA where there is none. */
export async function collected(source: Stage, pass: Pass, key: string): Promise<Structure> {
  const parts: Structure[] = [];
  if (source.batched) {
    for await (const batch of source.open(pass, key, 0)) parts.push(toStructure(batch));
  } else {
    const { size } = source;
    const rows = size !== undefined && size > 0 && Number.isFinite(size) ? size : 1024;
    for await (const batch of batchesOf(source, pass, key, 0, rows)) parts.push(batch);
  }
  if (parts.length === 0) throw new GradstepError('ERR_DATA', 'Expected at least one element in the dataset but it is empty');
  return concatenateBatches(parts);
}
