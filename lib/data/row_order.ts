/** The order in which an epoch visits the rows: a permutation that depends on the seed and the epoch's number only. */
import { setImmediate } from 'node:timers/promises';
import { RandomStream, streamOf } from '../random.js';

/** Rows shuffled between two looks at the event loop: a few milliseconds of work. */
const SLICE = 1 << 16;

/** 0 … rows − 1 in random order (Fisher & Yates), made in slices so that the event loop stays free. */
export async function shuffledRows(rows: number, seed: number, epoch: number): Promise<Int32Array> {
  const order = Int32Array.from({ length: rows }, (_, i) => i);
  const random = new RandomStream(seed, streamOf('row order'), epoch);
  for (let i = rows - 1; i > 0; i--) {
    const j = Math.floor((random.uint32() / 2 ** 32) * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
    if (i % SLICE === 0) await setImmediate();
  }
  return order;
}
