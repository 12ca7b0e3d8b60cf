/**
 * Weights in bfloat16, on CUDA: where an activation is stored in it, the library of products wants the other operand so, too,
 * and the bias of what it stores in it. Weights are variables and stay float32; a copy of each is rounded once a step, for all
 * products that read it, by as few instructions as possible at the step's beginning, where nothing else depends on them: they
 * run beside the gathering of the batch. What changes before it is read (a weight that an earlier part of the step updates) is
 * left to the product itself.
 */
import { ROUNDED_AT_ONCE, toBfloat16Op } from '../ops/to_bfloat16.js';
import type { Buffer, Instruction, Operand } from './program.js';
import { Uses } from './uses.js';

/** The two operands of each product. */
const OPERANDS: Readonly<Record<string, readonly [string, string]>> = {
  matmul: ['a', 'b'],
  dense: ['x', 'w'],
  denseDx: ['dy', 'w'],
  denseDw: ['x', 'dy'],
  conv: ['x', 'w'],
  convDx: ['dy', 'w'],
  convDw: ['x', 'dy'],
};

export function roundWeights(instructions: readonly Instruction[]): Instruction[] {
  const uses = new Uses(instructions);
  const weights = new Map<Buffer, Operand>();
  const copies = new Map<Buffer, Buffer>();
  const changed = instructions.map((instruction) => {
    const inputs = { ...instruction.inputs };
    for (const name of weightsOf(instruction)) {
      const weight = inputs[name]!;
      if (uses.areWrittenBefore([weight.buffer], instruction)) continue;
      let buffer = copies.get(weight.buffer);
      if (!buffer) {
        buffer = { bytes: weight.buffer.bytes / 2, region: 'scratch', offset: -1 };
        copies.set(weight.buffer, buffer);
        weights.set(weight.buffer, weight);
      }
      inputs[name] = { ...weight, buffer, dtype: 'bfloat16' };
    }
    return { ...instruction, inputs };
  });
  return [...roundings([...weights.values()], copies), ...changed];
}

/** Inputs that are variables in float32, where the kernel reads either: an operand beside one in bfloat16, and the bias with it. */
function weightsOf(instruction: Instruction): string[] {
  const { op, inputs } = instruction;
  const operands = OPERANDS[op.name] ?? [];
  if (!operands.some((name) => inputs[name]!.dtype === 'bfloat16')) return [];
  const names = hasNarrowResult(instruction) ? [...operands, 'bias'] : operands;
  return names.filter((name) => {
    const input = inputs[name];
    return input?.buffer.variable && input.dtype === 'float32' && op.inputs[name]!.dtypes.includes('bfloat16');
  });
}

/** Whether the library can store a layer's result in bfloat16: not beside gelu's sums, which would be of its type. */
function hasNarrowResult({ outputs }: Instruction): boolean {
  return outputs.y?.dtype === 'bfloat16' && outputs.aux?.dtype !== 'float32';
}

function roundings(weights: readonly Operand[], copies: ReadonlyMap<Buffer, Buffer>): Instruction[] {
  const count = Math.ceil(weights.length / ROUNDED_AT_ONCE);
  return Array.from({ length: count }, (_, i): Instruction => {
    const some = weights.slice(i * ROUNDED_AT_ONCE, (i + 1) * ROUNDED_AT_ONCE);
    const named = (letter: string, operandOf: (weight: Operand) => Operand): Record<string, Operand> =>
      Object.fromEntries(some.map((weight, k) => [`${letter}${k + 1}`, operandOf(weight)]));
    return {
      op: toBfloat16Op,
      inputs: named('x', (weight) => weight),
      outputs: named('y', ({ buffer, shape }) => ({ buffer: copies.get(buffer)!, dtype: 'bfloat16', shape })),
      attrs: {},
      accumulate: [],
      scope: 'weights',
    };
  });
}
