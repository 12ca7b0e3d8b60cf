/**
 * adadelta over the whole parameter block (Zeiler 2012): s ← ρs + (1−ρ)g² (meanSquare), Δ = g·√(d + ε)/√(s + ε),
 * d ← ρd + (1−ρ)Δ² (meanSquareMove), W ← W − lr·Δ. Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const adadeltaOp = defineOp({
  name: 'adadelta',
  inputs: updateInputs({ meanSquare: 'always', meanSquareMove: 'always' }, { countsSteps: false }),
  outputs: {},
  attrs: updateAttrs({ rho: { type: 'f32' }, epsilon: { type: 'f32' } }),
  infer: () => ({}),
});
