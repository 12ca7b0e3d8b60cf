/** meanSquaredError: 1/n Σ (y − ŷ)² over the n outputs of a sample. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { meanPerSample, type Loss } from './loss.js';

/** 1/n Σ (y − ŷ)². Labels have the shape of the output. */
export function meanSquaredError(options?: Record<string, never>): Loss {
  checkOptions('losses.meanSquaredError', options, {});
  return {
    name: 'meanSquaredError',
    config: {},
    labels: 'float32',
    labelShape: (output) => output,
    perSample: (yTrue, yPred) => meanPerSample(elementwise('square', elementwise('sub', yPred, yTrue))),
  };
}
