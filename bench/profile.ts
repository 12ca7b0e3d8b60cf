/** Where a training step of a workload goes: every instruction of its program, timed alone, the longest first. */
import Table from 'cli-table3';
import { bytesToProfile, timeInstructions, type InstructionTime } from '../lib/runtime/profile.js';
import { Session } from '../lib/runtime/session.js';
import { coreOf } from '../lib/train/model_core.js';
import { buildProgram } from '../lib/train/programs.js';
import type { Workload } from './workloads.js';

const SHOWN = 16;

/** Trains for an epoch first, so that the instructions work on numbers as training has them. */
export async function profile(workload: Workload, device: string, precision: 'float32' | 'bfloat16'): Promise<InstructionTime[]> {
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const { x, y } = workload.data(workload);
  await model.fit(x, y, { epochs: 1, batchSize: workload.batch });
  const engine = await coreOf(model).engine();
  const labels = { dtype: y.dtype, row: y.shape.slice(1), weights: undefined };
  const batch = { kind: 'train', purpose: 'train', rows: workload.batch, x: [x.dtype], y: [labels], shuffled: true } as const;
  const { backend } = engine.session;
  const program = buildProgram(engine.memory, batch, backend);
  const session = await Session.open(device, 0, bytesToProfile(program));
  try {
    const bytes = await engine.session.read({ offset: 0, bytes: program.persistentBytes });
    await session.write(0, new Uint8Array(bytes));
    await session.allocateSlot(0, x);
    return (await timeInstructions(session, program)).sort((a, b) => b.seconds - a.seconds);
  } finally {
    await session.dispose();
  }
}

export function printProfile(times: readonly InstructionTime[]): string {
  const table = new Table({
    head: ['op', 'layer', 'result', 'ms', 'share', 'GFLOP/s', 'GB/s'],
    colAligns: ['left', 'left', 'left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  const total = times.reduce((sum, t) => sum + t.seconds, 0);
  const row = (t: Pick<InstructionTime, 'seconds' | 'flops' | 'bytes'>): string[] => [
    (t.seconds * 1e3).toFixed(3),
    `${((t.seconds / total) * 100).toFixed(1)} %`,
    t.flops > 0 ? (t.flops / t.seconds / 1e9).toFixed(0) : '',
    (t.bytes / t.seconds / 1e9).toFixed(1),
  ];
  for (const t of times.slice(0, SHOWN)) table.push([t.op, t.scope, `[${t.shapes[0]?.join(', ')}]`, ...row(t)]);
  const sum = (list: readonly InstructionTime[]) => ({
    seconds: list.reduce((s, t) => s + t.seconds, 0),
    flops: list.reduce((s, t) => s + t.flops, 0),
    bytes: list.reduce((s, t) => s + t.bytes, 0),
  });
  const rest = times.slice(SHOWN);
  if (rest.length > 0) table.push([`${rest.length} others`, '', '', ...row(sum(rest))]);
  table.push(['all', '', '', ...row(sum(times))]);
  return `${table.toString()}\n`;
}
