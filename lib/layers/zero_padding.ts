/** zeroPadding1d, zeroPadding2d, zeroPadding3d: zeros around the spatial axes, channels last. */
import type { Shape } from '../graph/shape.js';
import { pad } from '../ops/pad.js';
import { optional, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { amountsOption, type Amounts, type Amounts1d, type Amounts2d, type Amounts3d } from './spatial_amounts.js';

export interface ZeroPadding1dOptions extends LayerOptions {
  /** Steps added: a number for both ends, or [before, after]. Default 1. */
  padding?: Amounts1d;
}

export interface ZeroPadding2dOptions extends LayerOptions {
  /** Rows and columns added: a number for all sides, [height, width], or [[top, bottom], [left, right]]. Default 1. */
  padding?: Amounts2d;
}

export interface ZeroPadding3dOptions extends LayerOptions {
  /** A number for all sides, one an axis, or [before, after] for each of depth, height and width. Default 1. */
  padding?: Amounts3d;
}

const AXES = {
  1: ['steps', 'channels'],
  2: ['height', 'width', 'channels'],
  3: ['depth', 'height', 'width', 'channels'],
} as const;

function define(axes: 1 | 2 | 3): (options: unknown) => Layer {
  const padding = optional(
    amountsOption(axes),
    Array.from({ length: axes }, () => [1, 1] as const),
  );
  const shape = (amounts: readonly Amounts[], input: Shape) => {
    expectAxes(input, AXES[axes]);
    return input.map((d, i) => d + (amounts[i]?.[0] ?? 0) + (amounts[i]?.[1] ?? 0));
  };
  return defineLayer({
    className: `ZeroPadding${axes}D`,
    factory: `zeroPadding${axes}d`,
    baseName: `zero_padding${axes}d`,
    options: { padding } satisfies SchemaOf<Pick<ZeroPadding2dOptions, 'padding'>>,
    inputDtype: 'any',
    outputShape: (o, input) => shape(o.padding, input),
    call: (o, x) => pad(x, [0, ...o.padding.map((p) => p[0]), 0], [0, ...o.padding.map((p) => p[1]), 0]),
  });
}

const [make1d, make2d, make3d] = [define(1), define(2), define(3)];

/** Zeros before and after a sequence: [rows, steps, channels] → [rows, before + steps + after, channels]. */
export function zeroPadding1d(options?: ZeroPadding1dOptions): Layer {
  return make1d(options);
}

/** Zeros around images: [rows, height, width, channels] → [rows, top + height + bottom, left + width + right, channels]. */
export function zeroPadding2d(options?: ZeroPadding2dOptions): Layer {
  return make2d(options);
}

/** Zeros around volumes: [rows, depth, height, width, channels], the three spatial axes larger by what is added. */
export function zeroPadding3d(options?: ZeroPadding3dOptions): Layer {
  return make3d(options);
}
