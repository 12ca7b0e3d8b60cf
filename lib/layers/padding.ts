/**
 * Padding of a window as Keras does it: `valid` adds nothing; `same` pads so that the result has ceil(size / stride)
 * elements, with the odd element at the bottom or right.
 */
import { GradstepError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { windowOutput } from '../ops/window.js';
import { oneOf } from '../options.js';
import { expectAxes } from './define_layer.js';

export type Padding = 'valid' | 'same';

export const paddingOption = oneOf(['valid', 'same']);

export interface WindowOptions {
  size: readonly [number, number];
  strides: readonly [number, number];
  dilation: readonly [number, number];
  padding: Padding;
}

/** Elements added before and after an axis. */
function axisPadding(length: number, size: number, stride: number, dilation: number, padding: Padding): [number, number] {
  if (padding === 'valid') return [0, 0];
  const total = Math.max(0, (Math.ceil(length / stride) - 1) * stride + (size - 1) * dilation + 1 - length);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

/** Padding of samples [height, width, channels], under the names that ops take. */
export function windowPadding([height, width]: Shape, { size, strides, dilation, padding }: WindowOptions) {
  const [padTop, padBottom] = axisPadding(height!, size[0], strides[0], dilation[0], padding);
  const [padLeft, padRight] = axisPadding(width!, size[1], strides[1], dilation[1], padding);
  return { padTop, padBottom, padLeft, padRight };
}

/** Height and width of the result for samples [height, width, channels]; ERR_SHAPE when the window is larger than they are. */
export function windowedSize(input: Shape, options: WindowOptions): [number, number] {
  expectAxes(input, ['height', 'width', 'channels']);
  const { size, strides, dilation, padding } = options;
  const pads = windowPadding(input, options);
  const result: [number, number] = [
    windowOutput(input[0]!, size[0], strides[0], dilation[0], pads.padTop + pads.padBottom),
    windowOutput(input[1]!, size[1], strides[1], dilation[1], pads.padLeft + pads.padRight),
  ];
  if (result.some((d) => d < 1)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `A window of ${formatShape(size)} with padding "${padding}" does not fit into samples of shape ${formatShape(input)}`,
    );
  }
  return result;
}
