/**
 * Images enlarged, or made of their nearest pixels, with the centres of pixels at (i + 0.5) / size: as PyTorch, TensorFlow and Pillow
 * have it. (What libvips enlarges is shifted by half a pixel, along both axes.)
 */
import { setImmediate } from 'node:timers/promises';
import { allocate } from './tensor.js';

export type Interpolation = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos3';

/** Pixels of bytes [height, width, channels]. */
export interface Pixels {
  readonly data: Uint8Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Of an axis that is brought to `size` pixels, those from `begin` on, `count` of them. */
export interface AxisWindow {
  readonly size: number;
  readonly begin: number;
  readonly count: number;
}

/** Milliseconds of work between two looks at the event loop. */
const TURN_MS = 8;

/** Weights of a pixel `t` away, 0 from `radius` on. */
interface Kernel {
  readonly radius: number;
  at(t: number): number;
}

const sinc = (t: number): number => (t === 0 ? 1 : Math.sin(Math.PI * t) / (Math.PI * t));

/** Bicubic: Keys 1981, a = −1/2. */
const KERNELS: Readonly<Record<Exclude<Interpolation, 'nearest'>, Kernel>> = {
  bilinear: { radius: 1, at: (t) => 1 - t },
  bicubic: { radius: 2, at: (t) => (t < 1 ? (1.5 * t - 2.5) * t * t + 1 : ((-0.5 * t + 2.5) * t - 4) * t + 2) },
  lanczos3: { radius: 3, at: (t) => sinc(t) * sinc(t / 3) },
};

/** What each pixel is made of along an axis: `taps` pixels from its first one on, by their weights, which add up to 1. */
interface Mixture {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Float32Array;
}

/** Where the centre of a pixel lies among `from` pixels. */
const centre = (i: number, from: number, size: number): number => ((i + 0.5) * from) / size - 0.5;

function mixtureOf(from: number, { size, begin, count }: AxisWindow, { radius, at }: Kernel): Mixture {
  const taps = Math.min(2 * radius, from);
  const first = new Int32Array(count);
  const weights = new Float32Array(count * taps);
  for (let i = 0; i < count; i++) {
    const c = centre(begin + i, from, size);
    const start = Math.max(0, Math.min(Math.floor(c) - radius + 1, from - taps));
    first[i] = start;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const distance = Math.abs(start + k - c);
      const weight = distance < radius ? at(distance) : 0;
      weights[i * taps + k] = weight;
      sum += weight;
    }
    // Where pixels beyond the edge are missing, the others count for them.
    for (let k = 0; k < taps; k++) weights[i * taps + k]! /= sum;
  }
  return { taps, first, weights };
}

/** Calls `row` for each of `rows` rows, and lets the event loop have its turn. */
async function eachRow(rows: number, row: (y: number) => void): Promise<void> {
  let last = performance.now();
  for (let y = 0; y < rows; y++) {
    row(y);
    if (performance.now() - last < TURN_MS) continue;
    await setImmediate();
    last = performance.now();
  }
}

/** The nearest pixels of an image. */
async function nearest({ data, height, width, channels }: Pixels, rows: AxisWindow, columns: AxisWindow): Promise<Uint8Array> {
  const pick = (from: number, { size, begin, count }: AxisWindow): Int32Array =>
    Int32Array.from({ length: count }, (_, i) => Math.min(from - 1, Math.floor(((begin + i + 0.5) * from) / size)));
  const [ys, xs] = [pick(height, rows), pick(width, columns)];
  const result = allocate('uint8', rows.count * columns.count * channels) as Uint8Array;
  await eachRow(rows.count, (y) => {
    let to = y * columns.count * channels;
    for (const x of xs) {
      const from = (ys[y]! * width + x) * channels;
      for (let c = 0; c < channels; c++) result[to++] = data[from + c]!;
    }
  });
  return result;
}

/** The numbers of pixels; where the last channel says how opaque they are, the others multiplied by it, as what is mixed must be. */
function numbersOf({ data, channels }: Pixels): Float32Array {
  const numbers = Float32Array.from(data);
  if (channels !== 4) return numbers;
  for (let i = 0; i < numbers.length; i += 4) for (let c = 0; c < 3; c++) numbers[i + c]! *= numbers[i + 3]! / 255;
  return numbers;
}

/** Mixes rows of numbers: those from row `from` on, as many as there are weights. */
function mixRows(numbers: Float32Array, from: number, weights: Float32Array, result: Float32Array): void {
  const { length } = result;
  result.fill(0);
  weights.forEach((weight, k) => {
    const at = (from + k) * length;
    for (let i = 0; i < length; i++) result[i]! += weight * numbers[at + i]!;
  });
}

/** Mixes the columns of a row. */
function mixColumns(row: Float32Array, { taps, first, weights }: Mixture, channels: number, result: Float32Array): void {
  let to = 0;
  for (let x = 0; x < first.length; x++) {
    const at = first[x]! * channels;
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let k = 0, from = at + c; k < taps; k++, from += channels) sum += weights[x * taps + k]! * row[from]!;
      result[to++] = sum;
    }
  }
}

/** What numbersOf did to a row, undone. */
function divideByOpacity(row: Float32Array): void {
  for (let i = 0; i < row.length; i += 4) {
    const opaque = Math.min(255, row[i + 3]!);
    for (let c = 0; c < 3; c++) row[i + c] = opaque > 0 ? (row[i + c]! * 255) / opaque : 0;
  }
}

async function mixed(pixels: Pixels, rows: AxisWindow, columns: AxisWindow, kernel: Kernel): Promise<Uint8Array> {
  const { height, width, channels } = pixels;
  const numbers = numbersOf(pixels);
  const [down, across] = [mixtureOf(height, rows, kernel), mixtureOf(width, columns, kernel)];
  const length = columns.count * channels;
  const result = allocate('uint8', rows.count * length) as Uint8Array;
  const narrow = new Float32Array(width * channels);
  const wide = new Float32Array(length);
  await eachRow(rows.count, (y) => {
    mixRows(numbers, down.first[y]!, down.weights.subarray(y * down.taps, (y + 1) * down.taps), narrow);
    mixColumns(narrow, across, channels, wide);
    if (channels === 4) divideByOpacity(wide);
    for (let i = 0, to = y * length; i < length; i++) result[to++] = Math.max(0, Math.min(255, wide[i]! + 0.5));
  });
  return result;
}

/** Brings an image to another size, of which a part may be wanted. Axes must not shrink, but for `nearest`. */
export function resample(
  pixels: Pixels,
  rows: AxisWindow,
  columns: AxisWindow,
  interpolation: Interpolation,
): Promise<Uint8Array> {
  return interpolation === 'nearest' ? nearest(pixels, rows, columns) : mixed(pixels, rows, columns, KERNELS[interpolation]);
}
