/** poisson: ŷ − y·log ŷ, the negative log likelihood of counts y under rates ŷ up to a constant. */
import { elementwise } from '../ops/map.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';
import { EPSILON } from './probabilities.js';

/** ŷ − y·log(ŷ + 1e-7), the mean over the outputs. Labels have the shape of the output: counts; outputs are rates >= 0. */
export function poisson(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.poisson', options, {});
  return comparison('poisson', config, (yTrue, yPred) =>
    elementwise('sub', yPred, elementwise('mul', yTrue, elementwise('log', elementwise('add', yPred, EPSILON)))),
  );
}
