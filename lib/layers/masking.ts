/** masking: leaves out the steps of a sequence whose features all have one value. */
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { number, optional, type SchemaOf } from '../options.js';
import { GradstepError } from '../errors.js';
import { formatShape } from '../graph/shape.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface MaskingOptions extends LayerOptions {
  /** A step is left out when every feature equals this. Default 0. */
  maskValue?: number;
}

const options = { maskValue: optional(number(), 0) } satisfies SchemaOf<Omit<MaskingOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Masking',
  factory: 'masking',
  baseName: 'masking',
  options,
  outputShape(_options, input) {
    if (input.length < 2) {
      throw new GradstepError('ERR_SHAPE', `Expected samples of shape [time, ..., features] but received ${formatShape(input)}`);
    }
    return input;
  },
  call({ maskValue }, x, context) {
    const differing = sum(elementwise('notEqual', x, maskValue), [-1], true);
    const mask = elementwise('step', differing);
    context.setMask(reshape(mask, x.shape.slice(0, -1)));
    return elementwise('mul', x, mask);
  },
});

/**
 * Masks the steps whose features all equal `maskValue`, for the layers and the loss after it, and sets them to 0:
 * [rows, time, …, features] → the same.
 */
export function masking(options?: MaskingOptions): Layer {
  return make(options);
}
