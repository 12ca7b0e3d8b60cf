/**
 * concat: rows put side by side. Every input is [rows, n], y is [rows, Σ n]; which axis that was before is a matter of
 * views. More than eight inputs are joined in groups of eight. Its gradients are slices.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { around, sliceAxis } from './pad.js';
import { reshape } from './reshape.js';

export const CONCAT_INPUTS = 8;

const names = Array.from({ length: CONCAT_INPUTS }, (_, i) => `in${i}`);

export const concatOp = defineOp({
  name: 'concat',
  inputs: Object.fromEntries(
    names.map((n, i) => [n, { dtypes: ['float32', 'bfloat16', 'int32'] as const, ...(i < 2 ? {} : { optional: true }) }]),
  ),
  outputs: { y: { dtypes: ['float32', 'bfloat16', 'int32'] } },
  infer(inputs) {
    const given = Object.values(inputs);
    const [first] = given;
    return { y: { dtype: first!.dtype, shape: [first!.shape[0]!, given.reduce((n, v) => n + v.shape[1]!, 0)] } };
  },
  backward({ node, grads, needs }) {
    let begin = 0;
    return Object.fromEntries(
      Object.entries(node.inputs).map(([name, input]) => {
        const end = begin + input.shape[1]!;
        const share = needs(name) ? sliceAxis(grads.y!, 1, begin, end) : undefined;
        begin = end;
        return [name, share];
      }),
    );
  },
});

/** Values of one dtype that differ in size along `axis` only, one behind the other. */
export function concat(values: readonly Value[], axis: number): Value {
  const [first] = values;
  if (!first) throw new GradstepError('ERR_SHAPE', 'Expected at least one value to concatenate');
  for (const v of values) {
    if (v.dtype !== first.dtype) {
      throw new GradstepError('ERR_DTYPE', `Cannot concatenate ${first.dtype} and ${v.dtype}`);
    }
    if (v.shape.length !== first.shape.length || v.shape.some((d, i) => i !== axis && d !== first.shape[i])) {
      const shapes = `${formatShape(first.shape)} and ${formatShape(v.shape)}`;
      throw new GradstepError('ERR_SHAPE', `Cannot concatenate ${shapes} along axis ${axis}`);
    }
  }
  if (values.length === 1) return first;
  if (values.length > CONCAT_INPUTS) {
    const groups = Array.from({ length: Math.ceil(values.length / CONCAT_INPUTS) }, (_, i) =>
      concat(values.slice(i * CONCAT_INPUTS, (i + 1) * CONCAT_INPUTS), axis),
    );
    return concat(groups, axis);
  }
  const { outer } = around(first.shape, axis);
  const rows = values.map((v) => reshape(v, [outer, v.shape.reduce((n, d) => n * d, 1) / outer]));
  const y = first.graph.add(concatOp, Object.fromEntries(rows.map((v, i) => [`in${i}`, v]))).outputs.y!;
  return reshape(
    y,
    first.shape.map((d, i) => (i === axis ? values.reduce((n, v) => n + v.shape[axis]!, 0) : d)),
  );
}
