/** Small parts that the tests of datasets share. */
import * as gs from '../../lib/index.js';

const { dataset } = gs.data;

/** 0 … n − 1. */
export const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
export const sorted = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

/** A tensor whose memory went to somebody else. */
export function takenAway(): gs.Tensor {
  const data = new Float32Array(2);
  const made = gs.tensor(data);
  structuredClone(data.buffer, { transfer: [data.buffer] });
  return made;
}

/** A dataset of 0 … n − 1 that no stage can look into. */
export const counted = (n: number): gs.data.Dataset<number> =>
  dataset(function* () {
    yield* upTo(n);
  });
export const plain = (tensors: readonly gs.Tensor[]): unknown[] => tensors.map((tensor) => tensor.toArray());

/** A source that records how far it was read and whether it was closed. */
export class Watched implements AsyncIterable<number> {
  made = 0;
  closed = 0;
  open = 0;
  /** Elements whose promise never settles. */
  constructor(
    private readonly end = Infinity,
    private readonly hangsAt = Infinity,
  ) {}
  [Symbol.asyncIterator](): AsyncIterator<number> {
    this.open++;
    let next = 0;
    return {
      next: async () => {
        if (next === this.hangsAt) await new Promise(() => undefined);
        if (next >= this.end) return { done: true, value: undefined };
        this.made++;
        return { done: false, value: next++ };
      },
      return: () => {
        this.closed++;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    };
  }
}
