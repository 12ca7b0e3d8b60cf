/** What this machine can do at most, and how long a training step takes there. */
import { costOf } from '../lib/compile/cost.js';
import type { Buffer, Instruction } from '../lib/compile/program.js';
import { programOf } from '../lib/train/inspect.js';
import { devices } from '../lib/runtime/devices.js';
import { limitsOf } from '../lib/train/profile/limits.js';
import type { Workload } from './workloads.js';

export interface Limits {
  /** Bytes a second, read and written. */
  readonly bandwidth: number;
  /** Operations a second of a large matrix product, in each precision. */
  readonly float32: number;
  readonly bfloat16: number;
  /** Seconds that an instruction takes however little it does: on CUDA a node of the captured graph. */
  readonly perNode: number;
}

/** What a GPU takes from a node of a graph to the next, whatever is in them. */
const GRAPH_NODE = 2e-6;

/**
 * What a GPU's memory and units give, by its name: our own products would measure how well they use them. Hopper's products in
 * float32 are made on FMA units.
 */
export function limitsOfGpu(description: string): Limits | undefined {
  if (!/\bH[12]00\b/.test(description)) return undefined;
  return { bandwidth: 3e12, float32: 60e12, bfloat16: 0.8e15, perNode: GRAPH_NODE };
}

/** What this machine copies and multiplies in a second: of GPUs that are known what they can, else what is measured here. */
export async function measureLimits(device: string): Promise<Limits> {
  const known = limitsOfGpu((await devices()).find(({ name }) => name === device)?.description ?? '');
  if (known) return known;
  const [full, half] = [await limitsOf(device, 0, 'float32'), await limitsOf(device, 0, 'bfloat16')];
  const perNode = device.startsWith('cuda') ? GRAPH_NODE : 0;
  return { bandwidth: full.gbs * 1e9, float32: full.gflops * 1e9, bfloat16: half.gflops * 1e9, perNode };
}

/**
 * Milliseconds that a training step of a workload takes at least. For each instruction of gradstep's program the longer of its
 * bytes at the bandwidth and its operations at the rate of its precision, all of them together; but no less than the longest way
 * through the program, on which each instruction takes a node of a graph at least. What lies on no such way may run beside it.
 */
export function floorOf(workload: Workload, device: string, precision: 'float32' | 'bfloat16', limits: Limits): number {
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const { program } = programOf(model, { kind: 'train', rows: workload.batch }, backend);
  const work = program.instructions.map((instruction) => {
    const { bytes, flops } = costOf(instruction);
    const rate = instruction.attrs.precision === 'bfloat16' ? limits.bfloat16 : limits.float32;
    return Math.max(bytes / limits.bandwidth, flops / rate);
  });
  const way = longestWay(
    program.instructions,
    work.map((seconds) => Math.max(seconds, limits.perNode)),
  );
  return (
    Math.max(
      work.reduce((a, b) => a + b, 0),
      way,
    ) * 1e3
  );
}

/** The most that instructions which must come one after another, because of the memory that they use, add up to. */
export function longestWay(instructions: readonly Instruction[], seconds: readonly number[]): number {
  const uses = instructions.map(({ op, inputs, outputs }) => [
    ...Object.entries(inputs).map(([name, { buffer }]) => ({ buffer, writes: op.inputs[name]!.mutated === true })),
    ...Object.values(outputs).map(({ buffer }) => ({ buffer, writes: true })),
  ]);
  const meet = (a: Buffer, b: Buffer): boolean =>
    a.region === b.region && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  const ends: number[] = [];
  for (let i = 0; i < instructions.length; i++) {
    const before = ends.filter((_, j) =>
      uses[i]!.some((a) => uses[j]!.some((b) => (a.writes || b.writes) && meet(a.buffer, b.buffer))),
    );
    ends.push(Math.max(0, ...before) + seconds[i]!);
  }
  return Math.max(0, ...ends);
}
