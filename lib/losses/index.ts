/** The namespace `gs.losses`. */
export { binaryCrossentropy, type BinaryCrossentropyOptions } from './binary_crossentropy.js';
export { categoricalCrossentropy, type CategoricalCrossentropyOptions } from './categorical_crossentropy.js';
export type { Loss, LossFunction } from './loss.js';
export { meanSquaredError } from './mean_squared_error.js';
export { sparseCategoricalCrossentropy, type SparseCategoricalCrossentropyOptions } from './sparse_categorical_crossentropy.js';
