/** How metrics read labels and outputs: as numbers side by side, or as the classes that both stand for. */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { argmax } from '../ops/argmax.js';
import { elementwise } from '../ops/map.js';
import { oneHotOfFloats } from '../ops/one_hot.js';
import { reshape } from '../ops/reshape.js';
import { softmaxOp } from '../ops/softmax.js';
import { toInt32 } from '../ops/to_int32.js';

/** Keras's threshold: p > 0.5 counts as 1. */
export const THRESHOLD = 0.5;

function misfit(yTrue: Value, yPred: Value, where: string): GradstepError {
  const shapes = `labels ${formatShape(yTrue.shape)} and outputs ${formatShape(yPred.shape)}`;
  return new GradstepError('ERR_SHAPE', `Cannot compare ${shapes} in ${where}`);
}

/** Labels with the shape of the output. ERR_OPTION where labels are class numbers, which stand for classes and not for outputs. */
export function numbersLike(yTrue: Value, yPred: Value, where: string): Value {
  if (yTrue.dtype === 'int32') {
    throw new GradstepError('ERR_OPTION', `Expected a loss that takes numbers as labels for ${where} but it takes class numbers`);
  }
  const ones = (v: Value) => v.shape.filter((d) => d !== 1);
  if (!sameShape(ones(yTrue), ones(yPred))) throw misfit(yTrue, yPred, where);
  return reshape(yTrue, yPred.shape);
}

/** Whether labels have one number for each choice among an output's elements, as class numbers do, and not one for each element. */
function areOfChoices(yTrue: Value, yPred: Value): boolean {
  const classes = yPred.shape.at(-1)!;
  return classes > 1 && sizeOf(yTrue.shape) * classes === sizeOf(yPred.shape);
}

/**
 * Class numbers, int32 [rows, …] without the output's last axis; undefined where labels are not such. Those of a loss of one's own
 * are floats; what is no whole number is no class.
 */
export function classNumbers(yTrue: Value, yPred: Value): Value | undefined {
  if (yTrue.dtype === 'int32') return yTrue;
  if (!areOfChoices(yTrue, yPred)) return undefined;
  const isWhole = elementwise('equal', elementwise('floor', yTrue), yTrue);
  return reshape(toInt32(elementwise('where', isWhole, yTrue, -1)), yPred.shape.slice(0, -1));
}

/** Labels with the shape of the output; class numbers of a loss of one's own as 1 at their place. */
export function distributionsLike(yTrue: Value, yPred: Value, where: string): Value {
  if (yTrue.dtype === 'int32' || !areOfChoices(yTrue, yPred)) return numbersLike(yTrue, yPred, where);
  return oneHotOfFloats(reshape(yTrue, yPred.shape.slice(0, -1)), yPred.shape.at(-1)!);
}

/** What comes before a softmax, which keeps the order; so it need not be computed for a comparison. */
export function ranked(p: Value): Value {
  return p.node?.op === softmaxOp ? p.node.inputs.x! : p;
}

/** argmax over the last axis. */
export function choice(p: Value): Value {
  return argmax(ranked(p));
}

/** Class numbers of outputs, [rows, …] without the last axis; of a single output: p > threshold. */
export function predictedClasses(yPred: Value, threshold: number, passes: 'greater' | 'greaterEqual' = 'greater'): Value {
  if (yPred.shape.at(-1)! > 1) return choice(yPred);
  return elementwise(passes, reshape(yPred, yPred.shape.slice(0, -1)), threshold);
}

/** Class numbers of labels, [rows, …] without the output's last axis; distributions stand for their largest class. */
export function trueClasses(yTrue: Value, yPred: Value, where: string): Value {
  const shape = yPred.shape.slice(0, -1);
  if (yPred.shape.at(-1)! > 1 && sameShape(yTrue.shape, yPred.shape)) return argmax(yTrue);
  if (sizeOf(yTrue.shape) !== sizeOf(shape)) throw misfit(yTrue, yPred, where);
  return reshape(yTrue, shape);
}
