/** meanSquaredLogarithmicError: 1/n Σ (log(1 + y) − log(1 + ŷ))² over the n outputs of a sample. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';
import { EPSILON } from './probabilities.js';

/** log(1 + max(x, 1e-7)); no gradient flows where the limit holds. */
function logarithm(x: Value): Value {
  return elementwise('log1p', elementwise('maximum', x, EPSILON));
}

/** 1/n Σ (log(1 + y) − log(1 + ŷ))², both at least 1e-7. Labels have the shape of the output. */
export function meanSquaredLogarithmicError(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.meanSquaredLogarithmicError', options, {});
  return comparison('meanSquaredLogarithmicError', config, (yTrue, yPred) =>
    elementwise('square', elementwise('sub', logarithm(yPred), logarithm(yTrue))),
  );
}
