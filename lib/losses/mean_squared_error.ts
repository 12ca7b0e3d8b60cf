/** meanSquaredError: 1/n Σ (y − ŷ)² over the n outputs of a sample. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';

/** 1/n Σ (y − ŷ)². Labels have the shape of the output. */
export function meanSquaredError(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.meanSquaredError', options, {});
  return comparison('meanSquaredError', config, (yTrue, yPred) => elementwise('square', elementwise('sub', yPred, yTrue)));
}
