/**
 * adagrad over the whole parameter block (Duchi, Hazan & Singer 2011), as Keras writes it:
 * s ← s + g² (sum), W ← W − lr·g/√(initial + s + ε). Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const adagradOp = defineOp({
  name: 'adagrad',
  inputs: updateInputs({ sum: 'always' }, { countsSteps: false }),
  outputs: {},
  attrs: updateAttrs({ initial: { type: 'f32' }, epsilon: { type: 'f32' } }),
  infer: () => ({}),
});
