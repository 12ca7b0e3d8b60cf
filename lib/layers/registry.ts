/** Layers in saved form: Keras's class name and the options as plain JSON, and the way back. */
import { activationName, type Activation } from '../activations/activation.js';
import { GradstepError, optionError } from '../errors.js';
import { isInitializer, isSavedInitializer, restoreInitializer, saveInitializer } from '../initializers/registry.js';
import { unknownName } from '../options.js';
import type { Layer } from './define_layer.js';
import { activation, averagePooling2d, conv2d, dense, dropout, flatten, maxPooling2d, rescaling } from './index.js';

const LAYERS: Readonly<Record<string, (options: never) => Layer>> = {
  Activation: activation,
  AveragePooling2D: averagePooling2d,
  Conv2D: conv2d,
  Dense: dense,
  Dropout: dropout,
  Flatten: flatten,
  MaxPooling2D: maxPooling2d,
  Rescaling: rescaling,
};

export interface SavedLayer {
  className: string;
  config: Record<string, unknown>;
}

/** The saved form of a layer; ERR_OPTION when it holds a function of the user's own. */
export function saveLayer(layer: Layer, name: string): SavedLayer {
  const config: Record<string, unknown> = { name };
  for (const [key, value] of Object.entries(layer.options)) {
    if (typeof value === 'function') config[key] = activationName(value as Activation);
    else if (isInitializer(value)) config[key] = saveInitializer(value, `${name}.${key}`);
    else if (value !== undefined) config[key] = value;
  }
  return { className: layer.className, config };
}

/** The layer of a saved form; ERR_OPTION when the form is not one. */
export function restoreLayer(saved: unknown, where: string): Layer {
  const { className, config } = (typeof saved === 'object' && saved !== null ? saved : {}) as Partial<SavedLayer>;
  if (typeof className !== 'string') throw optionError(`${where}.className`, 'name of a layer class', className);
  const factory = Object.hasOwn(LAYERS, className) ? LAYERS[className] : undefined;
  if (!factory) throw unknownName('layer class', className, where, Object.keys(LAYERS));
  if (config === null) throw new GradstepError('ERR_OPTION', `Expected an object for ${where}.config but received null`);
  if (typeof config !== 'object' || Array.isArray(config)) return factory(config as never);
  const options = Object.entries(config).map(([key, value]): [string, unknown] => [
    key,
    isSavedInitializer(value) ? restoreInitializer(value, `${where}.config.${key}`) : value,
  ]);
  return factory(Object.fromEntries(options) as never);
}
