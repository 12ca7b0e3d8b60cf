/** Initializers by name: what options take as strings, and what saved models name. */
import { optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import {
  constant,
  glorotNormal,
  glorotUniform,
  heNormal,
  heUniform,
  identity,
  lecunNormal,
  lecunUniform,
  ones,
  orthogonal,
  randomNormal,
  randomUniform,
  truncatedNormal,
  varianceScaling,
  zeros,
} from './index.js';
import type { Initializer } from './initializer.js';

const INITIALIZERS = {
  zeros,
  ones,
  constant,
  identity,
  randomUniform,
  randomNormal,
  truncatedNormal,
  varianceScaling,
  glorotUniform,
  glorotNormal,
  heUniform,
  heNormal,
  lecunUniform,
  lecunNormal,
  orthogonal,
} as const;

export type InitializerName = keyof typeof INITIALIZERS;

export function isInitializer(value: unknown): value is Initializer {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Initializer>).sampler === 'function';
}

/** Reads an initializer given by name or made by a factory. */
export const initializerOption: Check<Initializer> = (value, name) => {
  if (isInitializer(value)) return value;
  if (typeof value !== 'string') throw optionError(name, 'name of an initializer or an initializer', value);
  return make(value, undefined, name);
};

function make(value: string, config: unknown, where: string): Initializer {
  if (!Object.hasOwn(INITIALIZERS, value)) throw unknownName('initializer', value, where, Object.keys(INITIALIZERS));
  return INITIALIZERS[value as InitializerName](config as never);
}

/** An initializer with options in saved form; one without is saved as its name. */
export interface SavedInitializer {
  name: string;
  config: unknown;
}

/** The saved form; ERR_OPTION when it is none of these. */
export function saveInitializer({ name, config }: Initializer, where: string): string | SavedInitializer {
  make(name, config, where);
  return Object.keys(config).length === 0 ? name : { name, config };
}

/** The initializer of a saved form. */
export function restoreInitializer({ name, config }: SavedInitializer, where: string): Initializer {
  return make(name, config, where);
}
