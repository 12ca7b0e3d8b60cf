/** maxPooling2d: the largest element of each window, per channel, channels last. */
import { maxPool2d } from '../ops/max_pool2d.js';
import { optional, pair, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { paddingOption, windowedSize, windowPadding, type Padding, type WindowOptions } from './padding.js';

export interface MaxPooling2dOptions extends LayerOptions {
  /** Height and width of the window: one number for both, or a pair. Default 2. */
  poolSize?: number | readonly [number, number];
  /** Step between windows. Default: the window's size. */
  strides?: number | readonly [number, number];
  /** `valid`: only whole windows; `same`: windows may reach over the edge. Default `valid`. */
  padding?: Padding;
}

const options = {
  poolSize: optional(pair, [2, 2] as const),
  strides: optional(pair, undefined),
  padding: optional(paddingOption, 'valid' as const),
} satisfies SchemaOf<Omit<MaxPooling2dOptions, keyof LayerOptions>>;

function windowOf(o: {
  poolSize: readonly [number, number];
  strides: readonly [number, number] | undefined;
  padding: Padding;
}): WindowOptions {
  return { size: o.poolSize, strides: o.strides ?? o.poolSize, dilation: [1, 1], padding: o.padding };
}

const make = defineLayer({
  className: 'MaxPooling2D',
  factory: 'maxPooling2d',
  baseName: 'max_pooling2d',
  options,
  outputShape(o, input) {
    return [...windowedSize(input, windowOf(o)), input[2]!];
  },
  call(o, x) {
    const window = windowOf(o);
    const [poolH, poolW] = window.size;
    const [strideH, strideW] = window.strides;
    return maxPool2d(x, { poolH, poolW, strideH, strideW, ...windowPadding(x.shape.slice(1), window) });
  },
});

/** The largest element of each window: [rows, height, width, channels] → [rows, height′, width′, channels]. */
export function maxPooling2d(options?: MaxPooling2dOptions): Layer {
  return make(options);
}
