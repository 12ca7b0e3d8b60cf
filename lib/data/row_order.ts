/** The order in which a pass visits the rows: a permutation that depends on the seed and the pass's number only. */
import { setImmediate } from 'node:timers/promises';
import { RandomStream, streamOf } from '../random.js';

/** Rows shuffled between two looks at the event loop: a few milliseconds of work. */
const SLICE = 1 << 14;

/** Draws the rows at the places from `last` down to behind `end` from all in front of them. */
function draw(order: Int32Array, random: RandomStream, last: number, end: number): void {
  for (let i = last; i > end; i--) {
    const j = Math.floor((random.uint32() / 2 ** 32) * (i + 1));
    const row = order[i]!;
    order[i] = order[j]!;
    order[j] = row;
  }
}

/** 0, 1, … */
function ascending(rows: number): Int32Array {
  const order = new Int32Array(rows);
  for (let i = 0; i < rows; i++) order[i] = i;
  return order;
}

/** 0 … rows − 1 in random order (Fisher & Yates), made in slices so that the event loop stays free. */
export async function shuffledRows(rows: number, seed: number, pass: number): Promise<Int32Array> {
  const order = ascending(rows);
  const random = new RandomStream(seed, streamOf('row order'), pass);
  for (let last = rows - 1; last > 0; last -= SLICE) {
    if (last < rows - 1) await setImmediate();
    draw(order, random, last, Math.max(0, last - SLICE));
  }
  return order;
}

/** The orders of one pass after the other, each made while the pass before it runs. */
export class RowOrders {
  private ahead: { pass: number; order: Promise<Int32Array> } | undefined;

  constructor(
    private readonly rows: number,
    private readonly seed: number,
  ) {}

  /** Begins to make the order of a pass. */
  prepare(pass: number): void {
    this.ahead = { pass, order: shuffledRows(this.rows, this.seed, pass) };
  }

  /** The order of a pass. */
  take(pass: number): Promise<Int32Array> {
    return this.ahead?.pass === pass ? this.ahead.order : shuffledRows(this.rows, this.seed, pass);
  }
}
