/**
 * Clips of real digits that move, and nothing but the order of frames tells how. A digit at half its size has 17 places on a
 * picture whose opposite edges meet (what leaves on one side comes in on the other): place k is k steps of (4, 1)·32/17 pixels,
 * down and to the right, from a point drawn anywhere. Since 4·4 ≡ −1 (mod 17), going on by 4 places is a step of the same length at
 * a right angle: (16, 4) ≡ (−1, 4). So the motions +1, +4, −1 and −4 are the four quarter turns of one velocity, each visits all 17
 * places before it comes back, and a clip of 16 frames shows all places but one, which is any of them for every motion alike.
 */
import * as gs from '../lib/index.js';
import { type Digits, SIDE } from './mnist_data.js';
import type { Random } from './random.js';

export const FRAMES = 16;
export const FRAME_SIDE = 32;
const PLACES = FRAMES + 1;
/** Half the side of a digit as it comes. */
const SMALL = SIDE / 2;

/** Places that a motion goes on by, and where that is, in rows and columns of 32 / 17 of a pixel. */
export const MOTIONS = [
  { name: 'down', places: 1, step: [4, 1] },
  { name: 'right', places: 4, step: [-1, 4] },
  { name: 'up', places: -1, step: [-4, -1] },
  { name: 'left', places: -4, step: [1, -4] },
] as const;

export interface Clips {
  /** [clips, frames, 32, 32, 1], 0 … 255. */
  x: gs.Tensor<Uint8Array>;
  /** [clips], places in MOTIONS. */
  y: gs.Tensor<Int32Array>;
}

/** Where a digit is in each frame: places 0 … 16 along the first motion. */
export function placesOf(motion: number, start: number): number[] {
  const { places } = MOTIONS[motion]!;
  return Array.from({ length: FRAMES }, (_, frame) => (start + frame * (places + PLACES)) % PLACES);
}

/** The picture at each of the 17 places, of a digit whose place 0 is at a row and a column in [0, 32). */
export function drawPlaces(digits: Digits, digit: number, row: number, column: number): Uint8Array[] {
  const small = halved(digits, digit);
  const [down, right] = MOTIONS[0].step;
  const pixels = FRAME_SIDE / PLACES;
  return Array.from({ length: PLACES }, (_, place) => drawn(small, row + place * down * pixels, column + place * right * pixels));
}

/** Clips of digits drawn from those given, as many of each motion as of any other, mixed. */
export function makeClips(digits: Digits, clips: number, random: Random): Clips {
  const x = new Uint8Array(clips * FRAMES * FRAME_SIDE ** 2);
  const y = mixed(
    Array.from({ length: clips }, (_, i) => i % MOTIONS.length),
    random,
  );
  y.forEach((motion, clip) => {
    const digit = random.integer(digits.count);
    const pictures = drawPlaces(digits, digit, FRAME_SIDE * random.uniform(), FRAME_SIDE * random.uniform());
    placesOf(motion, random.integer(PLACES)).forEach((place, frame) => {
      x.set(pictures[place]!, (clip * FRAMES + frame) * FRAME_SIDE ** 2);
    });
  });
  return { x: gs.tensor(x, [clips, FRAMES, FRAME_SIDE, FRAME_SIDE, 1]), y: gs.tensor(Int32Array.from(y), [clips]) };
}

/** The same clips with the frames of each in an order of its own. */
export function shuffledFrames({ x, y }: Clips, random: Random): Clips {
  const order = Array.from({ length: FRAMES }, (_, frame) => frame);
  return withFrames({ x, y }, () => mixed(order, random));
}

/** The same clips, shortened to one frame of each, any of them. */
export function singleFrames(clips: Clips, random: Random): Clips {
  return withFrames(clips, () => [random.integer(FRAMES)]);
}

/** Clips of the frames that are chosen for each. */
function withFrames({ x, y }: Clips, choose: () => number[]): Clips {
  const clips = x.shape[0]!;
  const size = FRAME_SIDE ** 2;
  const chosen = Array.from({ length: clips }, choose);
  const frames = chosen[0]!.length;
  const data = new Uint8Array(clips * frames * size);
  chosen.forEach((numbers, clip) => {
    numbers.forEach((from, to) => {
      const at = (clip * FRAMES + from) * size;
      data.set(x.data.subarray(at, at + size), (clip * frames + to) * size);
    });
  });
  return { x: gs.tensor(data, [clips, frames, FRAME_SIDE, FRAME_SIDE, 1]), y };
}

/** A digit of half its side: means of four pixels. */
function halved({ pixels }: Digits, digit: number): Float32Array {
  const at = (row: number, column: number): number => pixels[digit * SIDE ** 2 + row * SIDE + column]!;
  return Float32Array.from({ length: SMALL ** 2 }, (_, i) => {
    const [row, column] = [2 * Math.floor(i / SMALL), 2 * (i % SMALL)];
    return (at(row, column) + at(row, column + 1) + at(row + 1, column) + at(row + 1, column + 1)) / 4;
  });
}

/** A frame with a digit at a place between pixels (bilinear), over the edges if need be. */
function drawn(digit: Float32Array, row: number, column: number): Uint8Array {
  const ink = new Float32Array(FRAME_SIDE ** 2);
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const [below, beside] = [row - top, column - left];
  for (let i = 0; i < digit.length; i++) {
    const value = digit[i]!;
    if (value === 0) continue;
    const upper = ((top + Math.floor(i / SMALL)) % FRAME_SIDE) * FRAME_SIDE;
    const lower = ((top + Math.floor(i / SMALL) + 1) % FRAME_SIDE) * FRAME_SIDE;
    const [first, second] = [(left + (i % SMALL)) % FRAME_SIDE, (left + (i % SMALL) + 1) % FRAME_SIDE];
    ink[upper + first]! += (1 - below) * (1 - beside) * value;
    ink[upper + second]! += (1 - below) * beside * value;
    ink[lower + first]! += below * (1 - beside) * value;
    ink[lower + second]! += below * beside * value;
  }
  const bytes = new Uint8Array(ink.length);
  for (let i = 0; i < ink.length; i++) bytes[i] = Math.round(ink[i]!);
  return bytes;
}

/** A copy in random order (Fisher and Yates). */
function mixed(items: readonly number[], random: Random): number[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
