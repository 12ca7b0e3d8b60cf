/** Where a training step of a workload goes: `model.profile` on its first batch. */
import type * as gs from '../lib/index.js';
import type { Workload } from './workloads.js';

/** Trains for an epoch first, so that the instructions work on numbers as training has them. */
export async function profile(workload: Workload, device: string, precision: 'float32' | 'bfloat16'): Promise<gs.Profile> {
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const { x, y } = workload.data(workload);
  await model.fit(x, y, { epochs: 1, batchSize: workload.batch });
  return await model.profile(x.rows(0, workload.batch), y.rows(0, workload.batch), { print: false });
}

export function printProfile(found: gs.Profile): string {
  return `${found.table()}\n`;
}
