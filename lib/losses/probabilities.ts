/**
 * What a cross-entropy does with a model's output: an activation at the end of the model is undone and the loss computed
 * from the logits before it, which loses no digits; probabilities from elsewhere are clipped before the logarithm.
 */
import type { Tape } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { elementwise, map } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { SCALAR_NAMES } from '../ops/scalar_table.js';
import { softmaxOp } from '../ops/softmax.js';

/** Keras's epsilon: probabilities are clipped to [1e-7, 1 − 1e-7], and divisors are at least this. */
export const EPSILON = 1e-7;

/** x where `value` is softmax(x). */
export function softmaxInput(value: Value): Value | undefined {
  return value.node?.op === softmaxOp ? value.node.inputs.x : undefined;
}

/** x where `value` is sigmoid(x). */
export function sigmoidInput(value: Value): Value | undefined {
  if (value.node?.op !== map) return undefined;
  const { code } = value.node.attrs.tape as Tape;
  return code.length === 1 && SCALAR_NAMES[code[0]![0]] === 'sigmoid' ? value.node.inputs.in0 : undefined;
}

/** p divided by its sums over the last axis, where they are not 0, and limited as `clipProbabilities` does. */
export function normalisedProbabilities(p: Value): Value {
  const sums = sum(p, [-1], true);
  const divisors = elementwise('add', sums, elementwise('equal', sums, 0));
  return clipProbabilities(elementwise('div', p, divisors));
}

/** p limited to [1e-7, 1 − 1e-7]; no gradient flows where the limit holds. */
export function clipProbabilities(p: Value): Value {
  return elementwise('minimum', elementwise('maximum', p, EPSILON), 1 - EPSILON);
}
