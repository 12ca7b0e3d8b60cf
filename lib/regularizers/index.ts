/** The namespace `gs.regularizers`. */
export { l1, type L1Options } from './l1.js';
export { l1l2, type L1L2Options } from './l1l2.js';
export { l2, type L2Options } from './l2.js';
