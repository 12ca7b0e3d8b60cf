/** randomFlip: while training, each image is mirrored or not. */
import { randomCrop } from '../ops/crop.js';
import { oneOf, optional, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';

export interface RandomFlipOptions extends LayerOptions {
  /** Left to right, top to bottom, or each of them independently. Default `horizontalAndVertical`. */
  mode?: 'horizontal' | 'vertical' | 'horizontalAndVertical';
}

const options = {
  mode: optional(oneOf(['horizontal', 'vertical', 'horizontalAndVertical']), 'horizontalAndVertical' as const),
} satisfies SchemaOf<Omit<RandomFlipOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'RandomFlip',
  factory: 'randomFlip',
  baseName: 'random_flip',
  options,
  outputShape(_options, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return input;
  },
  call({ mode }, x, { training, state, stream }) {
    if (!training) return x;
    const [, height, width] = x.shape as [number, number, number];
    const flip = mode === 'horizontalAndVertical' ? 'both' : mode;
    return randomCrop(x, state, { height, width, top: 0, left: 0, rows: 1, columns: 1, flip, stream: stream('flip') });
  },
});

/** While training, mirrors each of [rows, height, width, channels] with probability ½ in each direction; otherwise x → x. */
export function randomFlip(options?: RandomFlipOptions): Layer {
  return make(options);
}
