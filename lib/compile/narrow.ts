/**
 * What a program in bfloat16 stores in it: activations and their gradients on the way from layer to layer, half the bytes to
 * write and read. A scratch buffer is stored so when every instruction that writes or reads it can (the op table says
 * bfloat16 beside float32), and it is on its way to a layer's kernel (a product, a pooling, a normalisation): one reads it, or
 * only ops between layers do whose results are stored so in turn. So what a loss, a metric or a user's own arithmetic reads
 * last stays float32, like everything that outlives the step: parameters, their gradients, statistics, sums, and what is copied
 * there as it is, such as a function's results. A value is rounded once, when it is stored (to nearest, ties to even); kernels
 * compute in float32.
 */
import type { InputSpec } from '../graph/define_op.js';
import { isMapOf } from './is_map_of.js';
import type { Buffer, Instruction, Operand } from './program.js';

/** Ops between layers: no reason of their own to store what they read in bfloat16. */
const BETWEEN: readonly string[] = [
  'map',
  'dropout',
  'noise',
  'reduceSum',
  'concat',
  'pad',
  'crop',
  'cropDx',
  'resize',
  'resizeDx',
  'transpose',
];

export function narrow(instructions: readonly Instruction[]): Instruction[] {
  const kept = new Set<Buffer>();
  const readers = new Map<Buffer, Instruction[]>();
  for (const instruction of instructions) {
    const { op, inputs, outputs } = instruction;
    const isResult = isMapOf(instruction, 'identity') && outputs.out0!.buffer.variable !== undefined;
    for (const [name, operand] of Object.entries(inputs)) {
      if (isResult || !canBeNarrow(op.inputs[name]!, operand)) kept.add(operand.buffer);
      readers.get(operand.buffer)?.push(instruction);
    }
    for (const [name, operand] of Object.entries(outputs)) {
      if (!canBeNarrow(op.outputs[name]!, operand)) kept.add(operand.buffer);
      if (!readers.has(operand.buffer)) readers.set(operand.buffer, []);
    }
  }
  const narrowed = new Map<Buffer, Buffer>();
  const isLayer = ({ op }: Instruction): boolean => !BETWEEN.includes(op.name);
  const passesOn = ({ outputs }: Instruction): boolean => Object.values(outputs).every((o) => narrowed.has(o.buffer));
  // Backwards, so that what is made of a buffer comes before it.
  for (const [buffer, by] of [...readers].reverse()) {
    if (!kept.has(buffer) && (by.some(isLayer) || by.every(passesOn)))
      narrowed.set(buffer, { ...buffer, bytes: buffer.bytes / 2 });
  }
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
