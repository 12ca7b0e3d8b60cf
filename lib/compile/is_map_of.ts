/** What the rewrites look for most: a map of one scalar function. */
import type { Tape } from '../graph/define_op.js';
import { map } from '../ops/map.js';
import { SCALAR_NAMES, type ScalarName } from '../ops/scalar_table.js';
import type { Instruction } from './program.js';

/** Whether an instruction is a map of the one function `name`, applied to its inputs in order. */
export function isMapOf(instruction: Instruction | undefined, name: ScalarName): instruction is Instruction {
  if (instruction?.op !== map || instruction.attrs.reduceRank !== 0) return false;
  const { code } = instruction.attrs.tape as Tape;
  return code.length === 1 && SCALAR_NAMES[code[0]![0]] === name;
}
