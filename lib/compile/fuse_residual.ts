/** Rewrites around a residual block, y = relu(norm(x) + shortcut); see fuse.ts. */
import { channelNormGradOp, channelNormOp } from '../ops/channel_norm.js';
import { isMapOf } from './is_map_of.js';
import type { Instruction, Operand } from './program.js';
import { Uses } from './uses.js';

/**
 * channelNorm followed by the addition of a tensor of its size that is there by then: the kernel adds it, and writes the sum
 * only. Where both terms are normalised (a projection shortcut) that is the later one.
 */
export function residualOfNorm(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const norm of list) {
    if (norm.op !== channelNormOp || norm.attrs.activation !== 'linear' || norm.inputs.residual) continue;
    const y = norm.outputs.y!;
    const add = uses.onlyReader(y.buffer);
    if (!isMapOf(add, 'add')) continue;
    const { in0, in1 } = add.inputs;
    const shortcut = in0!.buffer === y.buffer ? in1 : in0;
    const sum = add.outputs.out0!;
    if (!shortcut || shortcut.dtype !== 'float32' || shortcut.buffer === y.buffer || !areOfOneSize(y, shortcut, sum)) continue;
    if (uses.maker(shortcut.buffer) === norm || uses.areWrittenBetween([shortcut.buffer], norm, add)) continue;
    uses.remove(add);
    uses.replace(norm, {
      ...norm,
      inputs: { ...norm.inputs, residual: { ...shortcut, shape: y.shape } },
      outputs: { ...norm.outputs, y: { ...y, buffer: sum.buffer } },
    });
  }
  return uses.instructions;
}

/**
 * The way back through the block: the first channelNormGrad of dy·step(y) masks dy as it reads it, and where others read
 * the masked gradient too (the shortcut), it writes that as well, in the pass that makes its sums.
 */
export function reluOfResidualGrad(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const grad of list) {
    if (grad.op !== channelNormGradOp || grad.attrs.activation !== 'linear') continue;
    const masked = grad.inputs.dy!;
    const mul = uses.maker(masked.buffer);
    if (!isMapOf(mul, 'mul')) continue;
    const [dy, mask] = [mul.inputs.in0, mul.inputs.in1];
    const step = mask && uses.maker(mask.buffer);
    if (!dy || !mask || !isMapOf(step, 'step') || uses.onlyReader(mask.buffer) !== mul) continue;
    const y = step.inputs.in0!;
    if (y.dtype !== 'float32' || !areOfOneSize(masked, dy, y)) continue;
    // The mask is applied later than before: what it is made of must still be there, and nobody may have read its result.
    if (uses.areWrittenBetween([y.buffer], step, grad) || uses.areWrittenBetween([dy.buffer], mul, grad)) continue;
    const others = [...uses.readersOf(masked.buffer)].filter((reader) => reader !== grad);
    if (others.some((reader) => uses.positionOf(reader) < uses.positionOf(grad))) continue;
    const { shape } = masked;
    uses.remove(mul);
    uses.remove(step);
    uses.replace(grad, {
      ...grad,
      inputs: { ...grad.inputs, dy: { ...dy, shape }, y: { ...y, shape } },
      outputs: { ...grad.outputs, ...(others.length > 0 && { dresidual: masked }) },
      attrs: { ...grad.attrs, activation: 'relu' },
    });
  }
  return uses.instructions;
}

/** Whether buffers are equally large: operands of a map that are, are not broadcast. */
function areOfOneSize(first: Operand, ...others: Operand[]): boolean {
  return others.every(({ buffer }) => buffer.bytes === first.buffer.bytes);
}
