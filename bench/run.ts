/**
 * The bench: trains each workload and takes the median time of a step. With --peers, every peer trains the same workload on the same
 * machine, and the table shows how many times the best peer's samples/s an implementation reaches.
 *
 *     npm run bench -- [--only mlp] [--device cpu] [--precision both] [--peers pytorch jax] [--save name]
 */
import { writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { Command, Option } from 'commander';
import { benchCalls, printCalls } from './calls.js';
import { compare } from './compare.js';
import { benchGrowth, printGrowth } from './growth.js';
import { benchLengths, printLengths } from './lengths.js';
import { benchOps, printOps } from './ops.js';
import { isInstalled, PEERS, type Peer } from './peers.js';
import { printProfile, profile } from './profile.js';
import { defaultName, save } from './results.js';
import { isOwn, isRow } from './row.js';
import { printTable } from './table.js';
import { WORKLOADS, type Workload } from './workloads.js';

interface BenchOptions {
  ops?: true | string[];
  lengths?: true;
  calls?: true;
  growth?: true;
  profile?: true;
  only?: string[];
  device: string;
  precision: 'float32' | 'bfloat16' | 'both';
  peers?: true | Peer[];
  seconds: number;
  save?: string;
  json?: string;
}

const program = new Command('npm run bench --')
  .description('Times gradstep, and peers, on fixed workloads.')
  .addOption(new Option('--only <workload...>', 'run only these').choices(WORKLOADS.map((w) => w.name)))
  .addOption(new Option('--peers [peer...]', 'run these libraries too, or all that are installed').choices(PEERS))
  .addOption(
    new Option('--precision <precision>', 'precision of the computation')
      .choices(['float32', 'bfloat16', 'both'])
      .default('float32'),
  )
  .option('--device <device>', 'cpu or cuda:0', 'cpu')
  .option('--ops [names...]', 'time every op against its roofline instead, or the cases whose names contain these')
  .option('--profile', 'time every instruction of a training step of each workload instead')
  .option('--lengths', 'time and weigh an LSTM over sequences of 64 to 4,096 steps instead')
  .option('--calls', 'time single calls of a small network instead: a prediction, a step of training')
  .option('--growth', 'show how time, memory and compiling grow with batch, width and depth instead')
  .option('--seconds <seconds>', 'time spent on each measurement', Number, 2)
  .option(
    '--save <name>',
    'write bench/results/<name>.json and .svg; with --peers and without --json done anyway, named by device and date',
  )
  .option('--json <file>', 'write what was measured to this file')
  .parse();

const options = program.opts<BenchOptions>();
const { device, precision } = options;
if (!(options.seconds > 0)) program.error(`Expected a number > 0 for --seconds but received ${options.seconds}`);
const precisions = precision === 'both' ? (['float32', 'bfloat16'] as const) : ([precision] as const);

async function writeJson(found: unknown): Promise<void> {
  if (options.json !== undefined) await writeFile(options.json, `${JSON.stringify(found, null, 1)}\n`);
}

/** The peers asked for; all that are installed where none is named. */
function peersAsked(): Peer[] {
  if (options.peers === undefined) return [];
  const asked = options.peers === true ? PEERS : options.peers;
  const [installed, missing] = [asked.filter(isInstalled), asked.filter((p) => !isInstalled(p))];
  const how = 'bench/README.md says how to install it.';
  if (options.peers !== true && missing.length > 0) throw new Error(`Not installed: ${missing.join(', ')}. ${how}`);
  if (installed.length === 0) throw new Error(`No peer is installed: ${how}`);
  for (const peer of missing) process.stderr.write(`${peer}: not installed\n`);
  return installed;
}

async function comparePeers(workloads: readonly Workload[]): Promise<void> {
  const date = new Date();
  const name = options.save ?? (options.peers && options.json === undefined ? defaultName(device, date) : undefined);
  let files: string[] = [];
  const found = await compare(workloads, precisions, peersAsked(), options, async (soFar) => {
    if (name !== undefined) files = await save(name, soFar, date);
    await writeJson(soFar);
  });
  process.stdout.write(printTable(found));
  if (files.length > 0) process.stdout.write(`Written: ${files.map((f) => relative(process.cwd(), f)).join(', ')}\n`);
  const failed = found.outcomes.filter((o) => isOwn(o) && !isRow(o)).map((o) => `${o.workload} in ${o.precision}`);
  if (failed.length > 0) throw new Error(`gradstep could not train ${failed.join(', ')}`);
}

try {
  const workloads = WORKLOADS.filter((w) => options.only?.includes(w.name) ?? (!w.large || device.startsWith('cuda')));
  if (options.ops) {
    const found = await benchOps(device, options.ops === true ? undefined : options.ops);
    process.stdout.write(printOps(found));
    await writeJson(found);
  } else if (options.lengths) {
    const found = await benchLengths(device);
    process.stdout.write(printLengths(found));
    await writeJson(found);
  } else if (options.calls) {
    const found = await benchCalls(device, options.seconds);
    process.stdout.write(printCalls(found));
    await writeJson(found);
  } else if (options.growth) {
    for (const p of precisions) {
      const found = await benchGrowth(device, p);
      process.stdout.write(printGrowth(found));
      await writeJson(found);
    }
  } else if (options.profile) {
    for (const workload of workloads) {
      for (const p of precisions) {
        process.stdout.write(`${workload.name}\n${printProfile(await profile(workload, device, p))}`);
      }
    }
  } else {
    await comparePeers(workloads);
  }
} catch (error) {
  program.error(error instanceof Error ? error.message : String(error));
}
