/** cosineSimilarity: −Σ y·ŷ / (|y|·|ŷ|) over the last axis: −1 where directions agree, 1 where they are opposite. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { checkOptions } from '../options.js';
import { comparison, type Loss } from './loss.js';
import { EPSILON } from './probabilities.js';

/** The length of each vector along the last axis, at least 1e-7; no gradient flows where the limit holds. */
function length(x: Value): Value {
  return elementwise('sqrt', elementwise('maximum', sum(elementwise('square', x), [-1]), EPSILON * EPSILON));
}

/** −Σ y·ŷ / (|y|·|ŷ|), lengths at least 1e-7; in [−1, 1], smallest where directions agree. Labels have the output's shape. */
export function cosineSimilarity(options?: Record<string, never>): Loss {
  const config = checkOptions('losses.cosineSimilarity', options, {});
  return comparison('cosineSimilarity', config, (yTrue, yPred) => {
    const product = sum(elementwise('mul', yTrue, yPred), [-1]);
    return elementwise('neg', elementwise('div', elementwise('div', product, length(yPred)), length(yTrue)));
  });
}
