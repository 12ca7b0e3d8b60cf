/**
 * Axes as the options of layers name them: counted as Keras does, the batch being axis 0, negative ones from the end. Ops
 * that work on the last axes reach others by way of a transposition there and back.
 */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, type Shape } from '../graph/shape.js';
import { transpose } from '../ops/transpose.js';
import type { Check } from '../options.js';

const isAxis = (v: unknown): v is number => typeof v === 'number' && Number.isInteger(v) && v !== 0;

/** One axis, not the batch's. */
export const axisOption: Check<number> = (value, name) => {
  if (!isAxis(value)) throw optionError(name, 'integer other than 0 (the batch)', value);
  return value;
};

/** One axis or several, none of them the batch's. */
export const axesOption: Check<number | readonly number[]> = (value, name) => {
  if (Array.isArray(value) && value.length > 0 && value.every(isAxis)) return [...(value as number[])];
  if (!isAxis(value)) throw optionError(name, 'integer other than 0 (the batch) or array of them', value);
  return value;
};

/** The axes of a sample of shape `input` (without the batch), from 0, ascending; ERR_SHAPE where it has no such axis. */
export function sampleAxes(axes: number | readonly number[], input: Shape): number[] {
  const rank = input.length + 1;
  const found = (typeof axes === 'number' ? [axes] : axes).map((axis) => {
    const at = axis < 0 ? axis + rank : axis;
    if (at < 1 || at >= rank) {
      throw new GradstepError('ERR_SHAPE', `Samples of shape ${formatShape(input)} have no axis ${axis}`);
    }
    return at - 1;
  });
  if (new Set(found).size < found.length) {
    throw new GradstepError('ERR_SHAPE', `Expected distinct axes but received ${formatShape(axes as readonly number[])}`);
  }
  return found.sort((a, b) => a - b);
}

/** The order of a value's axes, of as many as `rank` and batch first, in which the sample's `axes` come last. */
function orderOf(rank: number, axes: readonly number[]): number[] {
  const all = Array.from({ length: rank }, (_, i) => i);
  const moved = axes.map((axis) => axis + 1);
  return [...all.filter((i) => !moved.includes(i)), ...moved];
}

/** x (batch first) with the sample's `axes` moved to the end. */
export function moveAxesLast(x: Value, axes: readonly number[]): Value {
  const order = orderOf(x.shape.length, axes);
  return order.every((axis, i) => axis === i) ? x : transpose(x, order);
}

/** Runs `body` on x (batch first) with the sample's `axes` moved to the end, and moves them back in the result. */
export function withAxesLast(x: Value, axes: readonly number[], body: (x: Value) => Value): Value {
  const last = moveAxesLast(x, axes);
  if (last === x) return body(x);
  const order = orderOf(x.shape.length, axes);
  return transpose(
    body(last),
    order.map((_, axis) => order.indexOf(axis)),
  );
}
