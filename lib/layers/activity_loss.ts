/** What regularizers of a layer's results add to the loss. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import type { CallContext } from './layer.js';

/** Adds the penalty of each result, over its rows: strength does not depend on the size of batches, as in Keras. */
export function addActivityLoss(regularizer: Regularizer | undefined, results: readonly Value[], context: CallContext): void {
  if (!regularizer) return;
  for (const result of results) {
    const values = result.dtype === 'float32' ? result : elementwise('identity', result);
    context.addLoss(elementwise('div', regularizer.penalty(values), values.shape[0]!));
  }
}
