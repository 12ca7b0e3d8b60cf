/** resizing: images of any size to one size. */
import { resize, type Interpolation } from '../ops/resize.js';
import { boolean, oneOf, optional, type SchemaOf } from '../options.js';
import { defineLayer, expectAxes, type Layer, type LayerOptions } from './define_layer.js';
import { imageSizeOptions, resizeWithoutDistortion, type ImageSizeOptions } from './image_size.js';

export interface ResizingOptions extends ImageSizeOptions {
  /** `bilinear`, without smoothing when it shrinks, or `nearest`; pixel centres at halves. Default `bilinear`. */
  interpolation?: Interpolation;
  /** Takes the largest window of the wanted aspect ratio, in the middle, so that nothing is distorted. Default false. */
  cropToAspectRatio?: boolean;
}

const options = {
  ...imageSizeOptions,
  interpolation: optional(oneOf(['nearest', 'bilinear']), 'bilinear' as const),
  cropToAspectRatio: optional(boolean, false),
} satisfies SchemaOf<Omit<ResizingOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Resizing',
  factory: 'resizing',
  baseName: 'resizing',
  options,
  outputShape({ height, width }, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return [height, width, input[2]!];
  },
  call({ height, width, interpolation, cropToAspectRatio }, x) {
    return (cropToAspectRatio ? resizeWithoutDistortion : resize)(x, height, width, interpolation);
  },
});

/** [rows, any height, any width, channels] → [rows, height, width, channels]. */
export function resizing(options: ResizingOptions): Layer {
  return make(options);
}
