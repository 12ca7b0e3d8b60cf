/** spatialDropout (Tompson et al. 2015): dropout of whole channels, for features that are alike from place to place. */
import type { SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { dropShared, rateOption } from './drop_options.js';

export interface SpatialDropoutOptions extends LayerOptions {
  /** Probability of each channel of each sample to be zeroed, in [0, 1). */
  rate: number;
}

const options = { rate: rateOption } satisfies SchemaOf<Omit<SpatialDropoutOptions, keyof LayerOptions>>;

function define(dimensions: 1 | 2 | 3, axes: readonly string[]): (options: unknown) => Layer {
  return defineLayer({
    className: `SpatialDropout${dimensions}D`,
    factory: `spatialDropout${dimensions}d`,
    baseName: `spatial_dropout${dimensions}d`,
    options,
    mask: 'pass',
    outputShape(_options, input) {
      expectAxes(input, [...axes, 'channels']);
      return input;
    },
    call({ rate }, x, { training, state, stream }) {
      if (!training || rate === 0) return x;
      const rule = { rate, factor: 1 / (1 - rate), offset: 0, dropped: 0, stream: stream('dropout') };
      return dropShared(x, state, rule, [null, ...axes.map(() => 1), null]);
    },
  });
}

const [make1d, make2d, make3d] = [define(1, ['time']), define(2, ['height', 'width']), define(3, ['depth', 'height', 'width'])];

/** While training, zeroes whole channels of [rows, time, channels] and divides the others by 1 − rate; otherwise x → x. */
export function spatialDropout1d(options: SpatialDropoutOptions): Layer {
  return make1d(options);
}

/** While training, zeroes whole channels of [rows, height, width, channels] and divides the others by 1 − rate; otherwise x → x. */
export function spatialDropout2d(options: SpatialDropoutOptions): Layer {
  return make2d(options);
}

/** While training, zeroes whole channels of [rows, depth, height, width, channels] and divides the others by 1 − rate; otherwise x → x. */
export function spatialDropout3d(options: SpatialDropoutOptions): Layer {
  return make3d(options);
}
