/**
 * transpose: y[i] = x with its axes in another order. The kernel sees as few axes as the permutation has: axes of size 1
 * are dropped, neighbours that stay neighbours are one, and a permutation that moves nothing is a view. `order` holds, for
 * each axis of y, the axis of x, counted from 1.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { reshape } from './reshape.js';

export const transposeOp = defineOp({
  name: 'transpose',
  inputs: { x: { dtypes: ['float32', 'bfloat16', 'int32'] } },
  outputs: { y: { dtypes: ['float32', 'bfloat16', 'int32'] } },
  attrs: { order: { type: 'dims' } },
  infer: ({ x }, { order }) => ({ y: { dtype: x!.dtype, shape: (order as number[]).map((axis) => x!.shape[axis - 1]!) } }),
  backward({ node, grads }) {
    const order = node.attrs.order as number[];
    return { x: transpose(grads.y!, inverse(order.map((axis) => axis - 1))) };
  },
});

function inverse(order: readonly number[]): number[] {
  const back = new Array<number>(order.length);
  order.forEach((axis, i) => (back[axis] = i));
  return back;
}

/** x with an axis (counted from the front) as its last one. */
export function axisToLast(x: Value, axis: number): Value {
  const order = x.shape.map((_, i) => i);
  order.push(...order.splice(axis, 1));
  return transpose(x, order);
}

/** The way back: the last axis as axis `axis`. */
export function axisFromLast(x: Value, axis: number): Value {
  const last = x.shape.length - 1;
  return transpose(
    x,
    x.shape.map((_, i) => (i < axis ? i : i === axis ? last : i - 1)),
  );
}

/** x with axis `order[i]` as its axis i; by default all axes in reverse. */
export function transpose(x: Value, order: readonly number[] = x.shape.map((_, i) => x.shape.length - 1 - i)): Value {
  const rank = x.shape.length;
  if (order.length !== rank || [...order].sort((a, b) => a - b).some((axis, i) => axis !== i)) {
    throw new GradstepError('ERR_SHAPE', `Expected a permutation of ${rank} axes but received ${formatShape(order)}`);
  }
  const shape = order.map((axis) => x.shape[axis]!);
  // Runs of x's axes that stay together, in y's order.
  const runs: number[][] = [];
  for (const axis of order.filter((a) => x.shape[a] !== 1)) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    const adjacent = before !== undefined && axis > before && x.shape.slice(before + 1, axis).every((d) => d === 1);
    if (adjacent) run!.push(axis);
    else runs.push([axis]);
  }
  if (runs.length < 2) return reshape(x, shape);
  const inX = [...runs].sort((a, b) => a[0]! - b[0]!);
  const merged = reshape(
    x,
    inX.map((run) => sizeOf(run.map((axis) => x.shape[axis]!))),
  );
  const y = x.graph.add(transposeOp, { x: merged }, { order: runs.map((run) => inX.indexOf(run) + 1) }).outputs.y!;
  return reshape(y, shape);
}
