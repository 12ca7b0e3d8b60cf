/** randomCrop: while training, a window of each image at a place drawn in every step. */
import { randomCrop as cropAtRandom } from '../ops/crop.js';
import { defineLayer, expectAxes, type Layer } from './define_layer.js';
import { imageSizeOptions, resizeWithoutDistortion, type ImageSizeOptions } from './image_size.js';

export type RandomCropOptions = ImageSizeOptions;

const make = defineLayer({
  className: 'RandomCrop',
  factory: 'randomCrop',
  baseName: 'random_crop',
  options: imageSizeOptions,
  outputShape({ height, width }, input) {
    expectAxes(input, ['height', 'width', 'channels']);
    return [height, width, input[2]!];
  },
  call({ height, width }, x, { training, state, stream }) {
    const [, h, w] = x.shape as [number, number, number];
    if (!training || h < height || w < width) return resizeWithoutDistortion(x, height, width, 'bilinear');
    const window = { height, width, top: 0, left: 0, rows: h - height + 1, columns: w - width + 1 };
    return cropAtRandom(x, state, { ...window, flip: 'none', stream: stream('crop') });
  },
});

/**
 * [rows, any height, any width, channels] → [rows, height, width, channels]. While training, a window whose place is drawn
 * for each image; otherwise, and of images that are smaller, the largest window of the wanted aspect ratio in the middle,
 * resized.
 */
export function randomCrop(options: RandomCropOptions): Layer {
  return make(options);
}
