/** activation: a layer of nothing but an activation. */
import { activationOption, type Activation, type ActivationName } from '../activations/activation.js';
import type { SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface ActivationOptions extends LayerOptions {
  activation: ActivationName | Activation;
}

const options = { activation: activationOption } satisfies SchemaOf<Omit<ActivationOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'Activation',
  factory: 'activation',
  baseName: 'activation',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call: (o, x) => o.activation(x),
});

/** Applies an activation: [rows, …] → [rows, …]. */
export function activation(options: ActivationOptions): Layer {
  return make(options);
}
