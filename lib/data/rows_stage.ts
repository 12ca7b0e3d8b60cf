/**
 * The stage of resident rows: tensors whose first axes are the elements. Elements and unshuffled batches are views; taking,
 * skipping and shuffling move row numbers only, and a shuffled batch is gathered in one copy.
 */
import { RandomStream, streamOf } from '../random.js';
import type { Pass } from './pass.js';
import { after, type Stage } from './stage.js';
import { gatherRows, rowCount, rowOf, rowsOf, type Structure } from './structure.js';

/** Numbers shuffled between two looks at the event loop. */
const SLICE = 1 << 13;

export interface Shuffle {
  readonly bufferSize: number;
  readonly seed: number;
  readonly reshuffleEachEpoch: boolean;
}

/** Chooses what leaves a shuffle buffer; the same for the same seed and pass. */
function shuffleChoice({ seed, reshuffleEachEpoch }: Shuffle, key: string): (count: number) => number {
  const random = new RandomStream(seed, streamOf(reshuffleEachEpoch ? `shuffle/${key}` : 'shuffle'));
  return (count) => Math.floor((random.uint32() / 2 ** 32) * count);
}

/** Elements in the order in which a buffer of `bufferSize`, kept full, gives one at random. */
export function shuffleStage(source: Stage, shuffle: Shuffle): Stage {
  async function* mixed(pass: Pass, key: string): AsyncGenerator<unknown, void, undefined> {
    const choose = shuffleChoice(shuffle, key);
    const buffer: unknown[] = [];
    for await (const element of source.open(pass, key, 0)) {
      if (buffer.length < shuffle.bufferSize) {
        buffer.push(element);
        continue;
      }
      const chosen = choose(buffer.length);
      const leaving = buffer[chosen];
      buffer[chosen] = element;
      yield leaving;
    }
    while (buffer.length > 0) {
      const chosen = choose(buffer.length);
      const leaving = buffer[chosen];
      buffer[chosen] = buffer.at(-1);
      buffer.pop();
      yield leaving;
    }
  }
  return { size: source.size, batched: source.batched, open: (pass, key, from) => after(from, mixed(pass, key)) };
}

/** The order in which `shuffleStage` would give the numbers of `order`. */
async function shuffled(order: Int32Array, shuffle: Shuffle, pass: Pass, key: string): Promise<Int32Array> {
  const choose = shuffleChoice(shuffle, key);
  const buffer = order.slice(0, shuffle.bufferSize);
  let held = buffer.length;
  let next = held;
  for (let i = 0; i < order.length; i++) {
    const chosen = choose(held);
    const leaving = buffer[chosen]!;
    buffer[chosen] = next < order.length ? order[next++]! : buffer[--held]!;
    // Row numbers that have entered the buffer are not read again: the order is overwritten from the front.
    order[i] = leaving;
    if (i % SLICE === 0) await pass.turn();
  }
  return order;
}

type Order = (pass: Pass, key: string) => Promise<Int32Array>;

export class RowsStage implements Stage {
  readonly batched = false;

  private constructor(
    private readonly rows: Structure,
    readonly size: number,
    private readonly begin: number,
    private readonly order: Order | undefined,
  ) {}

  /** Rows of tensors that all have as many. */
  static of(rows: Structure): RowsStage {
    return new RowsStage(rows, rowCount(rows), 0, undefined);
  }

  private range(begin: number, size: number): RowsStage {
    const { order } = this;
    if (!order) return new RowsStage(this.rows, size, this.begin + begin, undefined);
    return new RowsStage(this.rows, size, 0, async (pass, key) => (await order(pass, key)).slice(begin, begin + size));
  }

  take(count: number): RowsStage {
    return this.range(0, Math.min(count, this.size));
  }

  skip(count: number): RowsStage {
    const begin = Math.min(count, this.size);
    return this.range(begin, this.size - begin);
  }

  shuffle(shuffle: Shuffle): RowsStage {
    const inner: Order = this.order ?? (() => Promise.resolve(Int32Array.from({ length: this.size }, (_, i) => this.begin + i)));
    return new RowsStage(this.rows, this.size, 0, async (pass, key) => shuffled(await inner(pass, key), shuffle, pass, key));
  }

  async *open(pass: Pass, key: string, from: number): AsyncGenerator<unknown, void, undefined> {
    const order = await this.order?.(pass, key);
    for (let i = from; i < this.size; i++) {
      const turn = pass.turn();
      if (turn) await turn;
      yield rowOf(this.rows, order ? order[i]! : this.begin + i);
    }
  }

  async *openBatches(pass: Pass, key: string, from: number, rows: number): AsyncGenerator<Structure, void, undefined> {
    const order = await this.order?.(pass, key);
    for (let i = from; i < this.size; i += rows) {
      const turn = pass.turn();
      if (turn) await turn;
      const end = Math.min(i + rows, this.size);
      yield order ? gatherRows(this.rows, order.subarray(i, end)) : rowsOf(this.rows, this.begin + i, this.begin + end);
    }
  }
}
