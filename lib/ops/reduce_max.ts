/**
 * reduceMax: x viewed as [outer, length, inner]; y is the largest (`max`) or smallest (`min`) element along the middle,
 * `at` where it stands: the first of equals. A NaN wins over every number.
 * reduceMaxDx: dx[o, l, i] = dy[o, i] where l is at[o, i], else 0.
 */
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { sizeOf } from '../graph/shape.js';
import { axesOver } from './arguments.js';
import { constant, elementwise } from './map.js';
import { sum } from './reduce_sum.js';
import { reshape } from './reshape.js';

export const reduceMaxOp = defineOp({
  name: 'reduceMax',
  inputs: { x: { dtypes: ['float32'] } },
  outputs: { y: { dtypes: ['float32'] }, at: { dtypes: ['int32'] } },
  attrs: { mode: { type: 'enum', values: ['max', 'min'], default: 'max' } },
  infer({ x }) {
    const [outer, , inner] = x!.shape;
    return { y: { dtype: 'float32', shape: [outer!, inner!] }, at: { dtype: 'int32', shape: [outer!, inner!] } };
  },
  backward({ node, grads }) {
    const inputs = { dy: grads.y!, at: node.outputs.at! };
    return { x: grads.y!.graph.add(reduceMaxDxOp, inputs, { length: node.inputs.x!.shape[1]! }).outputs.dx! };
  },
});

export const reduceMaxDxOp = defineOp({
  name: 'reduceMaxDx',
  inputs: { dy: { dtypes: ['float32'] }, at: { dtypes: ['int32'] } },
  outputs: { dx: { dtypes: ['float32'], accumulate: true } },
  attrs: { length: { type: 'i32' } },
  infer: ({ dy }, { length }) => ({ dx: { dtype: 'float32', shape: [dy!.shape[0]!, length as number, dy!.shape[1]!] } }),
  // What arrives where the largest element stands: the sum along the middle of all that is there alone.
  backward({ node, grads }) {
    const { dy, at } = node.inputs;
    const { dx: there } = dy!.graph.add(reduceMaxDxOp, { dy: constant(dy!.graph, 1, dy!.shape), at }, node.attrs).outputs;
    return { dy: sum(elementwise('mul', grads.dx!, there!), [1]) };
  },
});

/** Largest or smallest element over the given axes (all by default); `keepDims` leaves them as size 1. */
export function extremum(x: Value, mode: 'max' | 'min', axes?: readonly number[], keepDims = false): Value {
  const rank = x.shape.length;
  const over = axesOver(rank, axes);
  let y = x;
  // One kernel for each run of adjacent axes, innermost first: the first of equals stays the first in row-major order.
  for (let end = rank; end > 0; end--) {
    if (!over.has(end - 1)) continue;
    let begin = end - 1;
    while (begin > 0 && over.has(begin - 1)) begin--;
    const length = sizeOf(y.shape.slice(begin, end));
    const shape = y.shape.map((d, i) => (i >= begin && i < end ? 1 : d));
    if (length > 1) {
      const view = reshape(y, [sizeOf(y.shape.slice(0, begin)), length, sizeOf(y.shape.slice(end))]);
      y = view.graph.add(reduceMaxOp, { x: view }, { mode }).outputs.y!;
    }
    y = reshape(y, shape);
    end = begin + 1;
  }
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => !over.has(i)),
      );
}
