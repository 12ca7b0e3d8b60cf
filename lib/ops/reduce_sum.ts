/** reduceSum: x viewed as [outer, length, inner], summed over the middle and multiplied by `scale` (1/length for a mean). */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { sameShape, sizeOf, type Shape } from '../graph/shape.js';
import { axesOver } from './arguments.js';
import { broadcastTo, elementwise } from './map.js';
import { reshape } from './reshape.js';

export const reduceSum = defineOp({
  name: 'reduceSum',
  inputs: { x: { dtypes: ['float32', 'bfloat16'] } },
  outputs: { y: { dtypes: ['float32'], accumulate: true } },
  attrs: {
    outer: { type: 'i32' },
    length: { type: 'i32' },
    inner: { type: 'i32' },
    scale: { type: 'f32', default: 1 },
    shape: { type: 'dims' },
  },
  infer: (_inputs, attrs) => ({ y: { dtype: 'float32', shape: attrs.shape as number[] } }),
  backward({ node, grads }) {
    const { outer, length, scale } = node.attrs as Record<string, number>;
    const { shape } = node.inputs.x!;
    const begin = shape.findIndex((_, i) => sizeOf(shape.slice(0, i)) === outer);
    let end = begin;
    while (sizeOf(shape.slice(begin, end)) < length!) end++;
    // Over x's own axes, so that what comes next can take it into its own pass.
    const g = reshape(
      grads.y!,
      shape.map((d, i) => (i >= begin && i < end ? 1 : d)),
    );
    return { x: broadcastTo(scale === 1 ? g : elementwise('mul', g, scale!), shape) };
  },
});

/** Sums over the given axes (all by default), times `scale`; `keepDims` leaves them as size 1. */
export function sum(x: Value, axes?: readonly number[], keepDims = false, scale = 1): Value {
  const rank = x.shape.length;
  const over = axesOver(rank, axes);
  let y = x;
  let factor = scale;
  // One kernel for each run of adjacent axes, innermost first: each shrinks the data the next one reads.
  for (let end = rank; end > 0; end--) {
    if (!over.has(end - 1)) continue;
    let begin = end - 1;
    while (begin > 0 && over.has(begin - 1)) begin--;
    const shape = y.shape.map((d, i) => (i >= begin && i < end ? 1 : d));
    const attrs = {
      outer: sizeOf(y.shape.slice(0, begin)),
      length: sizeOf(y.shape.slice(begin, end)),
      inner: sizeOf(y.shape.slice(end)),
      scale: factor,
      shape,
    };
    y = y.graph.add(reduceSum, { x: y }, attrs).outputs.y!;
    factor = 1;
    end = begin + 1;
  }
  if (factor !== 1) y = elementwise('mul', y, factor);
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => !over.has(i)),
      );
}

/** Mean over the given axes (all by default). */
export function mean(x: Value, axes?: readonly number[], keepDims = false): Value {
  const rank = x.shape.length;
  const over = axes?.map((a) => (a < 0 ? a + rank : a)) ?? x.shape.map((_, i) => i);
  return sum(x, over, keepDims, 1 / sizeOf(over.map((a) => x.shape[a] ?? 1)));
}

/** The adjoint of broadcasting: sums `x` until it has `shape`. */
export function sumTo(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.shape.length - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return reshape(sum(x, axes, true), shape);
}
