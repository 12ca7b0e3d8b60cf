/** The namespace `gs.initializers`. */
export { glorotUniform } from './glorot_uniform.js';
export { heNormal } from './he_normal.js';
export { ones } from './ones.js';
export { zeros } from './zeros.js';
