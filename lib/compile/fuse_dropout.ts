/**
 * The way back through dropout of a relu's result; see fuse.ts. With y = dropout(x), y is above 0 where x is and was kept:
 * dropout(g)·step(x) = g·step(y)·factor, so the gradient draws no random numbers again, and its mask is what the layer above
 * has read anyway.
 */
import { dropoutOp } from '../ops/dropout.js';
import { IMMEDIATE, REGISTER } from '../ops/map.js';
import { SCALAR_NAMES } from '../ops/scalar_table.js';
import { isMapOf } from './is_map_of.js';
import type { Instruction } from './program.js';
import { Uses } from './uses.js';

const MUL = SCALAR_NAMES.indexOf('mul');
/** in0·in1·factor */
const CODE = [
  [MUL, 0, 1, 0],
  [MUL, REGISTER, IMMEDIATE, 0],
] as const;

export function reluBehindDropout(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const mul of list) {
    if (!isMapOf(mul, 'mul')) continue;
    const { in0: dropped, in1: slope } = mul.inputs;
    if (!dropped || !slope) continue;
    const [back, step] = [uses.maker(dropped.buffer), uses.maker(slope.buffer)];
    if (back?.op !== dropoutOp || !isMapOf(step, 'step')) continue;
    if (uses.onlyReader(dropped.buffer) !== mul || uses.onlyReader(slope.buffer) !== mul) continue;
    const forward = [...uses.readersOf(step.inputs.in0!.buffer)].find((other) => other !== back && isForwardOf(other, back));
    const [y, g, result] = [forward?.outputs.y, back.inputs.x!, mul.outputs.out0!];
    if (!forward || !y || uses.positionOf(forward) > uses.positionOf(step)) continue;
    // Of one size: then none of them is broadcast.
    if ([y, dropped, slope, result].some(({ buffer }) => buffer.bytes !== g.buffer.bytes)) continue;
    // What both dropouts draw from, and what the slope and the first one read, must be the same; and its result still there.
    const same = [y.buffer, back.inputs.state!.buffer, step.inputs.in0!.buffer];
    if (uses.areWrittenBetween(same, forward, mul)) continue;
    if (uses.areWrittenBetween([g.buffer], back, mul)) continue;

    const { shape } = result;
    const tape = { code: CODE, immediates: [back.attrs.factor as number], results: [REGISTER + 1] };
    uses.remove(back);
    uses.replace(step, { ...step, inputs: { in0: { ...y, shape: step.inputs.in0!.shape } } });
    uses.replace(mul, { ...mul, inputs: { in0: { ...g, shape }, in1: slope }, attrs: { ...mul.attrs, tape } });
  }
  return uses.instructions;
}

/** Whether a dropout yields what another is the gradient of: zeros instead of the same elements. */
function isForwardOf({ op, attrs, inputs }: Instruction, back: Instruction): boolean {
  if (op !== dropoutOp || attrs.offset !== 0 || attrs.dropped !== 0) return false;
  const isSame = ['rate', 'factor', 'stream'].every((name) => attrs[name] === back.attrs[name]);
  // A factor below 1 could make a small number 0.
  return isSame && (attrs.factor as number) >= 1 && inputs.state!.buffer === back.inputs.state!.buffer;
}
