/**
 * toBfloat16: y_i = x_i, rounded to bfloat16 (to nearest, ties to even; NaN stays NaN), for up to ROUNDED_AT_ONCE tensors of
 * any shapes. What many products read is rounded once for all of them; lib/compile/round_weights.ts makes these.
 */
import { defineOp, type InputSpec, type OutputSpec } from '../graph/define_op.js';

/** Tensors in one instruction. */
export const ROUNDED_AT_ONCE = 16;

const places = Array.from({ length: ROUNDED_AT_ONCE }, (_, i) => i + 1);

/** Of each place: optional but for the first. */
function all<T extends InputSpec | OutputSpec>(letter: 'x' | 'y', spec: T): Record<string, T> {
  return Object.fromEntries(places.map((i) => [`${letter}${i}`, i === 1 ? spec : { ...spec, optional: true }]));
}

export const toBfloat16Op = defineOp({
  name: 'toBfloat16',
  inputs: all('x', { dtypes: ['float32'] }),
  outputs: all('y', { dtypes: ['bfloat16'] }),
  infer: (inputs) =>
    Object.fromEntries(Object.entries(inputs).map(([name, { shape }]) => [name.replace('x', 'y'), { dtype: 'bfloat16', shape }])),
});
