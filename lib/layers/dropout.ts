/** dropout (Srivastava et al. 2014): while training, elements are zeroed at random and the rest scaled up. */
import { dropout as drop } from '../ops/dropout.js';
import { number, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface DropoutOptions extends LayerOptions {
  /** Probability of each element to be zeroed, in [0, 1). */
  rate: number;
}

const options = {
  rate: number('number in [0, 1)', (v) => v >= 0 && v < 1),
} satisfies SchemaOf<Omit<DropoutOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Dropout',
  factory: 'dropout',
  baseName: 'dropout',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call({ rate }, x, { training, state, stream }) {
    return training && rate > 0 ? drop(x, state, rate, stream('dropout')) : x;
  },
});

/** While training, zeroes each element with probability `rate` and divides the others by 1 − rate; otherwise x → x. */
export function dropout(options: DropoutOptions): Layer {
  return make(options);
}
