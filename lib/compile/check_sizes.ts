/** Kernels count elements in 32 bits: whatever an instruction reads, makes or runs over must have fewer than 2^31 of them. */
import type { AttrSpec } from '../graph/define_op.js';
import { GradstepError } from '../errors.js';
import { MAX_SIZE, formatShape, sizeOf, type Shape } from '../graph/shape.js';
import type { Instruction } from './program.js';

/** ERR_SHAPE where something has too many elements: the batch's rows are what a user can change. */
export function checkSizes(instructions: readonly Instruction[]): void {
  for (const { op, inputs, outputs, attrs, scope } of instructions) {
    const operands = [...Object.values(outputs), ...Object.values(inputs)].map((o) => o.shape);
    const domains = Object.entries(op.attrs).flatMap(([name, { type }]: [string, AttrSpec]) =>
      type === 'dims' ? [attrs[name] as Shape] : [],
    );
    const shape = [...operands, ...domains].find((s) => sizeOf(s) > MAX_SIZE);
    if (!shape) continue;
    const where = `${op.name} in ${scope || 'the graph'}`;
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected fewer than 2^31 elements for ${where} but received ${formatShape(shape)}: give a smaller batch`,
      { layer: scope },
    );
  }
}
