/** randomTranslation: while training, each image is moved by an amount drawn in every step. */
import type { Layer } from './define_layer.js';
import { shareOption, type Factor } from './factor_option.js';
import { defineRandomAffine, type SamplingOptions } from './random_affine.js';

export interface RandomTranslationOptions extends SamplingOptions {
  /** Down, as a share of the height: from [lower, upper] within [−1, 1], or from ± one number from 0 to 1. */
  heightFactor: Factor;
  /** To the right, as a share of the width. */
  widthFactor: Factor;
}

const make = defineRandomAffine(
  { className: 'RandomTranslation', factory: 'randomTranslation', baseName: 'random_translation' },
  { heightFactor: shareOption, widthFactor: shareOption },
  ({ heightFactor, widthFactor }, height, width) => ({
    down: [heightFactor[0] * height, heightFactor[1] * height],
    right: [widthFactor[0] * width, widthFactor[1] * width],
  }),
);

/** While training, moves each of [rows, height, width, channels]; otherwise x → x. */
export function randomTranslation(options: RandomTranslationOptions): Layer {
  return make(options);
}
