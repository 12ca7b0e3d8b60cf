/** What this machine can do at most, and how long a training step takes there. */
import { costOf } from '../lib/compile/cost.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import type { InstructionTime } from '../lib/runtime/profile.js';
import { programOf } from '../lib/train/inspect.js';
import { timeCase } from './time_case.js';
import type { Workload } from './workloads.js';

export interface Limits {
  /** Bytes a second, by copying 64 MiB. */
  readonly bandwidth: number;
  /** Operations a second of a matrix product of 2,048 rows and columns, in each precision. */
  readonly float32: number;
  readonly bfloat16: number;
}

const best = (times: readonly InstructionTime[], of: (t: InstructionTime) => number): number => Math.max(...times.map(of));

/** What this machine copies and multiplies in a second, by our own kernels at sizes that suit them. */
export async function measureLimits(device: string): Promise<Limits> {
  const copy = await timeCase(
    { name: 'copy', inputs: { x: { shape: [1 << 24] } }, build: ({ x }) => [elementwise('identity', x!)] },
    device,
  );
  const product = (precision: 'float32' | 'bfloat16'): Promise<InstructionTime[]> =>
    timeCase(
      {
        name: 'product',
        inputs: { a: { shape: [2048, 2048] }, b: { shape: [2048, 2048] } },
        build: ({ a, b }) => [matmul(a!, b!)],
      },
      device,
      precision,
    );
  return {
    bandwidth: best(copy, (t) => t.bytes / t.seconds),
    float32: best(await product('float32'), (t) => t.flops / t.seconds),
    bfloat16: best(await product('bfloat16'), (t) => t.flops / t.seconds),
  };
}

/**
 * Milliseconds that a training step of a workload takes at least: for each instruction of gradstep's program the longer of its
 * bytes at the bandwidth and its operations at the rate of its precision.
 */
export function floorOf(workload: Workload, device: string, precision: 'float32' | 'bfloat16', limits: Limits): number {
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const backend = device.startsWith('cuda') ? 'cuda' : 'cpu';
  const { program } = programOf(model, { kind: 'train', rows: workload.batch }, backend);
  const seconds = program.instructions.map((instruction) => {
    const { bytes, flops } = costOf(instruction);
    const rate = instruction.attrs.precision === 'bfloat16' ? limits.bfloat16 : limits.float32;
    return Math.max(bytes / limits.bandwidth, flops / rate);
  });
  return seconds.reduce((a, b) => a + b, 0) * 1e3;
}
