/**
 * Times gradstep on one workload in a process of its own, so that its peak memory is that of the one run: trains with `fit`
 * from resident data and takes the median time of a step over epochs of some 100 ms (upload, compiling and the first epochs
 * excluded). Prints a row.
 *
 *     tsx bench/measure.ts --workload mlp [--device cpu] [--precision float32] [--seconds 3]
 */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import * as gs from '../lib/index.js';
import { peakMegabytes } from './peak_memory.js';
import { median, type Row } from './row.js';
import { WORKLOADS, type Workload } from './workloads.js';

interface MeasureOptions {
  workload: string;
  device: string;
  precision: 'float32' | 'bfloat16';
  seconds: number;
}

const MIN_EPOCHS = 5;

/** Trains for `seconds`; the timed epochs in milliseconds, and the loss that is compared. */
async function timeEpochs(workload: Workload, options: MeasureOptions): Promise<{ epochs: number[]; loss: number }> {
  const { device, precision, seconds } = options;
  using model = workload.build();
  model.compile({ optimizer: workload.optimizer(), loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const { x, y } = workload.data(workload);
  const epochs: number[] = [];
  const enough = new AbortController();
  let [epoch, total, loss, last] = [0, 0, NaN, NaN];
  const onEpochEnd = (_epoch: number, logs: gs.Logs): void => {
    const now = performance.now();
    epoch++;
    if (epoch === workload.lossEpochs) loss = logs.loss;
    if (epoch > workload.lossEpochs) {
      epochs.push(now - last);
      total += now - last;
    }
    last = now;
    if (total >= seconds * 1000 && epochs.length >= MIN_EPOCHS) enough.abort();
  };
  const { signal } = enough;
  const fitted = model.fit(x, y, { epochs: 1_000_000, batchSize: workload.batch, onEpochEnd, signal });
  await fitted.catch((error: unknown) => {
    if (!(error instanceof gs.GradstepError && error.code === 'ERR_ABORTED')) throw error;
  });
  return { epochs, loss };
}

async function measure(options: MeasureOptions): Promise<Row> {
  const workload = WORKLOADS.find((w) => w.name === options.workload)!;
  const { epochs, loss } = await timeEpochs(workload, options);
  const steps = workload.samples / workload.batch;
  const ms = median(epochs) / steps;
  const threads = availableParallelism();
  return {
    workload: workload.name,
    implementation: 'gradstep',
    variant: options.device === 'cpu' ? `${threads} thread${threads > 1 ? 's' : ''}` : '',
    device: options.device,
    precision: options.precision,
    ms_per_step: ms,
    samples_per_s: (workload.batch / ms) * 1000,
    steps: epochs.length * steps,
    loss,
    peak_mb: peakMegabytes(),
  };
}

const options = new Command()
  .requiredOption('--workload <name>')
  .option('--device <device>', 'cpu or cuda:0', 'cpu')
  .option('--precision <precision>', 'float32 or bfloat16', 'float32')
  .option('--seconds <seconds>', 'time spent on timed epochs', Number, 3)
  .parse()
  .opts<MeasureOptions>();
process.stdout.write(`${JSON.stringify(await measure(options))}\n`);
