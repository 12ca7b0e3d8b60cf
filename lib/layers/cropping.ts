/** cropping1d, cropping2d, cropping3d: elements taken from the ends of the spatial axes, channels last. */
import { GradstepError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { pad } from '../ops/pad.js';
import { optional, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { amountsOption, type Amounts, type Amounts1d, type Amounts2d, type Amounts3d } from './spatial_amounts.js';

export interface Cropping1dOptions extends LayerOptions {
  /** Steps taken away: a number for both ends, or [before, after]. Default 1. */
  cropping?: Amounts1d;
}

export interface Cropping2dOptions extends LayerOptions {
  /** Rows and columns taken away: a number for all sides, [height, width], or [[top, bottom], [left, right]]. Default 0. */
  cropping?: Amounts2d;
}

export interface Cropping3dOptions extends LayerOptions {
  /** A number for all sides, one an axis, or [before, after] for each of depth, height and width. Default 1. */
  cropping?: Amounts3d;
}

const AXES = {
  1: ['steps', 'channels'],
  2: ['height', 'width', 'channels'],
  3: ['depth', 'height', 'width', 'channels'],
} as const;

function define(axes: 1 | 2 | 3, amount: number): (options: unknown) => Layer {
  const cropping = optional(
    amountsOption(axes),
    Array.from({ length: axes }, () => [amount, amount] as const),
  );
  const shape = (amounts: readonly Amounts[], input: Shape) => {
    expectAxes(input, AXES[axes]);
    const left = input.map((d, i) => d - (amounts[i]?.[0] ?? 0) - (amounts[i]?.[1] ?? 0));
    if (left.some((d) => d < 1)) {
      const what = amounts.map(formatShape).join(', ');
      throw new GradstepError('ERR_SHAPE', `Cropping by [${what}] leaves nothing of samples of shape ${formatShape(input)}`);
    }
    return left;
  };
  return defineLayer({
    className: `Cropping${axes}D`,
    factory: `cropping${axes}d`,
    baseName: `cropping${axes}d`,
    options: { cropping } satisfies SchemaOf<Pick<Cropping2dOptions, 'cropping'>>,
    inputDtype: 'any',
    outputShape: (o, input) => shape(o.cropping, input),
    call: (o, x) => pad(x, [0, ...o.cropping.map((c) => -c[0]), 0], [0, ...o.cropping.map((c) => -c[1]), 0]),
  });
}

const [make1d, make2d, make3d] = [define(1, 1), define(2, 0), define(3, 1)];

/** A sequence without its ends: [rows, steps, channels] → [rows, steps − before − after, channels]. */
export function cropping1d(options?: Cropping1dOptions): Layer {
  return make1d(options);
}

/** Images without their margins: [rows, height, width, channels] → [rows, height − top − bottom, width − left − right, channels]. */
export function cropping2d(options?: Cropping2dOptions): Layer {
  return make2d(options);
}

/** Volumes without their margins: [rows, depth, height, width, channels], the three spatial axes smaller by what is taken away. */
export function cropping3d(options?: Cropping3dOptions): Layer {
  return make3d(options);
}
