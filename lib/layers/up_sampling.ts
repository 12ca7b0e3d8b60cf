/** upSampling: larger by whole factors, by repetition or, for images, by bilinear interpolation. */
import { optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { reshape } from '../ops/reshape.js';
import { resize, type Interpolation } from '../ops/resize.js';
import { integer, oneOf, optional, pair, type Check, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';

export interface UpSampling1dOptions extends LayerOptions {
  /** How often each step is repeated. Default 2. */
  size?: number;
}

export interface UpSampling2dOptions extends LayerOptions {
  /** Factor of height and width: one number for both, or a pair. Default 2. */
  size?: number | readonly [number, number];
  /** `nearest` repeats pixels; `bilinear` interpolates, pixel centres at halves. Default `nearest`. */
  interpolation?: Interpolation;
}

export interface UpSampling3dOptions extends LayerOptions {
  /** How often each element is repeated along depth, height and width: one number for all, or three. Default 2. */
  size?: number | readonly [number, number, number];
}

const triple: Check<readonly [number, number, number]> = (value, name) => {
  const all: unknown[] = Array.isArray(value) ? value : [value, value, value];
  if (all.length !== 3 || !all.every((v) => typeof v === 'number' && Number.isInteger(v) && v > 0)) {
    throw optionError(name, 'integer > 0 or three of them', value);
  }
  return all as [number, number, number];
};

const make1d = defineLayer({
  className: 'UpSampling1D',
  factory: 'upSampling1d',
  baseName: 'up_sampling1d',
  options: { size: optional(integer(1), 2) } satisfies SchemaOf<Omit<UpSampling1dOptions, keyof LayerOptions>>,
  outputShape({ size }, input) {
    expectAxes(input, ['time', 'channels']);
    return [input[0]! * size, input[1]!];
  },
  call({ size }, x) {
    const [n, time, channels] = x.shape as [number, number, number];
    return reshape(resize(reshape(x, [n, time, 1, channels]), time * size, 1, 'nearest'), [n, time * size, channels]);
  },
});

const make2d = defineLayer({
  className: 'UpSampling2D',
  factory: 'upSampling2d',
  baseName: 'up_sampling2d',
  options: {
    size: optional(pair, [2, 2] as const),
    interpolation: optional(oneOf(['nearest', 'bilinear']), 'nearest' as const),
  } satisfies SchemaOf<Omit<UpSampling2dOptions, keyof LayerOptions>>,
  outputShape({ size }, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return [input[0]! * size[0], input[1]! * size[1], input[2]!];
  },
  call: ({ size, interpolation }, x) => resize(x, x.shape[1]! * size[0], x.shape[2]! * size[1], interpolation),
});

/** Repetition along the second axis of [rows, depth, height, width, channels], then along the next two. */
function repeat3d(x: Value, [deep, high, wide]: readonly [number, number, number]): Value {
  const [n, d, h, w, c] = x.shape as [number, number, number, number, number];
  const deeper = resize(reshape(x, [n, d, 1, h * w * c]), d * deep, 1, 'nearest');
  const larger = resize(reshape(deeper, [n * d * deep, h, w, c]), h * high, w * wide, 'nearest');
  return reshape(larger, [n, d * deep, h * high, w * wide, c]);
}

const make3d = defineLayer({
  className: 'UpSampling3D',
  factory: 'upSampling3d',
  baseName: 'up_sampling3d',
  options: { size: optional(triple, [2, 2, 2] as const) } satisfies SchemaOf<Omit<UpSampling3dOptions, keyof LayerOptions>>,
  outputShape({ size }, input) {
    expectAxes(input, ['depth', 'height', 'width', 'channels']);
    return [...size.map((factor, i) => input[i]! * factor), input[3]!];
  },
  call: ({ size }, x) => repeat3d(x, size),
});

/** Repeats each step: [rows, time, channels] → [rows, time · size, channels]. */
export function upSampling1d(options?: UpSampling1dOptions): Layer {
  return make1d(options);
}

/** Enlarges images: [rows, height, width, channels] → [rows, height · size[0], width · size[1], channels]. */
export function upSampling2d(options?: UpSampling2dOptions): Layer {
  return make2d(options);
}

/** Repeats elements along depth, height and width of [rows, depth, height, width, channels]. */
export function upSampling3d(options?: UpSampling3dOptions): Layer {
  return make3d(options);
}
