/** dense: y = activation(x·kernel + bias) over the last axis. kernel [in, units], bias [units]. */
import { linear } from '../activations/index.js';
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import { GradstepError } from '../errors.js';
import { sizeOf } from '../graph/shape.js';
import { glorotUniform, zeros } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import { matmul } from '../ops/matmul.js';
import { reshape } from '../ops/reshape.js';
import { boolean, integer, optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface DenseOptions extends LayerOptions {
  /** Size of the result's last axis. */
  units: number;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName | Activation;
  /** Whether a bias is added. Default true. */
  useBias?: boolean;
  /** Default `glorotUniform`. */
  kernelInitializer?: InitializerName | Initializer;
  /** Default `zeros`. */
  biasInitializer?: InitializerName | Initializer;
}

const options = {
  units: integer(1),
  activation: optional(activationOption, linear),
  useBias: optional(boolean, true),
  kernelInitializer: optional(initializerOption, glorotUniform()),
  biasInitializer: optional(initializerOption, zeros()),
} satisfies SchemaOf<Omit<DenseOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Dense',
  factory: 'dense',
  baseName: 'dense',
  options,
  weights({ units, useBias, kernelInitializer, biasInitializer }, input) {
    const kernel = { role: 'kernel', shape: [input.at(-1)!, units], initializer: kernelInitializer };
    return useBias ? [kernel, { role: 'bias', shape: [units], initializer: biasInitializer }] : [kernel];
  },
  outputShape({ units }, input) {
    if (input.length === 0) throw new GradstepError('ERR_SHAPE', 'Expected samples of shape [..., features] but received []');
    return [...input.slice(0, -1), units];
  },
  call({ units, activation, useBias }, x, context) {
    const features = x.shape.at(-1)!;
    const rows = reshape(x, [sizeOf(x.shape) / features, features]);
    const y = matmul(rows, context.weight('kernel'), false, false, useBias ? context.weight('bias') : undefined);
    return activation(reshape(y, [...x.shape.slice(0, -1), units]));
  },
});

/**
 * A fully connected layer: y = activation(x·kernel + bias), [rows, …, in] → [rows, …, units].
 * Weights: kernel [in, units], bias [units].
 */
export function dense(options: DenseOptions): Layer {
  return make(options);
}
