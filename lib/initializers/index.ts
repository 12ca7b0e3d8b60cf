/** The namespace `gs.initializers`. */
export { constant, type ConstantOptions } from './constant.js';
export { glorotNormal } from './glorot_normal.js';
export { glorotUniform } from './glorot_uniform.js';
export { heNormal } from './he_normal.js';
export { heUniform } from './he_uniform.js';
export { identity, type IdentityOptions } from './identity.js';
export { lecunNormal } from './lecun_normal.js';
export { lecunUniform } from './lecun_uniform.js';
export { ones } from './ones.js';
export { orthogonal, type OrthogonalOptions } from './orthogonal.js';
export { randomNormal, type RandomNormalOptions } from './random_normal.js';
export { randomUniform, type RandomUniformOptions } from './random_uniform.js';
export { truncatedNormal, type TruncatedNormalOptions } from './truncated_normal.js';
export { varianceScaling, type FanMode, type ScaledDistribution, type VarianceScalingOptions } from './variance_scaling.js';
export { zeros } from './zeros.js';
