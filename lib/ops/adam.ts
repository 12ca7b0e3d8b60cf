/**
 * adam over the whole parameter block (Kingma & Ba 2015), t = state[0] + 1:
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², W ← W − lr·√(1−β₂ᵗ)/(1−β₁ᵗ) · m/(√v + ε), as Keras writes it (ε outside the
 * corrected root). Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';

export const adamOp = defineOp({
  name: 'adam',
  inputs: {
    params: { dtypes: ['float32'], mutated: true },
    grads: { dtypes: ['float32'] },
    m: { dtypes: ['float32'], mutated: true },
    v: { dtypes: ['float32'], mutated: true },
    learningRate: { dtypes: ['float32'] },
    state: { dtypes: ['int32'] },
    flag: { dtypes: ['int32'] },
  },
  outputs: {},
  attrs: { beta1: { type: 'f32' }, beta2: { type: 'f32' }, epsilon: { type: 'f32' } },
  infer: () => ({}),
});
