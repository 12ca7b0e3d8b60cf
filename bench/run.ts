/**
 * The bench: trains each workload with `fit` from resident data, and takes the median time of a step over epochs of some
 * 100 ms (upload, compiling and the first epochs excluded). With --peers, each peer trains the same workload right after,
 * on the same machine, and the table shows how many times the best peer's samples/s an implementation reaches.
 *
 *     npm run bench -- [--only mlp] [--device cpu] [--precision float32] [--peers pytorch] [--json rows.json]
 */
import { writeFile } from 'node:fs/promises';
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import * as gs from '../lib/index.js';
import { benchGrowth, printGrowth } from './growth.js';
import { benchLengths, printLengths } from './lengths.js';
import { benchOps, printOps } from './ops.js';
import { fastest, PEERS, runPeer, type Peer, type Row } from './peers.js';
import { printProfile, profile } from './profile.js';
import { WORKLOADS, type Workload } from './workloads.js';

interface BenchOptions {
  ops?: true | string[];
  lengths?: true;
  growth?: true;
  profile?: true;
  only?: string[];
  device: string;
  precision: 'float32' | 'bfloat16';
  peers?: Peer[];
  seconds: string;
  json?: string;
}

const WARM_UP_EPOCHS = 3;
const MIN_EPOCHS = 5;

/** Trains for `seconds`; the timed epochs in milliseconds, and the last one's loss. */
async function timeEpochs(
  workload: Workload,
  { device, precision, seconds }: BenchOptions,
): Promise<{ epochs: number[]; loss: number }> {
  using model = workload.build();
  model.compile({ optimizer: 'adam', loss: 'sparseCategoricalCrossentropy', device, precision, seed: 1 });
  const { x, y } = workload.data(workload);
  const epochs: number[] = [];
  const enough = new AbortController();
  let [epoch, total, loss, last] = [0, 0, NaN, NaN];
  const onEpochEnd = (_epoch: number, logs: gs.Logs): void => {
    const now = performance.now();
    if (epoch++ >= WARM_UP_EPOCHS) {
      epochs.push(now - last);
      total += now - last;
    }
    last = now;
    loss = logs.loss;
    if (total >= Number(seconds) * 1000 && epochs.length >= MIN_EPOCHS) enough.abort();
  };
  const fitted = model.fit(x, y, {
    epochs: 1_000_000,
    batchSize: workload.batch,
    onEpochEnd,
    signal: enough.signal,
  });
  await fitted.catch((error: unknown) => {
    if (!(error instanceof gs.GradstepError && error.code === 'ERR_ABORTED')) throw error;
  });
  return { epochs, loss };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

async function measure(workload: Workload, options: BenchOptions): Promise<Row> {
  const { device, precision } = options;
  const { epochs, loss } = await timeEpochs(workload, options);
  const steps = workload.samples / workload.batch;
  const ms = median(epochs) / steps;
  process.stderr.write(
    `${workload.name.padEnd(10)} ${'gradstep'.padEnd(60)} ${ms.toFixed(4).padStart(9)} ms/step, loss ${loss.toFixed(4)}\n`,
  );
  return {
    workload: workload.name,
    implementation: 'gradstep',
    device,
    precision,
    ms_per_step: ms,
    samples_per_s: (workload.batch / ms) * 1000,
    steps: epochs.length * steps,
  };
}

/** Each workload's rows, fastest first, with their speed relative to the best peer's. */
function printTable(rows: readonly Row[]): void {
  const table = new Table({
    head: ['workload', 'implementation', 'device', 'precision', 'ms/step', 'samples/s', 'of best peer'],
    colAligns: ['left', 'left', 'left', 'left', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  });
  for (const name of new Set(rows.map((r) => r.workload))) {
    const own = rows.filter((r) => r.workload === name).sort((a, b) => a.ms_per_step - b.ms_per_step);
    const peer = fastest(own.filter((r) => r.implementation !== 'gradstep'));
    for (const r of own) {
      const ratio = peer ? `${(r.samples_per_s / peer.samples_per_s).toFixed(2)} ×` : '';
      table.push([
        r.workload,
        r.implementation,
        r.device,
        r.precision,
        r.ms_per_step.toFixed(4),
        r.samples_per_s.toFixed(0),
        ratio,
      ]);
    }
  }
  console.log(table.toString());
}

const names = WORKLOADS.map((w) => w.name);
const program = new Command('npm run bench --')
  .description('Times gradstep, and peers, on fixed workloads.')
  .addOption(new Option('--only <workload...>', 'run only these').choices(names))
  .addOption(new Option('--peers <peer...>', 'run these libraries too').choices(PEERS))
  .addOption(
    new Option('--precision <precision>', 'precision of the computation').choices(['float32', 'bfloat16']).default('float32'),
  )
  .option('--device <device>', 'cpu or cuda:0', 'cpu')
  .option('--ops [names...]', 'time every op against its roofline instead, or the cases whose names contain these')
  .option('--profile', 'time every instruction of a training step of each workload instead')
  .option('--lengths', 'time and weigh an LSTM over sequences of 64 to 4,096 steps instead')
  .option('--growth', 'show how time, memory and compiling grow with batch, width and depth instead')
  .option('--seconds <seconds>', 'time spent on each workload', '3')
  .option('--json <file>', 'write the rows to this file')
  .parse();

const options = program.opts<BenchOptions>();
if (!(Number(options.seconds) > 0)) program.error(`Expected a number > 0 for --seconds but received ${options.seconds}`);
try {
  if (options.ops) {
    const found = await benchOps(options.device, options.ops === true ? undefined : options.ops);
    process.stdout.write(printOps(found));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(found, null, 1)}\n`);
    process.exit();
  }
  if (options.lengths) {
    const found = await benchLengths(options.device);
    process.stdout.write(printLengths(found));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(found, null, 1)}\n`);
    process.exit();
  }
  if (options.growth) {
    const found = await benchGrowth(options.device, options.precision);
    process.stdout.write(printGrowth(found));
    if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(found, null, 1)}\n`);
    process.exit();
  }
  const workloads = WORKLOADS.filter((w) => options.only?.includes(w.name) ?? true);
  if (options.profile) {
    for (const workload of workloads) {
      process.stdout.write(`${workload.name}\n${printProfile(await profile(workload, options.device, options.precision))}`);
    }
    process.exit();
  }
  const rows: Row[] = [];
  for (const workload of workloads) {
    rows.push(await measure(workload, options));
    for (const peer of options.peers ?? []) rows.push(...(await runPeer(peer, workload.name, options.device, options.precision)));
  }
  printTable(rows);
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(rows, null, 1)}\n`);
} catch (error) {
  program.error(error instanceof Error ? error.message : String(error));
}
