/** kullbackLeiblerDivergence: Σ_c y_c · log(y_c / p_c) over the last axis, labels as distributions. */
import type { Value } from '../graph/graph.js';
import { logSoftmax } from '../ops/log_softmax.js';
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';
import { EPSILON, softmaxInput } from './probabilities.js';

/** p limited to [1e-7, 1]. */
function limit(p: Value): Value {
  return elementwise('minimum', elementwise('maximum', p, EPSILON), 1);
}

/**
 * Σ_c y_c · log(y_c / p_c). Labels have the shape of the output: distributions. Both are limited to [1e-7, 1]; a softmax
 * at the model's end is instead undone and its logarithm taken without loss of digits.
 */
export function kullbackLeiblerDivergence(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.kullbackLeiblerDivergence', options, {});
  return comparison('kullbackLeiblerDivergence', config, (yTrue, yPred) => {
    const logits = softmaxInput(yPred);
    const logP = logits ? logSoftmax(logits) : elementwise('log', limit(yPred));
    const y = limit(yTrue);
    return sum(elementwise('mul', y, elementwise('sub', elementwise('log', y), logP)), [-1]);
  });
}
