/**
 * Random numbers on the host: Philox4x32-10 (Salmon et al. 2011), the generator of the native core. A stream is keyed by
 * the seed and by what the numbers are for (`dense_1/kernel`), so no stream depends on another or on execution order.
 */
import { randomBytes } from 'node:crypto';

/** Seeds are integers from 0 to 2^53 − 1. */
export function randomSeed(): number {
  return randomBytes(6).readUIntBE(0, 6);
}

/** The seed as the two 32-bit words that the native core takes. */
export function seedWords(seed: number): { low: number; high: number } {
  return { low: seed >>> 0, high: Math.floor(seed / 2 ** 32) >>> 0 };
}

/** The number of the stream for a path such as `dense_1/kernel`: its 32-bit FNV-1a hash. */
export function streamOf(path: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(path)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** The high 32 bits of the product of two 32-bit numbers, as 32-bit integers throughout: no product of halves exceeds them. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = (Math.imul(ah, bl) + (Math.imul(al, bl) >>> 16)) | 0;
  const upper = (Math.imul(al, bh) + (middle & 0xffff)) | 0;
  return (Math.imul(ah, bh) + (middle >>> 16) + (upper >>> 16)) | 0;
}

/** One stream of numbers. */
export class RandomStream {
  private readonly words = new Uint32Array(4);
  private readonly key0: number;
  private readonly seedHigh: number;
  private block = 0;
  private used = 4;
  private spareNormal: number | undefined;

  /** @param index tells apart streams of one path: the number of the epoch, for the order of the rows. */
  constructor(
    seed: number,
    private readonly stream: number,
    private readonly index = 0,
  ) {
    const { low, high } = seedWords(seed);
    this.key0 = low;
    this.seedHigh = high;
  }

  /** A number from 0 to 2^32 − 1. */
  uint32(): number {
    if (this.used === 4) this.refill();
    return this.words[this.used++]!;
  }

  /** A number in [0, 1) with 24 random bits, exact in float32. */
  uniform(): number {
    return (this.uint32() >>> 8) * 2 ** -24;
  }

  /** A number of the standard normal distribution (Box & Muller 1958). */
  normal(): number {
    if (this.spareNormal !== undefined) {
      const z = this.spareNormal;
      this.spareNormal = undefined;
      return z;
    }
    const radius = Math.sqrt(-2 * Math.log((this.uint32() + 1) / 0x100000000));
    const angle = (2 * Math.PI * this.uint32()) / 0x100000000;
    this.spareNormal = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  // Plain variables: millions of weights are drawn from here, and a tuple a round takes longer than its arithmetic.
  private refill(): void {
    let c0 = this.block | 0;
    let c1 = Math.floor(this.block / 2 ** 32) | 0;
    let c2 = this.index | 0;
    let c3 = this.seedHigh | 0;
    let k0 = this.key0 | 0;
    let k1 = this.stream | 0;
    for (let round = 0; round < 10; round++) {
      const h0 = mulHigh(0xd2511f53, c0);
      const h1 = mulHigh(0xcd9e8d57, c2);
      const l0 = Math.imul(0xd2511f53, c0);
      const l1 = Math.imul(0xcd9e8d57, c2);
      c0 = h1 ^ c1 ^ k0;
      c1 = l1;
      c2 = h0 ^ c3 ^ k1;
      c3 = l0;
      k0 = (k0 + 0x9e3779b9) | 0;
      k1 = (k1 + 0xbb67ae85) | 0;
    }
    const { words } = this;
    words[0] = c0;
    words[1] = c1;
    words[2] = c2;
    words[3] = c3;
    this.block++;
    this.used = 0;
  }
}
