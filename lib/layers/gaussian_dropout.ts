/** gaussianDropout (Srivastava et al. 2014): while training, elements are multiplied by normal numbers around 1. */
import { noise } from '../ops/noise.js';
import type { SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { rateOption } from './drop_options.js';

export interface GaussianDropoutOptions extends LayerOptions {
  /** As for `dropout`, in [0, 1): the factors have the same mean and variance. */
  rate: number;
}

const options = { rate: rateOption } satisfies SchemaOf<Omit<GaussianDropoutOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'GaussianDropout',
  factory: 'gaussianDropout',
  baseName: 'gaussian_dropout',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call({ rate }, x, { training, state, stream }) {
    return training && rate > 0 ? noise(x, state, 'multiply', Math.sqrt(rate / (1 - rate)), stream('noise')) : x;
  },
});

/** While training, y = x · (1 + √(rate / (1 − rate)) · z), z normal with mean 0 and variance 1; otherwise x → x. */
export function gaussianDropout(options: GaussianDropoutOptions): Layer {
  return make(options);
}
