/** Random numbers that a seed fixes, for what examples make up themselves: mulberry32, and the polar method for normal ones. */
export class Random {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer from 0 to below − 1. */
  integer(below: number): number {
    return Math.floor(this.uniform() * below);
  }

  /** Normal, with mean 0 and variance 1. */
  normal(): number {
    for (;;) {
      const a = 2 * this.uniform() - 1;
      const b = 2 * this.uniform() - 1;
      const square = a * a + b * b;
      if (square > 0 && square < 1) return a * Math.sqrt((-2 * Math.log(square)) / square);
    }
  }
}
