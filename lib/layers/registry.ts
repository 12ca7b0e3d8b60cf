/** Layers in saved form: Keras's class name and the options as plain JSON, and the way back. */
import { activationName, type Activation } from '../activations/activation.js';
import { isConstraint, restoreConstraint, saveConstraint } from '../constraints/registry.js';
import { GradstepError, optionError } from '../errors.js';
import { isInitializer, restoreInitializer, saveInitializer } from '../initializers/registry.js';
import { isRegularizer, restoreRegularizer, saveRegularizer } from '../regularizers/registry.js';
import './index.js';
import { Layer } from './layer.js';
import { layerClass, readsSavedForm } from './layer_classes.js';

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
  if (value instanceof Layer) return saveLayer(value, value.name);
  if (Array.isArray(value) && value.some((v) => v instanceof Layer)) return value.map((v) => saveOption(v, where));
  if (isConstraint(value)) return saveConstraint(value, where);
  return value;
}

const isSavedLayer = (saved: unknown): boolean => typeof saved === 'object' && saved !== null && 'className' in saved;

/** The option's value for its saved form; a form that is none is left to the option's check. */
function restoreOption(key: string, saved: unknown, where: string): unknown {
  if (isSavedLayer(saved)) return restoreLayer(saved, where);
  if (Array.isArray(saved) && saved.some(isSavedLayer)) return saved.map((s, i) => restoreOption(key, s, `${where}[${i}]`));
  const kind = Object.keys(RESTORED).find((k) => key.endsWith(k));
  if (kind === undefined || typeof saved !== 'object' || saved === null) return saved;
  return typeof (saved as Partial<SavedPart>).name === 'string' ? RESTORED[kind]!(saved as SavedPart, where) : saved;
}

/** The saved form of a layer; ERR_OPTION when it holds a function of the user's own. */
export function saveLayer(layer: Layer, name: string | undefined): SavedLayer {
  const { save } = layer.parts;
  const config: Record<string, unknown> = {
    ...save?.(),
    ...(name !== undefined && { name }),
    ...(!layer.trainable && { trainable: false }),
    ...(layer.learningRateMultiplier !== 1 && { learningRateMultiplier: layer.learningRateMultiplier }),
    ...(layer.activityRegularizer && {
      activityRegularizer: saveRegularizer(layer.activityRegularizer, `${name}.activityRegularizer`),
    }),
  };
  for (const [key, value] of Object.entries(layer.options)) {
    if (value !== undefined) config[key] = saveOption(value, `${name}.${key}`);
  }
  return { className: layer.className, config };
}

/** The layer of a saved form; ERR_OPTION when the form is not one. */
export function restoreLayer(saved: unknown, where: string): Layer {
  const { className, config } = (typeof saved === 'object' && saved !== null ? saved : {}) as Partial<SavedLayer>;
  if (typeof className !== 'string') throw optionError(`${where}.className`, 'name of a layer class', className);
  const factory = layerClass(className, where);
  if (config === null) throw new GradstepError('ERR_OPTION', `Expected an object for ${where}.config but received null`);
  if (typeof config !== 'object' || Array.isArray(config) || readsSavedForm(className)) return factory(config);
  const options = Object.entries(config).map(([key, value]): [string, unknown] => [
    key,
    restoreOption(key, value, `${where}.config.${key}`),
  ]);
  return factory(Object.fromEntries(options));
}
