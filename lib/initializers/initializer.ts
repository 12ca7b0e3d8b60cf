/**
 * An initializer gives a weight its first values. It draws from the weight's own random stream, keyed by the seed, the
 * layer's path and the weight's role, so adding or removing a layer moves no other layer's numbers.
 */
import type { Shape } from '../graph/shape.js';
import { sizeOf } from '../graph/shape.js';
import type { RandomStream } from '../random.js';

export interface Initializer {
  /** The name it is saved under. */
  readonly name: string;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Returns the function that is called once for each element, in order. */
  sampler(shape: Shape): Sampler;
}

/** Draws the next element of a weight. */
export interface Sampler {
  (random: RandomStream): number;
  /** Does ahead what would take long at once, with a pause every few milliseconds; the numbers are the same without it. */
  prepare?: (random: RandomStream, pause: () => Promise<void>) => Promise<void>;
}

/** How many inputs and outputs each unit of a weight has: dense [in, out], convolution [h, w, in, out], bias [n]. */
export function fans(shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) return { fanIn: shape[0] ?? 1, fanOut: shape[0] ?? 1 };
  const field = sizeOf(shape.slice(0, -2));
  return { fanIn: field * shape.at(-2)!, fanOut: field * shape.at(-1)! };
}
