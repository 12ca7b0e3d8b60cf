/**
 * What a program in bfloat16 stores in it: activations and their gradients on the way from layer to layer, half the bytes to
 * write and read. A scratch buffer is stored so when every instruction that writes or reads it can (the op table says
 * bfloat16 beside float32), and a layer's kernel reads it: a product, a pooling, a normalisation. So what a loss, a metric or
 * a user's own arithmetic reads last stays float32, like everything that outlives the step: parameters, their gradients,
 * statistics, sums. A value is rounded once, when it is stored (to nearest, ties to even); kernels compute in float32.
 */
import type { InputSpec } from '../graph/define_op.js';
import type { Buffer, Instruction, Operand } from './program.js';

/** Ops that read bfloat16 for the sake of others: no reason to store it. */
const FOR_OTHERS: readonly string[] = ['map', 'dropout', 'reduceSum', 'concat', 'pad', 'crop', 'cropDx'];

export function narrow(instructions: readonly Instruction[]): Instruction[] {
  const kept = new Set<Buffer>();
  const wanted = new Set<Buffer>();
  for (const { op, inputs, outputs } of instructions) {
    for (const [name, operand] of Object.entries(inputs)) {
      if (!canBeNarrow(op.inputs[name]!, operand)) kept.add(operand.buffer);
      else if (!FOR_OTHERS.includes(op.name)) wanted.add(operand.buffer);
    }
    for (const [name, operand] of Object.entries(outputs)) {
      if (!canBeNarrow(op.outputs[name]!, operand)) kept.add(operand.buffer);
    }
  }
  const narrowed = new Map<Buffer, Buffer>();
  for (const buffer of wanted) if (!kept.has(buffer)) narrowed.set(buffer, { ...buffer, bytes: buffer.bytes / 2 });
  const stored = (operands: Record<string, Operand>): Record<string, Operand> =>
    Object.fromEntries(
      Object.entries(operands).map(([name, operand]) => {
        const buffer = narrowed.get(operand.buffer);
        return [name, buffer ? { ...operand, buffer, dtype: 'bfloat16' as const } : operand];
      }),
    );
  return instructions.map((i) => ({ ...i, inputs: stored(i.inputs), outputs: stored(i.outputs) }));
}

function canBeNarrow({ dtypes, mutated }: InputSpec, { buffer, dtype }: Operand): boolean {
  return buffer.region === 'scratch' && dtype === 'float32' && dtypes.includes('bfloat16') && !mutated;
}
