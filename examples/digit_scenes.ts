/** Scenes to segment: handwritten digits at random places of a canvas, and for every pixel which digit it belongs to. */
import * as gs from '../lib/index.js';
import { type Digits, SIDE } from './mnist_data.js';
import type { Random } from './random.js';

/** Side of a scene, in pixels. */
export const CANVAS = 48;

/** Nothing, and the ten digits. */
export const CLASSES = 11;

/** Darker pixels than this, of 255, belong to the digit. */
const INK = 80;

export interface Scenes {
  /** [count, 48, 48, 1], 0 (paper) … 255 (ink). */
  readonly x: gs.Tensor<Uint8Array>;
  /** [count, 48, 48], 0 for paper, 1 + d for the digit d. */
  readonly y: gs.Tensor<Uint8Array>;
}

/** Scenes of `perScene` digits each, which may touch: of two, the darker one has the pixel. */
export function composeScenes(digits: Digits, count: number, perScene: number, random: Random): Scenes {
  const x = new Uint8Array(count * CANVAS ** 2);
  const y = new Uint8Array(count * CANVAS ** 2);
  for (let scene = 0; scene < count; scene++) {
    for (let n = 0; n < perScene; n++) {
      const digit = random.integer(digits.count);
      const [top, left] = [random.integer(CANVAS - SIDE + 1), random.integer(CANVAS - SIDE + 1)];
      for (let i = 0; i < SIDE ** 2; i++) {
        const ink = digits.pixels[digit * SIDE ** 2 + i]!;
        const at = (scene * CANVAS + top + Math.floor(i / SIDE)) * CANVAS + left + (i % SIDE);
        if (ink <= x[at]!) continue;
        x[at] = ink;
        if (ink > INK) y[at] = 1 + digits.labels[digit]!;
      }
    }
  }
  return { x: gs.tensor(x, [count, CANVAS, CANVAS, 1]), y: gs.tensor(y, [count, CANVAS, CANVAS]) };
}
