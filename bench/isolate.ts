/**
 * Programs taken apart, so that each instruction can be run and timed alone: every buffer gets memory of its own that
 * outlives the step, and every instruction becomes a program.
 */
import { align, type Buffer, type Instruction, type Operand, type Program } from '../lib/compile/program.js';

export interface Isolated {
  /** All of it: run once, it leaves in memory what each instruction reads. */
  readonly whole: Program;
  /** One program for each instruction, in order. */
  readonly parts: readonly Program[];
}

export function isolate(program: Program): Isolated {
  let bytes = program.persistentBytes;
  const moved = new Map<Buffer, Buffer>();
  const place = (buffer: Buffer): Buffer => {
    if (buffer.region === 'persistent') return buffer;
    let own = moved.get(buffer);
    if (!own) {
      own = { bytes: buffer.bytes, region: 'persistent', offset: bytes };
      bytes += align(buffer.bytes);
      moved.set(buffer, own);
    }
    return own;
  };
  const operands = (all: Readonly<Record<string, Operand>>): Record<string, Operand> =>
    Object.fromEntries(Object.entries(all).map(([name, o]) => [name, { ...o, buffer: place(o.buffer) }]));
  const instructions = program.instructions.map((i): Instruction => ({
    ...i,
    inputs: operands(i.inputs),
    outputs: operands(i.outputs),
  }));
  const make = (name: string, list: readonly Instruction[]): Program => ({
    name,
    instructions: list,
    persistentBytes: bytes,
    scratchBytes: 0,
  });
  return {
    whole: make(program.name, instructions),
    parts: instructions.map((i, at) => make(`${program.name} ${at}`, [i])),
  };
}
