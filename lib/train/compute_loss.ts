/** A loss inside a function that `gs.compile` describes. */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { perSample, type Loss, type LossFunction } from '../losses/loss.js';
import { lossOption, type LossName } from '../losses/registry.js';
import { elementwise } from '../ops/map.js';
import { mean, sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { checkOptions, oneOf, optional, type SchemaOf } from '../options.js';
import { currentTrace } from './trace.js';

export interface LossOptions {
  /** What becomes of the samples' losses: their mean, their sum, or nothing, which leaves [rows]. Default `mean`. */
  reduction?: 'mean' | 'sum' | 'none';
}

const schema = { reduction: optional(oneOf(['mean', 'sum', 'none']), 'mean' as const) } satisfies SchemaOf<LossOptions>;

const withoutOne = (shape: Shape): Shape => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape);

/**
 * What `model.compile({ loss })` compares with, for steps of your own; inside `gs.compile`. The loss of a sample is the mean over its
 * positions. Without a mask: positions that a layer masks count like all others.
 * @param loss its name, a loss of `gs.losses` or a function
 * @param yTrue [rows, …]: numbers of yPred's shape; class numbers [rows, …] without its last axis, of an int32 input, for
 *   `sparseCategoricalCrossentropy`; of any shape for a function, which gets them as `LossFunction` says. One outside the classes is ERR_LABEL_RANGE when the step runs.
 * @param yPred [rows, …, outputs]. Where it is a model's softmax or sigmoid, cross-entropies are computed from the numbers before it.
 * @returns a number [], or [rows] with `reduction: 'none'`. ERR_SHAPE, ERR_DTYPE where labels do not fit.
 */
export function computeLoss(loss: LossName | Loss | LossFunction, yTrue: Value, yPred: Value, options?: LossOptions): Value {
  const trace = currentTrace('gs.computeLoss');
  const { reduction } = checkOptions('gs.computeLoss', options, schema);
  const how = lossOption(loss, 'gs.computeLoss loss');
  trace.own(yPred, 'gs.computeLoss yPred');
  if (yPred.shape.length < 2) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected yPred [rows, outputs] for gs.computeLoss but received ${formatShape(yPred.shape)}`,
    );
  }
  const labels = labelsFor(how, yTrue, yPred);
  return trace.graph.inScope('loss', () => {
    const losses = perSample(how, labels, yPred, { state: trace.state, flag: trace.flag });
    if (reduction === 'none') return losses;
    return reduction === 'mean' ? mean(losses) : sum(losses);
  });
}

/** yTrue as the loss takes it. */
function labelsFor(loss: Loss, yTrue: unknown, yPred: Value): Value {
  if (!(yTrue instanceof Value) || yTrue.graph !== yPred.graph) {
    throw optionError('gs.computeLoss yTrue', 'value made by the function', yTrue);
  }
  if (loss.labels === 'int32' && yTrue.dtype !== 'int32') {
    const advice = "give the input of class numbers dtype: 'int32'";
    throw new GradstepError('ERR_DTYPE', `Expected int32 labels for ${loss.name} but received ${yTrue.dtype}: ${advice}`);
  }
  const given = yTrue.shape.slice(1);
  const wanted = loss.labelShape(yPred.shape.slice(1), given);
  const rows = yPred.shape[0]!;
  if (yTrue.shape[0] !== rows || !sameShape(withoutOne(given), withoutOne(wanted))) {
    const shapes = `${formatShape([rows, ...wanted])} for gs.computeLoss but received ${formatShape(yTrue.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected yTrue of shape ${shapes}`);
  }
  const shaped = reshape(yTrue, [rows, ...wanted]);
  return loss.labels === shaped.dtype ? shaped : elementwise('identity', shaped);
}
