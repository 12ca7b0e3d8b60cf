/**
 * What rewrites left of a program must still hold together: what comes out of an instruction has the shape and the type that its op
 * says of what goes in, and a buffer holds numbers of one type. Kernels trust that, so what a rewrite mistook would make them read
 * and write elsewhere, or take numbers for others.
 */
import { GradstepError } from '../errors.js';
import type { TensorType } from '../graph/define_op.js';
import type { DType } from '../graph/dtype.js';
import { formatShape, sameShape } from '../graph/shape.js';
import type { Buffer, Instruction } from './program.js';

/** ERR_INTERNAL where operands do not follow from each other. */
export function checkOperands(instructions: readonly Instruction[]): void {
  const types = new Map<Buffer, DType>();
  for (const { op, inputs, outputs, attrs, scope } of instructions) {
    const where = `${op.name} in ${scope || 'the graph'}`;
    for (const [name, wanted] of Object.entries(typesOf(where, () => op.infer(asNumbers(inputs), attrs)))) {
      const made = outputs[name];
      if (!made || (sameShape(made.shape, wanted.shape) && isStoredAs(made.dtype, wanted.dtype))) continue;
      const [given, expected] = [describe(made), describe(wanted)];
      throw new GradstepError('ERR_INTERNAL', `${where} was compiled to make ${name} ${given} where it is ${expected}`);
    }
    for (const [name, { buffer, dtype }] of [...Object.entries(inputs), ...Object.entries(outputs)]) {
      const known = types.get(buffer);
      if (known !== undefined && known !== dtype) {
        throw new GradstepError('ERR_INTERNAL', `${where} was compiled to take ${name} for ${dtype} where it is ${known}`);
      }
      types.set(buffer, dtype);
    }
  }
}

/** Operands by what they are, however they are stored: bfloat16 numbers are floats like others. */
function asNumbers(operands: Instruction['inputs']): Record<string, TensorType> {
  return Object.fromEntries(
    Object.entries(operands).map(([name, { dtype, shape }]) => [
      name,
      { dtype: dtype === 'bfloat16' ? 'float32' : dtype, shape },
    ]),
  );
}

/** Numbers that an op makes as float32 may be stored in bfloat16. */
function isStoredAs(dtype: DType, made: DType): boolean {
  return dtype === made || (made === 'float32' && dtype === 'bfloat16');
}

const describe = ({ dtype, shape }: TensorType): string => `${dtype} ${formatShape(shape)}`;

function typesOf(where: string, infer: () => Record<string, TensorType>): Record<string, TensorType> {
  try {
    return infer();
  } catch (cause) {
    const what = cause instanceof Error ? cause.message : String(cause);
    throw new GradstepError('ERR_INTERNAL', `${where} was compiled to read what does not fit together: ${what}`, { cause });
  }
}
