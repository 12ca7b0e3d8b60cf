/** centerCrop: the middle of each image. */
import { defineLayer, expectAxes, type Layer } from './define_layer.js';
import { centre, imageSizeOptions, resizeWithoutDistortion, type ImageSizeOptions } from './image_size.js';

export type CenterCropOptions = ImageSizeOptions;

const make = defineLayer({
  className: 'CenterCrop',
  factory: 'centerCrop',
  baseName: 'center_crop',
  options: imageSizeOptions,
  outputShape({ height, width }, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return [height, width, input[2]!];
  },
  call({ height, width }, x) {
    const fits = x.shape[1]! >= height && x.shape[2]! >= width;
    return fits ? centre(x, height, width) : resizeWithoutDistortion(x, height, width, 'bilinear');
  },
});

/**
 * [rows, any height, any width, channels] → [rows, height, width, channels]: the window in the middle. Of images that are
 * smaller, the largest window of the wanted aspect ratio, enlarged.
 */
export function centerCrop(options: CenterCropOptions): Layer {
  return make(options);
}
