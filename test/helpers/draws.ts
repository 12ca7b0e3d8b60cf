/** Random choices that follow from a seed. */
import { random } from './op_run.js';

export class Draws {
  private readonly next: () => number;

  constructor(seed: number) {
    this.next = random(seed);
  }

  /** In [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.integer(0, list.length - 1)]!;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** In [low, high). */
  number(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** The integers below `length` in any order. */
  shuffled(length: number): number[] {
    const list = Array.from({ length }, (_, i) => i);
    for (let i = length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [list[i], list[j]] = [list[j]!, list[i]!];
    }
    return list;
  }
}
