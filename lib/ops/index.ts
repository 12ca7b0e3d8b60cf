/**
 * The namespace `gs.ops`: arithmetic on values, for losses, metrics and activations of a user's own. Nothing is computed
 * when these are called; they describe a graph, which is differentiated and compiled. Shapes broadcast as in NumPy. Arithmetic and
 * comparisons are in float32, also of int32, of which they keep numbers up to 2^24 exactly; what moves, picks or counts numbers
 * (concat, slice, transpose …) keeps all.
 */
export type { Value } from '../graph/graph.js';
export { argmax, argmin, logSoftmax, softmax } from './along_axis.js';
export * from './arithmetic.js';
export { randomNormal, randomUniform, type RandomNormalOptions, type RandomUniformOptions } from './draws.js';
export * from './lookup.js';
export * from './movement.js';
export { einsum, matmul, type MatmulOptions } from './products.js';
export {
  all,
  any,
  logSumExp,
  max,
  mean,
  min,
  moments,
  norm,
  prod,
  std,
  sum,
  variance,
  type Moments,
  type NormOptions,
  type ReduceOptions,
} from './statistics.js';
export * from './values.js';
export * from './windowed.js';
