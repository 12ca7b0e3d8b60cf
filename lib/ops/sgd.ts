/**
 * sgd over the whole parameter block: W ← W − lr·g. With a velocity v: v ← momentum·v − lr·g, then W ← W + v, or with
 * Nesterov W ← W + momentum·v − lr·g (Sutskever et al. 2013, as Keras writes it). Nothing changes while a flag is set.
 */
import { defineOp } from '../graph/define_op.js';
import { updateAttrs, updateInputs } from './update_inputs.js';

export const sgdOp = defineOp({
  name: 'sgd',
  inputs: updateInputs({ velocity: 'optional' }, { countsSteps: false }),
  outputs: {},
  attrs: updateAttrs({ momentum: { type: 'f32', default: 0 }, nesterov: { type: 'enum', values: ['no', 'yes'], default: 'no' } }),
  infer: () => ({}),
});
