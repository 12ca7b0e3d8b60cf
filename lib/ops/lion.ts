/**
 * lion over the whole parameter block (Chen et al. 2023): W ← W − lr·sign(β₁m + (1−β₁)g), then m ← β₂m + (1−β₂)g.
 * Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const lionOp = defineOp({
  name: 'lion',
  inputs: updateInputs({ m: 'always' }, { countsSteps: false }),
  outputs: {},
  attrs: updateAttrs({ beta1: { type: 'f32' }, beta2: { type: 'f32' } }),
  infer: () => ({}),
});
