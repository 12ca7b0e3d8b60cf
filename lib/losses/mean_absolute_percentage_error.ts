/** meanAbsolutePercentageError: 100/n Σ |y − ŷ| / max(|y|, 1e-7) over the n outputs of a sample. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';
import { EPSILON } from './probabilities.js';

/** 100/n Σ |y − ŷ| / max(|y|, 1e-7). Labels have the shape of the output. */
export function meanAbsolutePercentageError(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.meanAbsolutePercentageError', options, {});
  return comparison('meanAbsolutePercentageError', config, (yTrue, yPred) => {
    const size = elementwise('maximum', elementwise('abs', yTrue), EPSILON);
    return elementwise('mul', elementwise('div', elementwise('abs', elementwise('sub', yPred, yTrue)), size), 100);
  });
}
