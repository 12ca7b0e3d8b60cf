/** gaussianNoise: while training, normal noise is added: data augmentation for any numbers. */
import { noise } from '../ops/noise.js';
import { number, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface GaussianNoiseOptions extends LayerOptions {
  /** Standard deviation of the noise, >= 0. */
  stddev: number;
}

const options = {
  stddev: number('number >= 0', (v) => v >= 0),
} satisfies SchemaOf<Omit<GaussianNoiseOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'GaussianNoise',
  factory: 'gaussianNoise',
  baseName: 'gaussian_noise',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call({ stddev }, x, { training, state, stream }) {
    return training && stddev > 0 ? noise(x, state, 'add', stddev, stream('noise')) : x;
  },
});

/** While training, y = x + stddev · z, z normal with mean 0 and variance 1 for each element; otherwise x → x. */
export function gaussianNoise(options: GaussianNoiseOptions): Layer {
  return make(options);
}
