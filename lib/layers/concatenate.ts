/** concatenate: several inputs one behind the other along an axis. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, type Shape } from '../graph/shape.js';
import type { Value } from '../graph/graph.js';
import { concat } from '../ops/concat.js';
import { constant, elementwise } from '../ops/map.js';
import { optional, type Check, type SchemaOf } from '../options.js';
import { defineMergeLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface ConcatenateOptions extends LayerOptions {
  /** Axis, counted with the batch as 0, negative ones from the end. Default −1. */
  axis?: number;
}

const axisOption: Check<number> = (value, name) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value === 0) {
    throw optionError(name, 'integer other than 0, which is the batch,', value);
  }
  return value;
};

const options = { axis: optional(axisOption, -1) } satisfies SchemaOf<Omit<ConcatenateOptions, keyof LayerOptions>>;

/** The axis among those of a sample. */
function sampleAxis(axis: number, inputs: readonly Shape[]): number {
  const [first] = inputs as [Shape];
  const at = axis < 0 ? axis + first.length : axis - 1;
  if (at < 0 || at >= first.length) {
    throw new GradstepError('ERR_SHAPE', `Axis ${axis} is outside samples of shape ${formatShape(first)}`);
  }
  for (const shape of inputs) {
    if (shape.length !== first.length || shape.some((d, i) => i !== at && d !== first[i])) {
      const shapes = `${formatShape(first)} and ${formatShape(shape)}`;
      throw new GradstepError('ERR_SHAPE', `Samples of shapes ${shapes} differ elsewhere than along axis ${axis}`);
    }
  }
  return at;
}

/** Where time is joined, so are the masks; otherwise a step counts where it does in any input, as in all of one without a mask. */
function joinMasks(inputs: readonly Value[], masks: readonly (Value | undefined)[], at: number): Value | undefined {
  if (masks.every((m) => m === undefined)) return undefined;
  if (at === 0) {
    return concat(
      masks.map((m, i) => m ?? constant(inputs[i]!.graph, 1, inputs[i]!.shape.slice(0, 2))),
      1,
    );
  }
  return masks.includes(undefined) ? undefined : (masks as readonly Value[]).reduce((a, b) => elementwise('maximum', a, b));
}

const make = defineMergeLayer({
  className: 'Concatenate',
  factory: 'concatenate',
  baseName: 'concatenate',
  options,
  inputDtype: 'any',
  outputShape(o, inputs) {
    const at = sampleAxis(o.axis, inputs);
    return inputs[0]!.map((d, i) => (i === at ? inputs.reduce((n, s) => n + s[at]!, 0) : d));
  },
  call(o, inputs, context) {
    const at = sampleAxis(
      o.axis,
      inputs.map((x) => x.shape.slice(1)),
    );
    context.setMask(joinMasks(inputs, context.masks, at));
    return concat(inputs, at + 1);
  },
});

/**
 * Inputs that differ in size along `axis` only, one behind the other: [rows, …, a], [rows, …, b] → [rows, …, a + b]. Masks of
 * sequences are joined along time; along another axis a step counts where it does in any of the inputs.
 */
export function concatenate(options?: ConcatenateOptions): Layer {
  return make(options);
}
