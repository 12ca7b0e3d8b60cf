/** Initializers by name: what options take as strings, and what saved models name. */
import { optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { glorotUniform } from './glorot_uniform.js';
import { heNormal } from './he_normal.js';
import type { Initializer } from './initializer.js';
import { ones } from './ones.js';
import { zeros } from './zeros.js';

const INITIALIZERS = { glorotUniform, heNormal, zeros, ones } as const;

export type InitializerName = keyof typeof INITIALIZERS;

export function isInitializer(value: unknown): value is Initializer {
  return typeof value === 'object' && value !== null && typeof (value as Partial<Initializer>).sampler === 'function';
}

/** Reads an initializer given by name or made by a factory. */
export const initializerOption: Check<Initializer> = (value, name) => {
  if (isInitializer(value)) return value;
  if (typeof value !== 'string') throw optionError(name, 'name of an initializer or an initializer', value);
  if (!Object.hasOwn(INITIALIZERS, value)) throw unknownName('initializer', value, name, Object.keys(INITIALIZERS));
  return INITIALIZERS[value as InitializerName]();
};
