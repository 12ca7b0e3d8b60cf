/** randomZoom: while training, each image is enlarged or shrunk from its centre by a factor drawn in every step. */
import type { Range } from '../ops/random_transform.js';
import { optional } from '../options.js';
import type { Layer } from './define_layer.js';
import { factorOption, type Factor } from './factor_option.js';
import { defineRandomAffine, type SamplingOptions } from './random_affine.js';

export interface RandomZoomOptions extends SamplingOptions {
  /**
   * From [lower, upper] above −1, or from ± one number from 0 to 1: positive amounts zoom out, negative ones in. With 0.2 the image
   * shows 1.2 times its height.
   */
  heightFactor: Factor;
  /** Likewise for the width. Default: the amount drawn for the height, which keeps the aspect ratio. */
  widthFactor?: Factor;
}

const amount = factorOption({ most: 1, range: ' above -1', accepts: (v) => v > -1 });

const shown = ([lower, upper]: Range): Range => [1 + lower, 1 + upper];

const make = defineRandomAffine(
  { className: 'RandomZoom', factory: 'randomZoom', baseName: 'random_zoom' },
  { heightFactor: amount, widthFactor: optional(amount, undefined) },
  ({ heightFactor, widthFactor }) => ({
    zoomHeight: shown(heightFactor),
    ...(widthFactor && { zoomWidth: shown(widthFactor) }),
  }),
);

/** While training, zooms each of [rows, height, width, channels]; otherwise x → x. */
export function randomZoom(options: RandomZoomOptions): Layer {
  return make(options);
}
