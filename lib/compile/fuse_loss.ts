/** A loss and its gradient by the logits into one kernel; see fuse.ts. */
import { map } from '../ops/map.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { softmaxCrossEntropyDxOp, softmaxCrossEntropyOp } from '../ops/softmax_cross_entropy.js';
import type { Buffer, Instruction } from './program.js';
import { Uses } from './uses.js';

/**
 * softmaxCrossEntropy and the softmaxCrossEntropyDx of its probabilities: the first makes both, and keeps the probabilities
 * only for others that read them. The gradient by the loss has to be there by then: what makes it (1/rows and weights of
 * samples, mostly) moves up before the loss, where it is made by maps and sums that do not follow from the loss itself.
 */
export function lossAndGradient(list: Instruction[]): Instruction[] {
  let result = list;
  for (const grad of list) {
    if (grad.op !== softmaxCrossEntropyDxOp) continue;
    const uses = new Uses(result);
    const probabilities = grad.inputs.probabilities!;
    const loss = uses.maker(probabilities.buffer);
    if (loss?.op !== softmaxCrossEntropyOp || loss.inputs.dloss) continue;
    const dloss = grad.inputs.dloss!;
    // Where it goes to a variable, or comes from one, others may use that in between.
    if (dloss.buffer.variable || grad.outputs.dx!.buffer.variable) continue;
    if (uses.areWrittenBetween([loss.inputs.labels!.buffer], loss, grad)) continue;
    const earlier = makersBehind(uses, dloss.buffer, loss);
    if (!earlier) continue;
    const isKept = uses.readersOf(probabilities.buffer).size > 1;
    const { probabilities: made, ...others } = loss.outputs;
    const both: Instruction = {
      ...loss,
      inputs: { ...loss.inputs, dloss },
      outputs: { ...others, ...(isKept && { probabilities: made! }), dx: grad.outputs.dx! },
    };
    const moved = new Set<Instruction>([grad, ...earlier]);
    result = result.filter((i) => !moved.has(i)).flatMap((i) => (i === loss ? [...earlier, both] : [i]));
  }
  return result;
}

/**
 * The instructions behind `loss` that `buffer` is made by, in order; undefined where one of them may not be made before the
 * loss: it is neither map nor sum, follows from the loss, or reads a variable that changes in between.
 */
function makersBehind(uses: Uses, buffer: Buffer, loss: Instruction): Instruction[] | undefined {
  const found = new Set<Instruction>();
  const mayMove = (needed: Buffer): boolean => {
    const maker = uses.maker(needed);
    if (!maker || found.has(maker) || uses.positionOf(maker) < uses.positionOf(loss)) return true;
    if (maker.op !== map && maker.op !== reduceSum) return false;
    found.add(maker);
    return Object.values(maker.inputs).every(({ buffer: read }) => {
      if (!read.variable) return mayMove(read);
      return read !== loss.inputs.flag!.buffer && !uses.areWrittenBetween([read], loss, maker);
    });
  };
  if (!mayMove(buffer)) return undefined;
  return [...found].sort((a, b) => uses.positionOf(a) - uses.positionOf(b));
}
