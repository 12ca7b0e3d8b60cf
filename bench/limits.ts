/** What this machine can do at most, and how long a training step takes there. */
import { costOf } from '../lib/compile/cost.js';
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
 * Milliseconds that a training step of a workload takes at least: for each instruction of gradstep's program the longest of its
 * bytes at the bandwidth, its operations at the rate of its precision, and a node of a graph.
 */
export function floorOf(workload: Workload, device: string, precision: 'float32' | 'bfloat16', limits: Limits): number {
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const { program } = programOf(model, { kind: 'train', rows: workload.batch }, backend);
  const seconds = program.instructions.map((instruction) => {
    const { bytes, flops } = costOf(instruction);
    const rate = instruction.attrs.precision === 'bfloat16' ? limits.bfloat16 : limits.float32;
    return Math.max(bytes / limits.bandwidth, flops / rate, limits.perNode);
  });
  return seconds.reduce((a, b) => a + b, 0) * 1e3;
}
