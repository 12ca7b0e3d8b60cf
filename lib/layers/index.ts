/** The namespace `gs.layers`. */
export { activation, type ActivationOptions } from './activation.js';
export { averagePooling2d, type AveragePooling2dOptions } from './average_pooling2d.js';
export { conv2d, type Conv2dOptions } from './conv2d.js';
export type { Layer, LayerOptions } from './define_layer.js';
export { dense, type DenseOptions } from './dense.js';
export { dropout, type DropoutOptions } from './dropout.js';
export { flatten } from './flatten.js';
export { maxPooling2d, type MaxPooling2dOptions } from './max_pooling2d.js';
export { rescaling, type RescalingOptions } from './rescaling.js';
