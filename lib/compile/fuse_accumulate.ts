/**
 * Sums of gradients: add(s, k(…)), where k is a kernel that can add to what its output holds and s dies here, becomes
 * k(…) accumulating into s's buffer; see fuse.ts.
 */
import { isMapOf } from './is_map_of.js';
import type { Instruction, Operand } from './program.js';
import { Uses } from './uses.js';

export function accumulateSums(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (const add of list) {
    const [a, b] = [add.inputs.in0, add.inputs.in1];
    if (!isMapOf(add, 'add') || !a || !b) continue;
    for (const [sum, term] of [
      [a, b],
      [b, a],
    ] as [Operand, Operand][]) {
      const kernel = uses.maker(term.buffer);
      const before = uses.maker(sum.buffer);
      if (!kernel || !before || !canAdd(kernel, term) || uses.positionOf(before) >= uses.positionOf(kernel)) continue;
      if (uses.onlyReader(term.buffer) !== add || uses.onlyReader(sum.buffer) !== add) continue;
      // Whole numbers are added as floats: where both are, or one is, neither's memory is the sum's.
      if (sum.dtype !== 'float32' || term.dtype !== 'float32') continue;
      if (sum.buffer.bytes !== term.buffer.bytes || add.outputs.out0!.buffer.bytes !== sum.buffer.bytes) continue;
      // One buffer from the first term on, however many there were before: the sum's own.
      const total = add.outputs.out0!.buffer;
      const [name] = Object.entries(kernel.outputs).find(([, o]) => o.buffer === term.buffer)!;
      uses.remove(add);
      uses.redirect(sum.buffer, total);
      uses.redirect(term.buffer, total);
      kernel.accumulate = [...kernel.accumulate, name];
      break;
    }
  }
  return uses.instructions;
}

function canAdd(kernel: Instruction, term: Operand): boolean {
  const made = Object.entries(kernel.outputs).find(([, o]) => o.buffer === term.buffer);
  if (!made || !kernel.op.outputs[made[0]]!.accumulate || kernel.accumulate.length > 0) return false;
  const { bias, mask } = kernel.inputs;
  return Object.keys(kernel.outputs).length === 1 && !bias && !mask && (kernel.attrs.activation ?? 'linear') === 'linear';
}
