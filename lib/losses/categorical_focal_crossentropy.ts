/** categoricalFocalCrossentropy: −Σ_c alpha · (1 − p_c)^gamma · y_c · log p_c over the last axis. */
import type { Value } from '../graph/graph.js';
import { logSoftmax } from '../ops/log_softmax.js';
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { alphaOption, focus, gammaOption } from './focal.js';
import { labelSmoothingOption, smoothLabels } from './label_smoothing.js';
import { comparison, type Loss } from './loss.js';
import { clipProbabilities, softmaxInput } from './probabilities.js';

export interface CategoricalFocalCrossentropyOptions {
  /** Weight of every class, from 0 to 1. Default 0.25. */
  alpha?: number;
  /** Exponent, number >= 0; 0 leaves the cross-entropy as it is. Default 2. */
  gamma?: number;
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
  /** Part from 0 to 1 by which labels are drawn towards 1/classes. Default 0. */
  labelSmoothing?: number;
}

const schema = {
  alpha: alphaOption,
  gamma: gammaOption,
  fromLogits: optional(boolean, false),
  labelSmoothing: labelSmoothingOption,
} satisfies SchemaOf<CategoricalFocalCrossentropyOptions>;

/** log p, and 1 − p. */
function parts(yPred: Value, fromLogits: boolean): { logP: Value; miss: Value } {
  const logits = fromLogits ? yPred : softmaxInput(yPred);
  if (logits) {
    const logP = logSoftmax(logits);
    return { logP, miss: elementwise('neg', elementwise('expm1', logP)) };
  }
  const p = clipProbabilities(elementwise('div', yPred, sum(yPred, [-1], true)));
  return { logP: elementwise('log', p), miss: elementwise('sub', 1, p) };
}

/**
 * −Σ_c alpha · (1 − p_c)^gamma · y_c · log p_c. Labels have the shape of the output: one-hot or any distribution. A softmax
 * at the model's end is fused with the loss; other probabilities are first divided by their sum and clipped to
 * [1e-7, 1 − 1e-7].
 */
export function categoricalFocalCrossentropy(options?: CategoricalFocalCrossentropyOptions): Loss {
  const config = checkOptions('losses.categoricalFocalCrossentropy', options, schema);
  return comparison('categoricalFocalCrossentropy', config, (yTrue, yPred) => {
    const y = smoothLabels(yTrue, config.labelSmoothing, yPred.shape.at(-1)!);
    const { logP, miss } = parts(yPred, config.fromLogits);
    const each = elementwise('mul', elementwise('mul', y, logP), focus(miss, config.gamma));
    return elementwise('mul', sum(each, [-1]), -config.alpha);
  });
}
