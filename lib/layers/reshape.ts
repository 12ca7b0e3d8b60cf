/** reshape: each sample under another shape; no computation. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { reshape as reshapeTo } from '../ops/reshape.js';
import type { Check, SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface ReshapeOptions extends LayerOptions {
  /** Shape of one sample, without the batch. One size may be −1: what the others leave. */
  targetShape: readonly number[];
}

const targetShape: Check<Shape> = (value, name) => {
  const valid =
    Array.isArray(value) &&
    value.every((v) => Number.isInteger(v) && ((v as number) > 0 || v === -1)) &&
    value.filter((v) => v === -1).length < 2;
  if (!valid) throw optionError(name, 'array of integers > 0, one of which may be -1,', value);
  return [...(value as number[])];
};

const options = { targetShape } satisfies SchemaOf<Omit<ReshapeOptions, keyof LayerOptions>>;

function resolve(target: Shape, input: Shape): Shape {
  const size = sizeOf(input);
  const known = sizeOf(target.filter((d) => d !== -1));
  const shape = target.map((d) => (d === -1 ? size / known : d));
  if (sizeOf(shape) !== size || !shape.every(Number.isInteger)) {
    throw new GradstepError('ERR_SHAPE', `Cannot reshape samples of shape ${formatShape(input)} into ${formatShape(target)}`);
  }
  return shape;
}

const make = defineLayer({
  className: 'Reshape',
  factory: 'reshape',
  baseName: 'reshape',
  options,
  inputDtype: 'any',
  outputShape: (o, input) => resolve(o.targetShape, input),
  call: (o, x) => reshapeTo(x, [x.shape[0]!, ...resolve(o.targetShape, x.shape.slice(1))]),
});

/** The elements of each sample in the same order under `targetShape`: [rows, …] → [rows, ...targetShape]. */
export function reshape(options: ReshapeOptions): Layer {
  return make(options);
}
