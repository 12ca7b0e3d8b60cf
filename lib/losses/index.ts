/** The namespace `gs.losses`. */
export { binaryCrossentropy, type BinaryCrossentropyOptions } from './binary_crossentropy.js';
export { binaryFocalCrossentropy, type BinaryFocalCrossentropyOptions } from './binary_focal_crossentropy.js';
export { categoricalCrossentropy, type CategoricalCrossentropyOptions } from './categorical_crossentropy.js';
export { categoricalFocalCrossentropy, type CategoricalFocalCrossentropyOptions } from './categorical_focal_crossentropy.js';
export { cosineSimilarity } from './cosine_similarity.js';
export { categoricalHinge, hinge, squaredHinge } from './hinge.js';
export { huber, type HuberOptions } from './huber.js';
export { kullbackLeiblerDivergence } from './kullback_leibler_divergence.js';
export { logCosh } from './log_cosh.js';
export type { Loss, LossContext, LossFunction } from './loss.js';
export { meanAbsoluteError } from './mean_absolute_error.js';
export { meanAbsolutePercentageError } from './mean_absolute_percentage_error.js';
export { meanSquaredError } from './mean_squared_error.js';
export { meanSquaredLogarithmicError } from './mean_squared_logarithmic_error.js';
export { poisson } from './poisson.js';
export { sparseCategoricalCrossentropy, type SparseCategoricalCrossentropyOptions } from './sparse_categorical_crossentropy.js';
