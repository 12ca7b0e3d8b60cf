/** Times the instructions of a program one by one, in a session of its own. */
import { costOf } from '../lib/compile/cost.js';
import { isolate } from './isolate.js';
import type { Program } from '../lib/compile/program.js';
import type { Session } from '../lib/runtime/session.js';

/** Seconds that each instruction is timed for, in so many runs of which the median counts. */
const SECONDS = 0.02;
const RUNS = 5;

export interface InstructionTime {
  readonly op: string;
  /** The layer, or `loss` or `optimizer`, that it belongs to. */
  readonly scope: string;
  /** Shapes of its outputs; of its inputs where it has none. */
  readonly shapes: readonly (readonly number[])[];
  /** Median of several runs. */
  readonly seconds: number;
  readonly bytes: number;
  readonly flops: number;
}

/** Bytes that `timeInstructions` needs in the session's persistent region. */
export function bytesToProfile(program: Program): number {
  return isolate(program).whole.persistentBytes;
}

/** @param session its persistent region holds what the program reads, and has room for `bytesToProfile` */
export async function timeInstructions(session: Session, program: Program): Promise<InstructionTime[]> {
  const { whole, parts } = isolate(program);
  const run = async (entry: number, steps: number): Promise<number> => {
    const result = await session.run([{ entry, steps }], { offset: 0, bytes: 0 });
    return result.seconds / Math.max(1, result.steps);
  };
  await run(await session.loadProgram(whole), 1);
  const times: InstructionTime[] = [];
  for (const part of parts) {
    const instruction = part.instructions[0]!;
    const entry = await session.loadProgram(part);
    await run(entry, 1);
    const once = await run(entry, 2);
    const steps = Math.max(1, Math.min(100_000, Math.round(SECONDS / RUNS / Math.max(once, 1e-8))));
    const seconds: number[] = [];
    for (let i = 0; i < RUNS; i++) seconds.push(await run(entry, steps));
    await session.unloadProgram(entry);
    const { op, scope, inputs, outputs } = instruction;
    const shown = Object.keys(outputs).length > 0 ? outputs : inputs;
    times.push({
      op: op.name,
      scope,
      shapes: Object.values(shown).map((o) => o.shape),
      seconds: seconds.sort((a, b) => a - b)[RUNS >> 1]!,
      ...costOf(instruction),
    });
  }
  return times;
}
