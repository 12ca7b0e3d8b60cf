/**
 * What rewrites left of a program must still hold together: what comes out of an instruction has the shape that its op says of
 * what goes in. Kernels trust shapes, so one that a rewrite mistook would make them read and write elsewhere.
 */
import { GradstepError } from '../errors.js';
import type { TensorType } from '../graph/define_op.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { Instruction } from './program.js';

/** ERR_INTERNAL where shapes do not follow from each other. */
export function checkShapes(instructions: readonly Instruction[]): void {
  for (const { op, inputs, outputs, attrs, scope } of instructions) {
    const where = `${op.name} in ${scope || 'the graph'}`;
    for (const [name, wanted] of Object.entries(shapesOf(where, () => op.infer(inputs, attrs)))) {
      const made = outputs[name];
      if (!made || sameShape(made.shape, wanted.shape)) continue;
      const [given, expected] = [formatShape(made.shape), formatShape(wanted.shape)];
      throw new GradstepError('ERR_INTERNAL', `${where} was compiled to make ${name} of shape ${given} where it is ${expected}`);
    }
  }
}

function shapesOf(where: string, infer: () => Record<string, TensorType>): Record<string, TensorType> {
  try {
    return infer();
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new GradstepError('ERR_INTERNAL', `${where} was compiled to read what does not fit together: ${what}`, { cause });
  }
}
