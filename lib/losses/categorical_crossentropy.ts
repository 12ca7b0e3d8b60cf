/** categoricalCrossentropy: −Σ_c y_c · log p_c over the last axis, labels as distributions. */
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { softmaxCrossEntropy } from '../ops/softmax_cross_entropy.js';
import { sizeOf } from '../graph/shape.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { labelSmoothingOption, smoothLabels } from './label_smoothing.js';
import type { Loss } from './loss.js';
import { normalisedProbabilities, softmaxInput } from './probabilities.js';

export interface CategoricalCrossentropyOptions {
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
  /** Part from 0 to 1 by which labels are drawn towards 1/classes. Default 0. */
  labelSmoothing?: number;
}

const schema = {
  fromLogits: optional(boolean, false),
  labelSmoothing: labelSmoothingOption,
} satisfies SchemaOf<CategoricalCrossentropyOptions>;

/**
 * −Σ_c y_c · log p_c. Labels have the shape of the output: one-hot or any distribution. A softmax at the model's end is
 * fused with the loss; other probabilities are first divided by their sum and clipped to [1e-7, 1 − 1e-7].
 */
export function categoricalCrossentropy(options?: CategoricalCrossentropyOptions): Loss {
  const config = checkOptions('losses.categoricalCrossentropy', options, schema);
  return {
    name: 'categoricalCrossentropy',
    config,
    labels: 'float32',
    labelShape: (output) => output,
    perPosition(yTrue, yPred, { state, flag }) {
      const y = smoothLabels(yTrue, config.labelSmoothing, yPred.shape.at(-1)!);
      const logits = config.fromLogits ? yPred : softmaxInput(yPred);
      if (logits) {
        const classes = logits.shape.at(-1)!;
        const matrix = [sizeOf(logits.shape) / classes, classes];
        const loss = softmaxCrossEntropy(reshape(logits, matrix), reshape(y, matrix), state, flag);
        return reshape(loss, logits.shape.slice(0, -1));
      }
      const terms = elementwise('mul', y, elementwise('log', normalisedProbabilities(yPred)));
      return elementwise('neg', sum(terms, [-1]));
    },
  };
}
