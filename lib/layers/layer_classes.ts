/** Layer classes by the name they are saved under. Defining a layer enters it here. */
import { GradstepError } from '../errors.js';
import { nearest, unknownName } from '../options.js';
import type { Layer } from './layer.js';

type Factory = (options: unknown) => Layer;

const classes = new Map<string, Factory>();
/** Classes whose factory reads their saved form itself. */
const readers = new Set<string>();

/**
 * Enters a class; ERR_OPTION when the name is taken.
 * @param takes what the factory is given for a saved layer: options, with the layers in them, or the saved form as it is
 */
export function registerLayerClass(className: string, factory: Factory, takes: 'options' | 'form' = 'options'): void {
  if (classes.has(className)) {
    throw new GradstepError('ERR_OPTION', `Expected a name of its own for the layer class but "${className}" is taken`);
  }
  classes.set(className, factory);
  if (takes === 'form') readers.add(className);
}

/** The factory of a class; ERR_OPTION when there is none of that name. */
export function layerClass(className: string, where: string): Factory {
  const factory = classes.get(className);
  if (factory) return factory;
  const known = [...classes.keys()];
  if (nearest(className, known) !== undefined) throw unknownName('layer class', className, where, known);
  throw new GradstepError(
    'ERR_OPTION',
    `Unknown layer class ${JSON.stringify(className)} for ${where}: a class of one's own is to be defined (gs.layers.defineLayer) before a model with it is read`,
  );
}

/** Whether a class's factory reads its saved form itself. */
export function readsSavedForm(className: string): boolean {
  return readers.has(className);
}
