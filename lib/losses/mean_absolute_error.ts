/** meanAbsoluteError: 1/n Σ |y − ŷ| over the n outputs of a sample. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';

/** 1/n Σ |y − ŷ|. Labels have the shape of the output. */
export function meanAbsoluteError(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.meanAbsoluteError', options, {});
  return comparison('meanAbsoluteError', config, (yTrue, yPred) => elementwise('abs', elementwise('sub', yPred, yTrue)));
}
