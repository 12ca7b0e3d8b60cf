/**
 * accuracy: the part of predictions that are right. What right means follows from the output and the loss, as in Keras:
 * one output or a binary cross-entropy: round(p) = y; class numbers: argmax p = y; distributions: argmax p = argmax y.
 */
import type { Value } from '../graph/graph.js';
import { argmax } from '../ops/argmax.js';
import { elementwise } from '../ops/map.js';
import { softmaxOp } from '../ops/softmax.js';
import { checkOptions } from '../options.js';
import type { Metric } from './metric.js';

/** Keras's threshold: p > 0.5 counts as 1. */
const THRESHOLD = 0.5;

/** Losses that take each output for a decision of its own. */
const BINARY: readonly (string | undefined)[] = ['binaryCrossentropy', 'binaryFocalCrossentropy'];

/** argmax over the last axis; softmax keeps the order, so its input serves as well and the softmax need not be computed. */
function choice(p: Value): Value {
  return argmax(p.node?.op === softmaxOp ? p.node.inputs.x! : p);
}

/** The part of predictions that are right, in [0, 1]. */
export function accuracy(options?: Record<string, never>): Metric {
  checkOptions('metrics.accuracy', options, {});
  return {
    name: 'accuracy',
    named: true,
    perElement(yTrue, yPred, { labels, loss }) {
      if (labels === 'int32') return elementwise('equal', choice(yPred), yTrue);
      if (yPred.shape.at(-1) === 1 || BINARY.includes(loss)) {
        return elementwise('equal', elementwise('greater', yPred, THRESHOLD), yTrue);
      }
      return elementwise('equal', choice(yPred), argmax(yTrue));
    },
  };
}
