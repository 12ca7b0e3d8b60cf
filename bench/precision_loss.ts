/**
 * How far bfloat16 moves the loss: trains workloads for some steps in float32 and in bfloat16, from the same seed and in the
 * same order, and compares the mean loss over the last fifty steps. No sample comes twice, unless --resident asks for the
 * bench's own samples over and over: then networks come to know them by heart, and two runs part for the least reason. How far
 * is shown by a third run, in float32 on one thread: it differs in the order of sums only.
 *
 *     npx tsx bench/precision_loss.ts [--only cnn_mnist lstm_lm] [--steps 500] [--device cpu] [--resident]
 */
import Table from 'cli-table3';
import { Command } from 'commander';
import * as gs from '../lib/index.js';
import { WORKLOADS, type Workload } from './workloads.js';

interface Options {
  only: string[];
  steps: string;
  device: string;
  resident?: true;
}

interface Run {
  name: string;
  precision: 'float32' | 'bfloat16';
  threads?: number;
}

const RUNS: readonly Run[] = [
  { name: 'float32', precision: 'float32' },
  { name: 'bfloat16', precision: 'bfloat16' },
  { name: 'float32, one thread', precision: 'float32', threads: 1 },
];
const LAST = 50;

/** Mean loss over the last steps of a run. */
async function lastLoss(workload: Workload, { precision, threads }: Run, steps: number, device: string): Promise<number> {
  using model = workload.build();
  model.compile({
    optimizer: 'adam',
    loss: 'sparseCategoricalCrossentropy',
    device,
    precision,
    seed: 1,
    ...(threads && { threads }),
  });
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

const { only, steps, device, resident } = new Command()
  .option('--only <workloads...>', 'which workloads', ['cnn_mnist', 'lstm_lm'])
  .option('--steps <number>', 'steps of training, at least fifty', '500')
  .option('--device <device>', 'where', 'cpu')
  .option('--resident', "the bench's own samples over and over")
  .parse()
  .opts<Options>();

const count = Number(steps);
const bfloat16 = (await gs.devices()).find(({ name }) => name === device)?.bfloat16;
const table = new Table({ head: ['workload', 'run', 'loss', 'difference'], style: { head: [], border: [] } });
for (const known of WORKLOADS.filter(({ name }) => only.includes(name))) {
  const workload = resident ? known : { ...known, samples: count * known.batch };
  let exact = NaN;
  for (const run of RUNS) {
    const loss = await lastLoss(workload, run, count, device);
    if (run === RUNS[0]) exact = loss;
    table.push([known.name, run.name, loss.toFixed(4), run === RUNS[0] ? '' : `${((loss / exact - 1) * 100).toFixed(2)} %`]);
  }
}
console.log(`Mean loss of steps ${count - LAST + 1} to ${count} on ${device}, where bfloat16 is ${bfloat16 ?? 'unknown'}`);
console.log(table.toString());
