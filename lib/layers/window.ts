/** What layers of windows that slide over samples [axes…, channels] check: options, and the sizes of samples and results. */
import { GradstepError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { slidLengths, type SlidingWindow } from '../ops/sliding.js';
import { oneOf, type Axes } from '../options.js';
import { expectAxes } from './define_layer.js';

export const paddingOption = oneOf(['valid', 'same']);
export const causalPaddingOption = oneOf(['valid', 'same', 'causal']);

const AXIS_NAMES: Readonly<Record<Axes, readonly string[]>> = {
  1: ['steps'],
  2: ['height', 'width'],
  3: ['depth', 'height', 'width'],
};

/** The lengths of the axes of samples [axes…, channels]; ERR_SHAPE where there are not `axes` of them. */
export function axesOf(axes: Axes, input: Shape): Shape {
  expectAxes(input, [...AXIS_NAMES[axes], 'channels']);
  return input.slice(0, -1);
}

/** Lengths of the result for samples [axes…, channels]; ERR_SHAPE when the window is larger than they are. */
export function windowedSize(axes: Axes, input: Shape, window: SlidingWindow): number[] {
  const result = slidLengths(axesOf(axes, input), window);
  if (result.some((d) => d < 1)) {
    throw new GradstepError(
      'ERR_SHAPE',
      `A window of ${formatShape(window.size)} with padding "${window.padding}" does not fit into samples of shape ${formatShape(input)}`,
    );
  }
  return result;
}
