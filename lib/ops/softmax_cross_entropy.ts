/**
 * softmaxCrossEntropy: loss[r] = −Σ_c t[r,c] · log softmax(x[r])[c] from logits x [rows, classes], in one pass that also
 * leaves the probabilities p or, given the gradient by the loss, the gradient by the logits dx = (p·Σ_c t − t) · dloss. Labels
 * are class numbers (int32 [rows]) or distributions (float32 [rows, classes]). A class number outside [0, classes) sets the
 * error flag {code 1, row, label, step} and counts as loss 0.
 * softmaxCrossEntropyDx is that gradient from the probabilities; fusion makes one of both (lib/compile/fuse_loss.ts).
 */
import { GradstepError } from '../errors.js';
import { defineOp, type TensorType } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';
import { pullBack } from './autodiff.js';
import { logSoftmax } from './log_softmax.js';
import { addGiven, elementwise } from './map.js';
import { oneHot } from './one_hot.js';
import { sum } from './reduce_sum.js';
import { reshape } from './reshape.js';
import { softmaxSlope } from './softmax.js';

export const softmaxCrossEntropyOp = defineOp({
  name: 'softmaxCrossEntropy',
  inputs: {
    x: { dtypes: ['float32'] },
    labels: { dtypes: ['int32', 'float32'] },
    state: { dtypes: ['int32'] },
    flag: { dtypes: ['int32'], mutated: true },
    dloss: { dtypes: ['float32'], optional: true },
  },
  outputs: {
    loss: { dtypes: ['float32'] },
    probabilities: { dtypes: ['float32'], optional: true },
    dx: { dtypes: ['float32', 'bfloat16'], optional: true },
  },
  infer({ x, labels, dloss }): Record<string, TensorType> {
    const [rows, classes] = x!.shape;
    const wanted = labels!.dtype === 'int32' ? [rows!] : [rows!, classes!];
    if (x!.shape.length !== 2 || formatShape(labels!.shape) !== formatShape(wanted)) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Cannot compare logits ${formatShape(x!.shape)} with labels ${formatShape(labels!.shape)}`,
      );
    }
    const like: TensorType = { dtype: 'float32', shape: x!.shape };
    return { loss: { dtype: 'float32', shape: [rows!] }, probabilities: like, ...(dloss && { dx: like }) };
  },
  backward({ node, grads, needs }) {
    const { loss: dloss, probabilities: dp } = grads;
    const { x, labels } = node.inputs;
    const probabilities = node.outputs.probabilities!;
    // By the probabilities only where a softmaxCrossEntropyDx was differentiated.
    const throughThem = dp && softmaxSlope(probabilities, dp);
    if (!dloss) return { x: throughThem };
    const { dx } = dloss.graph.add(softmaxCrossEntropyDxOp, { probabilities, labels, dloss }).outputs;
    const byLabels = (): Value => elementwise('neg', elementwise('mul', logSoftmax(x!), perRow(dloss)));
    return { x: addGiven(dx, throughThem), labels: needs('labels') ? byLabels() : undefined };
  },
});

export const softmaxCrossEntropyDxOp = defineOp({
  name: 'softmaxCrossEntropyDx',
  inputs: {
    probabilities: { dtypes: ['float32'] },
    labels: { dtypes: ['int32', 'float32'] },
    dloss: { dtypes: ['float32'] },
  },
  outputs: { dx: { dtypes: ['float32', 'bfloat16'], inPlace: ['probabilities'] } },
  infer: ({ probabilities }) => ({ dx: { dtype: 'float32', shape: probabilities!.shape } }),
  backward: ({ node, grads }) =>
    pullBack(
      node.inputs,
      ({ probabilities: p, labels, dloss }) => {
        const t = labels!.dtype === 'int32' ? oneHot(labels!, p!.shape[1]!) : labels!;
        const away = elementwise('sub', elementwise('mul', p!, sum(t, [1], true)), t);
        return { dx: elementwise('mul', away, perRow(dloss!)) };
      },
      grads,
    ),
});

const perRow = (v: Value): Value => reshape(v, [v.shape[0]!, 1]);

/** Loss of each row [rows] from logits [rows, classes]. */
export function softmaxCrossEntropy(x: Value, labels: Value, state: Value, flag: Value): Value {
  return x.graph.add(softmaxCrossEntropyOp, { x, labels, state, flag }).outputs.loss!;
}
