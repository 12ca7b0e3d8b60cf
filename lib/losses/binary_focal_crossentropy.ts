/** binaryFocalCrossentropy: the binary cross-entropy weighted by (1 − p)^gamma, p the probability of the label. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { alphaOption, focus, gammaOption } from './focal.js';
import { labelSmoothingOption, smoothLabels } from './label_smoothing.js';
import { comparison, type Loss } from './loss.js';
import { clipProbabilities, sigmoidInput } from './probabilities.js';

export interface BinaryFocalCrossentropyOptions {
  /** Whether label 1 is weighted by alpha and label 0 by 1 − alpha. Default false. */
  applyClassBalancing?: boolean;
  /** Weight of label 1 with `applyClassBalancing`, from 0 to 1. Default 0.25. */
  alpha?: number;
  /** Exponent, number >= 0; 0 leaves the cross-entropy as it is. Default 2. */
  gamma?: number;
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
  /** Part from 0 to 1 by which labels are drawn towards ½. Default 0. */
  labelSmoothing?: number;
}

const schema = {
  applyClassBalancing: optional(boolean, false),
  alpha: alphaOption,
  gamma: gammaOption,
  fromLogits: optional(boolean, false),
  labelSmoothing: labelSmoothingOption,
} satisfies SchemaOf<BinaryFocalCrossentropyOptions>;

/** The probability of 1, that of 0, and the cross-entropy with labels y. */
function parts(yPred: Value, y: Value, fromLogits: boolean): { one: Value; zero: Value; entropy: Value } {
  const z = fromLogits ? yPred : sigmoidInput(yPred);
  if (z) {
    const entropy = elementwise('sub', elementwise('softplus', z), elementwise('mul', z, y));
    return { one: elementwise('sigmoid', z), zero: elementwise('sigmoid', elementwise('neg', z)), entropy };
  }
  const one = clipProbabilities(yPred);
  const zero = elementwise('sub', 1, one);
  const [logOne, logZero] = [elementwise('log', one), elementwise('log', zero)];
  const likelihood = elementwise('add', elementwise('mul', y, logOne), elementwise('mul', elementwise('sub', 1, y), logZero));
  return { one, zero, entropy: elementwise('neg', likelihood) };
}

/**
 * (1 − p_y)^gamma · crossentropy, p_y = y·p + (1−y)·(1−p), the mean over the outputs. Labels have the shape of the output,
 * 0 to 1. A sigmoid at the model's end is fused with the loss; other probabilities are clipped to [1e-7, 1 − 1e-7].
 */
export function binaryFocalCrossentropy(options?: BinaryFocalCrossentropyOptions): Loss {
  const config = checkOptions('losses.binaryFocalCrossentropy', options, schema);
  return comparison('binaryFocalCrossentropy', config, (yTrue, yPred) => {
    const y = smoothLabels(yTrue, config.labelSmoothing, 2);
    const { one, zero, entropy } = parts(yPred, y, config.fromLogits);
    const miss = elementwise('add', elementwise('mul', y, zero), elementwise('mul', elementwise('sub', 1, y), one));
    const loss = elementwise('mul', entropy, focus(miss, config.gamma));
    if (!config.applyClassBalancing) return loss;
    const weight = elementwise('add', elementwise('mul', y, 2 * config.alpha - 1), 1 - config.alpha);
    return elementwise('mul', weight, loss);
  });
}
