/** Rewrites around relu; see fuse.ts. */
import type { OpDef } from '../graph/define_op.js';
import { channelNormGradOp, channelNormOp } from '../ops/channel_norm.js';
import { convOp } from '../ops/conv.js';
import { matmulOp } from '../ops/matmul.js';
import { maxPoolDxOp, maxPoolOp } from '../ops/max_pool.js';
import { isMapOf } from './is_map_of.js';
import type { Instruction } from './program.js';
import { Uses } from './uses.js';

const WITH_EPILOGUE: readonly OpDef[] = [matmulOp, convOp, channelNormOp];

/** matmul, conv or channelNorm followed by relu: the kernel applies it. Its backward needs only the result, which is kept. */
export function reluEpilogues(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  const gone = new Set<Instruction>();
  for (const instruction of list) {
    const { op, inputs, outputs, attrs } = instruction;
    if (!WITH_EPILOGUE.includes(op) || attrs.activation !== 'linear' || (op === matmulOp && inputs.mask)) continue;
    const relu = uses.onlyReader(outputs.y!.buffer);
    if (!isMapOf(relu, 'relu') || relu.outputs.out0!.buffer.bytes !== outputs.y!.buffer.bytes) continue;
    instruction.attrs = { ...attrs, activation: 'relu' };
    instruction.outputs = { ...outputs, y: { ...outputs.y!, buffer: relu.outputs.out0!.buffer } };
    gone.add(relu);
  }
  return list.filter((i) => !gone.has(i));
}

/**
 * The way back through a channelNorm that applies relu: its gradient of dy·step(y) becomes that of dy, which masks dy as
 * it reads it.
 */
export function reluOfNormGrad(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  const gone = new Set<Instruction>();
  for (const grad of list) {
    if (grad.op !== channelNormGradOp || grad.attrs.activation !== 'linear') continue;
    const norm = uses.maker(grad.inputs.mean!.buffer);
    const mul = uses.maker(grad.inputs.dy!.buffer);
    if (norm?.op !== channelNormOp || norm.attrs.activation !== 'relu' || norm.inputs.residual) continue;
    if (!isMapOf(mul, 'mul')) continue;
    const [dy, mask] = [mul.inputs.in0, mul.inputs.in1];
    const step = mask && uses.maker(mask.buffer);
    if (!dy || !mask || !isMapOf(step, 'step') || step.inputs.in0!.buffer !== norm.outputs.y!.buffer) continue;
    if (uses.onlyReader(grad.inputs.dy!.buffer) !== grad || uses.onlyReader(mask.buffer) !== mul) continue;
    if (dy.buffer.bytes !== grad.inputs.dy!.buffer.bytes) continue;
    grad.inputs = { ...grad.inputs, dy: { ...dy, shape: grad.inputs.dy!.shape } };
    grad.attrs = { ...grad.attrs, activation: 'relu' };
    gone.add(mul).add(step);
  }
  return list.filter((i) => !gone.has(i));
}

/**
 * maxPoolDx(dp)·step(y) = maxPoolDx(dp·step(pooled)) where pooled = maxPool(y): each window's winner has the window's
 * value, so the mask can be applied before the gradient is spread over the larger tensor.
 */
export function reluBehindMaxPool(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  const result = [...list];
  for (const mul of list) {
    if (!isMapOf(mul, 'mul')) continue;
    const [a, b] = [mul.inputs.in0, mul.inputs.in1];
    if (!a || !b) continue;
    const [spread, mask] = [uses.maker(a.buffer), uses.maker(b.buffer)];
    if (spread?.op !== maxPoolDxOp || !isMapOf(mask, 'step')) continue;
    const pool = uses.maker(spread.inputs.argmax!.buffer);
    if (pool?.op !== maxPoolOp || pool.inputs.x!.buffer !== mask.inputs.in0!.buffer) continue;
    if (uses.onlyReader(a.buffer) !== mul || uses.onlyReader(b.buffer) !== mul) continue;
    const [dx, masked] = [spread.outputs.dx!, mul.outputs.out0!];
    if (masked.buffer.bytes !== dx.buffer.bytes) continue;

    const pooled = pool.outputs.y!;
    const dp = spread.inputs.dy!;
    const scratch = () => ({ ...pooled, buffer: { bytes: pooled.buffer.bytes, region: 'scratch' as const, offset: -1 } });
    const [maskSmall, dpSmall] = [scratch(), scratch()];
    const domain = pooled.shape;
    const small: Instruction[] = [
      { ...mask, inputs: { in0: pooled }, outputs: { out0: maskSmall }, attrs: { ...mask.attrs, domain } },
      { ...mul, inputs: { in0: dp, in1: maskSmall }, outputs: { out0: dpSmall }, attrs: { ...mul.attrs, domain } },
      // In the pool's own shape, which the relu's need not be.
      { ...spread, inputs: { ...spread.inputs, dy: dpSmall }, outputs: { dx: { ...dx, buffer: masked.buffer } } },
    ];
    result.splice(result.indexOf(mul), 1, ...small);
    result.splice(result.indexOf(mask), 1);
    result.splice(result.indexOf(spread), 1);
  }
  return result;
}
