/**
 * pad: y[i] = x[i − before], zero where that lies outside x. `before` and `after` count elements added to each axis;
 * negative ones are taken away, so this is cropping and slicing as well, and each is the other's gradient. The kernel sees
 * as few axes as there are padded ones: the axes behind a padded one are part of it. It can add to what y holds, so the
 * gradients of many slices of one value cost one pass over it.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, MAX_RANK, sizeOf, type Shape } from '../graph/shape.js';
import { reshape } from './reshape.js';

const beforeNames = Array.from({ length: MAX_RANK }, (_, i) => `before${i}`);

export const padOp = defineOp({
  name: 'pad',
  inputs: { x: { dtypes: ['float32', 'bfloat16', 'int32'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16', 'int32'], accumulate: true } },
  attrs: { shape: { type: 'dims' }, ...Object.fromEntries(beforeNames.map((n) => [n, { type: 'i32' as const, default: 0 }])) },
  infer: ({ x }, attrs) => ({ y: { dtype: x!.dtype, shape: attrs.shape as number[] } }),
  backward({ node, grads }) {
    const from = node.inputs.x!.shape;
    const to = node.attrs.shape as number[];
    const before = from.map((_, axis) => node.attrs[`before${axis}`] as number);
    const after = from.map((d, axis) => to[axis]! - d - before[axis]!);
    return {
      x: pad(
        grads.y!,
        before.map((n) => -n),
        after.map((n) => -n),
      ),
    };
  },
});

/** x with `before[axis]` and `after[axis]` zeros added to each axis; negative numbers take elements away. */
export function pad(x: Value, before: readonly number[], after: readonly number[]): Value {
  const rank = x.shape.length;
  for (const amounts of [before, after]) {
    if (amounts.length !== rank || !amounts.every((n) => Number.isInteger(n))) {
      throw new GradstepError('ERR_SHAPE', `Expected ${rank} integers, one an axis, but received ${formatShape(amounts)}`);
    }
  }
  const shape = x.shape.map((d, axis) => d + before[axis]! + after[axis]!);
  if (shape.some((d) => d < 1)) {
    throw new GradstepError('ERR_SHAPE', `Nothing would be left of ${formatShape(x.shape)}: ${formatShape(shape)}`);
  }
  const changed = x.shape.map((_, axis) => before[axis] !== 0 || after[axis] !== 0);
  if (!changed.includes(true)) return x;
  // Axes in groups that end before the next changed axis, but for those in front of the first one.
  const groups: { size: number; inner: number; axis: number }[] = [];
  x.shape.forEach((d, axis) => {
    const group = groups.at(-1);
    if (group && !changed[axis]) {
      group.size *= d;
      if (changed[group.axis]) group.inner *= d;
    } else groups.push({ size: d, inner: 1, axis });
  });
  const added = (amounts: readonly number[]) => groups.map(({ axis, inner }) => amounts[axis]! * inner);
  const [first, last] = [added(before), added(after)];
  const attrs = {
    shape: groups.map(({ size }, i) => size + first[i]! + last[i]!),
    ...Object.fromEntries(first.map((n, i) => [`before${i}`, n])),
  };
  const merged = reshape(
    x,
    groups.map(({ size }) => size),
  );
  return reshape(x.graph.add(padOp, { x: merged }, attrs).outputs.y!, shape);
}

/** The part of x that begins at `begin` and has `size` elements along each axis. */
export function slice(x: Value, begin: readonly number[], size: Shape): Value {
  return pad(
    x,
    begin.map((b) => -b),
    x.shape.map((d, axis) => begin[axis]! + size[axis]! - d),
  );
}

/** Elements [begin, end) along one axis. */
export function sliceAxis(x: Value, axis: number, begin: number, end: number): Value {
  const place = (n: number) => x.shape.map((_, i) => (i === axis ? n : 0));
  return pad(x, place(-begin), place(end - x.shape[axis]!));
}

/** Number of elements of the first axes up to `axis`, and of those behind it. */
export function around(shape: Shape, axis: number): { outer: number; inner: number } {
  return { outer: sizeOf(shape.slice(0, axis)), inner: sizeOf(shape.slice(axis + 1)) };
}
