/**
 * adamax over the whole parameter block (Kingma & Ba 2015, section 7.1), t = state[0] + 1, as Keras writes it:
 * m ← β₁m + (1−β₁)g, u ← max(β₂u, |g|), W ← W − lr/(1−β₁ᵗ) · m/(u + ε). Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const adamaxOp = defineOp({
  name: 'adamax',
  inputs: updateInputs({ m: 'always', u: 'always' }, { countsSteps: true }),
  outputs: {},
  attrs: updateAttrs({ beta1: { type: 'f32' }, beta2: { type: 'f32' }, epsilon: { type: 'f32' } }),
  infer: () => ({}),
});
