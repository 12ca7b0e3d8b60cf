/** dot: products of two inputs summed over an axis of each, sample by sample. */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf, type Shape } from '../graph/shape.js';
import { multiply } from '../ops/batch_matmul.js';
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { transpose } from '../ops/transpose.js';
import { boolean, optional, type Check, type SchemaOf } from '../options.js';
import { defineMergeLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface DotOptions extends LayerOptions {
  /** The axis summed over in both inputs, or one for each; counted with the batch as 0, negative ones from the end. */
  axes: number | readonly [number, number];
  /** Whether both inputs are divided by their length along the axis first, so that the result is a cosine. Default false. */
  normalize?: boolean;
}

/** Lengths below this count as this: Keras's epsilon. */
const EPSILON = 1e-7;

const axesOption: Check<readonly [number, number]> = (value, name) => {
  const both: unknown[] = Array.isArray(value) ? value : [value, value];
  if (both.length !== 2 || both.some((v) => !Number.isInteger(v) || v === 0)) {
    throw optionError(name, 'integer other than 0, which is the batch, or two of them', value);
  }
  return [both[0] as number, both[1] as number];
};

const options = { axes: axesOption, normalize: optional(boolean, false) } satisfies SchemaOf<
  Omit<DotOptions, keyof LayerOptions>
>;

/** The axis of each input among those of its samples. */
function sampleAxes(axes: readonly [number, number], inputs: readonly Shape[]): [number, number] {
  if (inputs.length !== 2) throw new GradstepError('ERR_SHAPE', `Expected 2 inputs for layers.dot but received ${inputs.length}`);
  const at = axes.map((axis, i) => {
    const shape = inputs[i]!;
    const place = axis < 0 ? axis + shape.length : axis - 1;
    if (place < 0 || place >= shape.length) {
      throw new GradstepError('ERR_SHAPE', `Axis ${axis} is outside samples of shape ${formatShape(shape)}`);
    }
    return place;
  }) as [number, number];
  const [a, b] = inputs as [Shape, Shape];
  if (a[at[0]] !== b[at[1]]) {
    const sizes = `axis ${axes[0]} of ${formatShape(a)} and axis ${axes[1]} of ${formatShape(b)}`;
    throw new GradstepError('ERR_SHAPE', `Expected axes of the same size but received ${sizes}`);
  }
  return at;
}

function normalized(x: Value, axis: number): Value {
  const squares = sum(elementwise('square', x), [axis], true);
  return elementwise('div', x, elementwise('sqrt', elementwise('maximum', squares, EPSILON * EPSILON)));
}

/** x as matrices [rows, others, summed], or [rows, summed, others] where that is how it lies. */
function matrices(x: Value, axis: number): { value: Value; summedFirst: boolean } {
  const [rows, length] = [x.shape[0]!, x.shape[axis]!];
  const others = sizeOf(x.shape) / rows / length;
  if (axis === x.shape.length - 1) return { value: reshape(x, [rows, others, length]), summedFirst: false };
  const first = axis === 1 ? x : transpose(x, [0, axis, ...x.shape.map((_, i) => i).filter((i) => i !== 0 && i !== axis)]);
  return { value: reshape(first, [rows, length, others]), summedFirst: true };
}

const without = (shape: Shape, at: number) => shape.filter((_, i) => i !== at);

function resultShape(axes: readonly [number, number], inputs: readonly Shape[]): Shape {
  const at = sampleAxes(axes, inputs);
  const kept = inputs.flatMap((shape, i) => without(shape, at[i]!));
  return kept.length === 0 ? [1] : kept;
}

const make = defineMergeLayer({
  className: 'Dot',
  factory: 'dot',
  baseName: 'dot',
  options,
  outputShape: (o, inputs) => resultShape(o.axes, inputs),
  call(o, inputs) {
    const samples = inputs.map((x) => x.shape.slice(1));
    const at = sampleAxes(o.axes, samples);
    const [p, q] = inputs.map((x, i) => (o.normalize ? normalized(x, at[i]! + 1) : x)) as [Value, Value];
    // Vectors: one pass over both, not a batch of products of one row and one column.
    if (samples.every((s) => s.length === 1)) return sum(elementwise('mul', p, q), [1], true);
    const [a, b] = [matrices(p, at[0] + 1), matrices(q, at[1] + 1)];
    const y = multiply(a.value, b.value, a.summedFirst, !b.summedFirst);
    return reshape(y, [inputs[0]!.shape[0]!, ...resultShape(o.axes, samples)]);
  },
});

/**
 * Σ a·b over an axis of each input, sample by sample: [rows, …A, k], [rows, …B, k] → [rows, …A, …B], and [rows, 1] where
 * nothing else is left. With `normalize` both inputs are divided by max(√Σx², 1e-7) along the axis.
 */
export function dot(options: DotOptions): Layer {
  return make(options);
}
