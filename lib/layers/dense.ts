/** dense: y = activation(x·kernel + bias) over the last axis. kernel [in, units], bias [units]. */
import { linear } from '../activations/index.js';
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import { GradstepError } from '../errors.js';
import { glorotUniform, zeros } from '../initializers/index.js';
import { rowProducts } from '../ops/row_products.js';
import { boolean, integer, optional, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions, type BiasOptions, type KernelOptions } from './weight_options.js';

export interface DenseOptions extends LayerOptions, KernelOptions, BiasOptions {
  /** Size of the result's last axis. */
  units: number;
  /** Applied to the result. Default `linear`. */
  activation?: ActivationName | Activation;
  /** Whether a bias is added. Default true. */
  useBias?: boolean;
}

const options = {
  units: integer(1),
  activation: optional(activationOption, linear),
  useBias: optional(boolean, true),
  ...weightOptions('kernel', glorotUniform()),
  ...weightOptions('bias', zeros()),
} satisfies SchemaOf<Omit<DenseOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Dense',
  factory: 'dense',
  baseName: 'dense',
  options,
  mask: 'pass',
  weights(o, input) {
    const kernel = weight(o, 'kernel', [input.at(-1)!, o.units]);
    return o.useBias ? [kernel, weight(o, 'bias', [o.units])] : [kernel];
  },
  outputShape({ units }, input) {
    if (input.length === 0) throw new GradstepError('ERR_SHAPE', 'Expected samples of shape [..., features] but received []');
    return [...input.slice(0, -1), units];
  },
  call: ({ activation, useBias }, x, context) =>
    activation(rowProducts(x, context.weight('kernel'), useBias ? context.weight('bias') : undefined)),
});

/**
 * A fully connected layer: y = activation(x·kernel + bias), [rows, …, in] → [rows, …, units].
 * Weights: kernel [in, units], bias [units].
 */
export function dense(options: DenseOptions): Layer {
  return make(options);
}
