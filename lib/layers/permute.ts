/** permute: the axes of each sample in another order. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { transpose } from '../ops/transpose.js';
import type { Check, SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface PermuteOptions extends LayerOptions {
  /** For each axis of the result, the axis of the input, counted from 1 (0 is the batch): [2, 1] swaps two. */
  dims: readonly number[];
}

const dims: Check<Shape> = (value, name) => {
  const given = Array.isArray(value) ? (value as unknown[]) : [];
  if (given.length === 0 || given.some((_, i) => !given.includes(i + 1))) {
    throw optionError(name, 'array that holds each integer from 1 to its length once', value);
  }
  return [...(given as number[])];
};

const options = { dims } satisfies SchemaOf<Omit<PermuteOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Permute',
  factory: 'permute',
  baseName: 'permute',
  options,
  inputDtype: 'any',
  outputShape(o, input) {
    if (input.length !== o.dims.length) {
      throw new GradstepError('ERR_SHAPE', `Expected samples of ${o.dims.length} dimensions but received ${formatShape(input)}`);
    }
    return o.dims.map((d) => input[d - 1]!);
  },
  call: (o, x) => transpose(x, [0, ...o.dims]),
});

/** Axis i of the result's samples is axis `dims[i]` of the input's: [rows, a, b] → [rows, b, a] for dims [2, 1]. */
export function permute(options: PermuteOptions): Layer {
  return make(options);
}
