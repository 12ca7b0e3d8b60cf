/** The name of a layer or an input, as the first part of what tensors in saved files are called. */
import { optionError } from '../errors.js';
import type { Check } from '../options.js';

/** Names that saved files use themselves. */
const TAKEN = ['optimizer', 'ema', 'carried'];

export const layerName: Check<string> = (value, name) => {
  if (typeof value !== 'string' || !/^[A-Za-z][A-Za-z0-9_.-]*$/.test(value) || TAKEN.includes(value)) {
    throw optionError(name, 'name of letters, digits, "_", "-" and "." other than "optimizer", "ema" and "carried"', value);
  }
  return value;
};
