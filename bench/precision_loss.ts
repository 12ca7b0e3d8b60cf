/**
 * How far bfloat16 moves the loss: trains workloads for some steps in float32 and in bfloat16, from the same seed and in the
 * same order, and compares the mean loss over the last fifty steps.
 *
 *     npx tsx bench/precision_loss.ts [--only cnn_mnist lstm_lm] [--steps 500] [--device cpu]
 */
import Table from 'cli-table3';
import { Command } from 'commander';
import * as gs from '../lib/index.js';
import { WORKLOADS, type Workload } from './workloads.js';

interface Options {
  only: string[];
  steps: string;
  device: string;
}

const PRECISIONS = ['float32', 'bfloat16'] as const;
const LAST = 50;

/** Mean loss over the last steps of a run. */
async function lastLoss(
  workload: Workload,
  precision: (typeof PRECISIONS)[number],
  steps: number,
  device: string,
): Promise<number> {
  using model = workload.build();
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const { x, y } = workload.data(workload);
  const last: number[] = [];
  const enough = new AbortController();
  let [step, before] = [0, 0];
  // Logs are means over the epoch so far.
  const onBatchEnd = (batch: number, { loss }: gs.Logs): void => {
    const sum = loss * (batch + 1);
    if (++step > steps - LAST && step <= steps) last.push(batch === 0 ? sum : sum - before);
    before = sum;
    if (step === steps) enough.abort();
  };
  const fitted = model.fit(x, y, {
    epochs: Math.ceil((steps * workload.batch) / workload.samples),
    batchSize: workload.batch,
    signal: enough.signal,
    callbacks: [{ onBatchEnd }],
  });
  await fitted.catch((error: unknown) => {
    if (!(error instanceof gs.GradstepError && error.code === 'ERR_ABORTED')) throw error;
  });
  return last.reduce((sum, loss) => sum + loss, 0) / last.length;
}

const { only, steps, device } = new Command()
  .option('--only <workloads...>', 'which workloads', ['cnn_mnist', 'lstm_lm'])
  .option('--steps <number>', 'steps of training, at least fifty', '500')
  .option('--device <device>', 'where', 'cpu')
  .parse()
  .opts<Options>();

const bfloat16 = (await gs.devices()).find(({ name }) => name === device)?.bfloat16;
const table = new Table({ head: ['workload', ...PRECISIONS.map((p) => `loss in ${p}`), 'difference'] });
for (const workload of WORKLOADS.filter(({ name }) => only.includes(name))) {
  const losses: number[] = [];
  for (const precision of PRECISIONS) losses.push(await lastLoss(workload, precision, Number(steps), device));
  const [exact, rough] = losses as [number, number];
  table.push([workload.name, exact.toFixed(4), rough.toFixed(4), `${((rough / exact - 1) * 100).toFixed(2)} %`]);
}
console.log(
  `Mean loss of steps ${Number(steps) - LAST + 1} to ${steps} on ${device}, where bfloat16 is ${bfloat16 ?? 'unknown'}`,
);
console.log(table.toString());
