/** The namespace `gs.optimizers`. */
export { adadelta, type AdadeltaOptions } from './adadelta.js';
export { adagrad, type AdagradOptions } from './adagrad.js';
export { adam, type AdamOptions } from './adam.js';
export { adamW, type AdamWOptions } from './adam_w.js';
export { adamax, type AdamaxOptions } from './adamax.js';
export type { CheckedCommonOptions, CommonOptions } from './common.js';
export { lion, type LionOptions } from './lion.js';
export { nadam, type NadamOptions } from './nadam.js';
export type { Optimizer, OptimizerContext } from './optimizer.js';
export { rmsprop, type RmspropOptions } from './rmsprop.js';
export { sgd, type SgdOptions } from './sgd.js';
