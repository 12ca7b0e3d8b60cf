/** sparseCategoricalCrossentropy: −log p[y] over the last axis, labels as class numbers. */
import { elementwise } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import { softmaxCrossEntropy } from '../ops/softmax_cross_entropy.js';
import { sizeOf } from '../graph/shape.js';
import { boolean, checkOptions, optional } from '../options.js';
import type { Loss } from './loss.js';
import { normalisedProbabilities, softmaxInput } from './probabilities.js';

export interface SparseCategoricalCrossentropyOptions {
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
}

/**
 * −log p[y]. Labels are integers from 0 to classes − 1, of the output's shape without its last axis; any other label
 * rejects with ERR_LABEL_RANGE. A softmax at the model's end is fused with the loss; other probabilities are divided by their
 * sum and clipped to [1e-7, 1 − 1e-7].
 */
export function sparseCategoricalCrossentropy(options?: SparseCategoricalCrossentropyOptions): Loss {
  const config = checkOptions('losses.sparseCategoricalCrossentropy', options, { fromLogits: optional(boolean, false) });
  return {
    name: 'sparseCategoricalCrossentropy',
    config,
    labels: 'int32',
    labelShape: (output) => output.slice(0, -1),
    perPosition(yTrue, yPred, { state, flag }) {
      // softmax(log p) = p where Σ p = 1, so probabilities take the same road as logits.
      const logits = config.fromLogits ? yPred : (softmaxInput(yPred) ?? elementwise('log', normalisedProbabilities(yPred)));
      const classes = logits.shape.at(-1)!;
      const rows = sizeOf(logits.shape) / classes;
      const loss = softmaxCrossEntropy(reshape(logits, [rows, classes]), reshape(yTrue, [rows]), state, flag);
      return reshape(loss, logits.shape.slice(0, -1));
    },
  };
}
