/**
 * nadam over the whole parameter block (Dozat 2016), t = state[0] + 1, as Keras writes it: μₜ = β₁(1 − 0.96ᵗ/2),
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
 * W ← W − lr·(μₜ₊₁m/(1−μ₁…μₜ₊₁) + (1−μₜ)g/(1−μ₁…μₜ)) / (√(v/(1−β₂ᵗ)) + ε). Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const nadamOp = defineOp({
  name: 'nadam',
  inputs: updateInputs({ m: 'always', v: 'always' }, { countsSteps: true }),
  outputs: {},
  attrs: updateAttrs({ beta1: { type: 'f32' }, beta2: { type: 'f32' }, epsilon: { type: 'f32' } }),
  infer: () => ({}),
});
