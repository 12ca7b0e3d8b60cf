/** Who makes and who reads each buffer of a list of instructions: what every rewrite asks first. */
import type { Buffer, Instruction } from './program.js';

export class Uses {
  private readonly makers = new Map<Buffer, Instruction>();
  private readonly readers = new Map<Buffer, Instruction[]>();

  constructor(instructions: readonly Instruction[]) {
    for (const instruction of instructions) {
      for (const { buffer } of Object.values(instruction.outputs)) this.makers.set(buffer, instruction);
      for (const buffer of new Set(Object.values(instruction.inputs).map((o) => o.buffer))) {
        const list = this.readers.get(buffer);
        if (list) list.push(instruction);
        else this.readers.set(buffer, [instruction]);
      }
    }
  }

  maker(buffer: Buffer): Instruction | undefined {
    return buffer.variable ? undefined : this.makers.get(buffer);
  }

  readersOf(buffer: Buffer): readonly Instruction[] {
    return this.readers.get(buffer) ?? [];
  }

  /** The one instruction that reads a scratch buffer; undefined when there are more, or it is written to a variable. */
  onlyReader(buffer: Buffer): Instruction | undefined {
    const readers = this.readersOf(buffer);
    return readers.length === 1 && !buffer.variable ? readers[0] : undefined;
  }
}
