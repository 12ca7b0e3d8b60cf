/**
 * rmsprop over the whole parameter block (Tieleman & Hinton 2012), as Keras writes it: s ← ρs + (1−ρ)g² (meanSquare),
 * W ← W − lr·g/√(s + ε). With a mean a ← ρa + (1−ρ)g (Graves 2013) the root is √(s − a² + ε), a negative difference
 * counting as 0. With a move b ← momentum·b + lr·g/√…, W ← W − b. Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const rmspropOp = defineOp({
  name: 'rmsprop',
  inputs: updateInputs({ meanSquare: 'always', mean: 'optional', move: 'optional' }, { countsSteps: false }),
  outputs: {},
  attrs: updateAttrs({ rho: { type: 'f32' }, momentum: { type: 'f32', default: 0 }, epsilon: { type: 'f32' } }),
  infer: () => ({}),
});
