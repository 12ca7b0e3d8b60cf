/** randomRotation: while training, each image is turned about its centre by an angle drawn in every step. */
import type { Layer } from './define_layer.js';
import { factorOption, type Factor } from './factor_option.js';
import { defineRandomAffine, type SamplingOptions } from './random_affine.js';

export interface RandomRotationOptions extends SamplingOptions {
  /** In full turns, anticlockwise: from [lower, upper], or from ± one number; 0.1 is up to 36° either way. */
  factor: Factor;
}

const make = defineRandomAffine(
  { className: 'RandomRotation', factory: 'randomRotation', baseName: 'random_rotation' },
  { factor: factorOption() },
  ({ factor }) => ({ turn: factor }),
);

/** While training, turns each of [rows, height, width, channels]; otherwise x → x. */
export function randomRotation(options: RandomRotationOptions): Layer {
  return make(options);
}
