/**
 * adam over the whole parameter block (Kingma & Ba 2015), t = state[0] + 1:
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε), as Keras writes it (ε outside the
 * corrected root). With vMax (AMSGrad, Reddi et al. 2018) vMax ← max(vMax, v) stands for v in the root. With a weight
 * decay (AdamW, Loshchilov & Hutter 2019) lr·weightDecay·W goes off as well. Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const adamOp = defineOp({
  name: 'adam',
  inputs: updateInputs({ m: 'always', v: 'always', vMax: 'optional' }, { countsSteps: true }),
  outputs: {},
  attrs: updateAttrs({
    beta1: { type: 'f32' },
    beta2: { type: 'f32' },
    epsilon: { type: 'f32' },
    weightDecay: { type: 'f32', default: 0 },
  }),
  infer: () => ({}),
});
