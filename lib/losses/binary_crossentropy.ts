/** binaryCrossentropy: −y·log p − (1−y)·log(1−p), the mean over a sample's outputs; from logits z: softplus(z) − z·y. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { boolean, checkOptions, optional, type SchemaOf } from '../options.js';
import { labelSmoothingOption, smoothLabels } from './label_smoothing.js';
import { comparison, type Loss } from './loss.js';
import { clipProbabilities, sigmoidInput } from './probabilities.js';

export interface BinaryCrossentropyOptions {
  /** Whether the model yields logits rather than probabilities. Default false. */
  fromLogits?: boolean;
  /** Part from 0 to 1 by which labels are drawn towards ½. Default 0. */
  labelSmoothing?: number;
}

const schema = {
  fromLogits: optional(boolean, false),
  labelSmoothing: labelSmoothingOption,
} satisfies SchemaOf<BinaryCrossentropyOptions>;

function fromLogitsOf(z: Value, y: Value): Value {
  return elementwise('sub', elementwise('softplus', z), elementwise('mul', z, y));
}

function fromProbabilities(p: Value, y: Value): Value {
  const clipped = clipProbabilities(p);
  const one = elementwise('mul', y, elementwise('log', clipped));
  const zero = elementwise('mul', elementwise('sub', 1, y), elementwise('log', elementwise('sub', 1, clipped)));
  return elementwise('neg', elementwise('add', one, zero));
}

/**
 * −y·log p − (1−y)·log(1−p), the mean over the outputs. Labels have the shape of the output, 0 to 1. A sigmoid at the
 * model's end is fused with the loss.
 */
export function binaryCrossentropy(options?: BinaryCrossentropyOptions): Loss {
  const config = checkOptions('losses.binaryCrossentropy', options, schema);
  return comparison('binaryCrossentropy', config, (yTrue, yPred) => {
    const y = smoothLabels(yTrue, config.labelSmoothing, 2);
    const logits = config.fromLogits ? yPred : sigmoidInput(yPred);
    return logits ? fromLogitsOf(logits, y) : fromProbabilities(yPred, y);
  });
}
