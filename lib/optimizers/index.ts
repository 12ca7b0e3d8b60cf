/** The namespace `gs.optimizers`. */
export { adam, type AdamOptions } from './adam.js';
export type { Optimizer } from './optimizer.js';
export { sgd, type SgdOptions } from './sgd.js';
