/** Layers in saved form: Keras's class name and the options as plain JSON, and the way back. */
import { activationName, type Activation } from '../activations/activation.js';
import { isConstraint, restoreConstraint, saveConstraint } from '../constraints/registry.js';
import { GradstepError, optionError } from '../errors.js';
import { isInitializer, restoreInitializer, saveInitializer } from '../initializers/registry.js';
import { unknownName } from '../options.js';
import { isRegularizer, restoreRegularizer, saveRegularizer } from '../regularizers/registry.js';
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

/** How options that hold one of these come back; they are saved under names that end in the key. */
const RESTORED: Readonly<Record<string, (saved: SavedPart, where: string) => unknown>> = {
  Initializer: restoreInitializer,
  Regularizer: restoreRegularizer,
  Constraint: restoreConstraint,
};

interface SavedPart {
  name: string;
  config: unknown;
}

/** What an option is saved as: plain JSON. */
function saveOption(value: unknown, where: string): unknown {
  if (typeof value === 'function') return activationName(value as Activation);
  if (isInitializer(value)) return saveInitializer(value, where);
  if (isRegularizer(value)) return saveRegularizer(value, where);
  if (isConstraint(value)) return saveConstraint(value, where);
  return value;
}

/** The option's value for its saved form; a form that is none is left to the option's check. */
function restoreOption(key: string, saved: unknown, where: string): unknown {
  const kind = Object.keys(RESTORED).find((k) => key.endsWith(k));
  if (kind === undefined || typeof saved !== 'object' || saved === null) return saved;
  return typeof (saved as Partial<SavedPart>).name === 'string' ? RESTORED[kind]!(saved as SavedPart, where) : saved;
}

/** The saved form of a layer; ERR_OPTION when it holds a function of the user's own. */
export function saveLayer(layer: Layer, name: string): SavedLayer {
  const config: Record<string, unknown> = { name };
  for (const [key, value] of Object.entries(layer.options)) {
    if (value !== undefined) config[key] = saveOption(value, `${name}.${key}`);
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
    restoreOption(key, value, `${where}.config.${key}`),
  ]);
  return factory(Object.fromEntries(options) as never);
}
