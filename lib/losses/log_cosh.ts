/** logCosh: log cosh(y − ŷ), near ½e² for small errors and |e| − log 2 for large ones; the mean over a sample's outputs. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';

/** log cosh(y − ŷ), the mean over the outputs. Labels have the shape of the output. */
export function logCosh(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.logCosh', options, {});
  return comparison('logCosh', config, (yTrue, yPred) => {
    // log cosh e = |e| + log(1 + e^−2|e|) − log 2, which overflows nowhere.
    const size = elementwise('abs', elementwise('sub', yPred, yTrue));
    const rest = elementwise('sub', elementwise('softplus', elementwise('mul', size, -2)), Math.LN2);
    return elementwise('add', size, rest);
  });
}
