/** The namespace `gs.constraints`. */
export { maxNorm, type MaxNormOptions } from './max_norm.js';
export { minMaxNorm, type MinMaxNormOptions } from './min_max_norm.js';
export { nonNeg } from './non_neg.js';
export { unitNorm, type UnitNormOptions } from './unit_norm.js';
