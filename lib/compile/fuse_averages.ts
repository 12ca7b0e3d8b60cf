/** Moving averages of one momentum that follow one another, in one instruction; see fuse.ts. */
import { AVERAGES, movingAverageOp } from '../ops/moving_average.js';
import type { Buffer, Instruction } from './program.js';
import { overlap } from './uses.js';

export function groupAverages(list: Instruction[]): Instruction[] {
  const result: Instruction[] = [];
  let count = 0;
  for (const instruction of list) {
    const group = result.at(-1);
    if (instruction.op !== movingAverageOp) {
      result.push(instruction);
    } else if (group?.op === movingAverageOp && count < AVERAGES && mayJoin(group, instruction)) {
      count++;
      const { average1, value1 } = instruction.inputs;
      const inputs = { ...group.inputs, [`average${count}`]: average1!, [`value${count}`]: value1! };
      result[result.length - 1] = { ...group, inputs, scope: scopeOf(group.scope, instruction.scope) };
    } else {
      result.push(instruction);
      count = 1;
    }
  }
  return result;
}

/** Whether it makes no difference which of them comes first. */
function mayJoin(group: Instruction, { inputs, attrs }: Instruction): boolean {
  if (attrs.momentum !== group.attrs.momentum || inputs.flag!.buffer !== group.inputs.flag!.buffer) return false;
  const [mine, others] = [averagesOf(inputs), averagesOf(group.inputs)];
  const meet = (written: Buffer[], used: Instruction['inputs']): boolean =>
    written.some((w) => Object.values(used).some(({ buffer }) => overlap(w, buffer)));
  return !meet(mine, group.inputs) && !meet(others, inputs);
}

function averagesOf(inputs: Instruction['inputs']): Buffer[] {
  return Object.entries(inputs).flatMap(([name, { buffer }]) => (name.startsWith('average') ? [buffer] : []));
}

/** The layer that all of them belong to; else the first and the last one. */
function scopeOf(group: string, next: string): string {
  const [first] = group.split('+');
  const [begin, end] = [first!, next].map((path) => path.split('/')[0]!) as [string, string];
  return begin === end ? begin : `${begin}+…+${end}`;
}
