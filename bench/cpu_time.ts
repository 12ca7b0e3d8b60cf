/**
 * Processor time of a training step on one thread, which other work on the machine changes much less than the time on the clock:
 * the least of several runs of some steps each, and their median.
 *
 *     npx tsx bench/cpu_time.ts [--only resnet20] [--precision bfloat16] [--steps 2] [--runs 5]
 *
 * GRADSTEP_PREBUILD=<another checkout> takes that one's binary, so that two can be measured in turn.
 */
import { Command, Option } from 'commander';
import { WORKLOADS, type Workload } from './workloads.js';

interface Options {
  only?: string[];
  precision: 'float32' | 'bfloat16';
  steps: string;
  runs: string;
}

/** Milliseconds a step of each run, in ascending order. */
async function times(workload: Workload, { precision, steps, runs }: Options): Promise<number[]> {
  using model = workload.build();
  const loss = 'sparseCategoricalCrossentropy';
  model.compile({ optimizer: workload.optimizer(), loss, device: 'cpu', precision, seed: 1, threads: 1 });
  const { x, y } = workload.data(workload);
  const batches = Math.floor(x.shape[0]! / workload.batch);
  /** At least so many steps, over the data again where it has fewer batches; how many there were. */
  const train = async (count: number): Promise<number> => {
    const [each, epochs] = [Math.min(count, batches), Math.ceil(count / batches)];
    const rows = each * workload.batch;
    await model.fit(x.rows(0, rows), y.rows(0, rows), { batchSize: workload.batch, epochs });
    return each * epochs;
  };
  await train(1);
  const found: number[] = [];
  for (let run = 0; run < Number(runs); run++) {
    const before = process.cpuUsage();
    const count = await train(Number(steps));
    const { user, system } = process.cpuUsage(before);
    found.push((user + system) / 1e3 / count);
  }
  return found.sort((a, b) => a - b);
}

const options = new Command()
  .addOption(new Option('--only <workloads...>', 'which workloads').choices(WORKLOADS.map(({ name }) => name)))
  .addOption(new Option('--precision <precision>').choices(['float32', 'bfloat16']).default('float32'))
  .option('--steps <number>', 'steps of a run', '2')
  .option('--runs <number>', 'runs', '5')
  .parse()
  .opts<Options>();
for (const workload of WORKLOADS.filter(({ name }) => options.only?.includes(name) ?? name !== 'resnet20_512')) {
  const found = await times(workload, options);
  const [least, median] = [found[0]!, found[Math.floor(found.length / 2)]!];
  console.log(
    `${workload.name}, ${options.precision}: ${least.toPrecision(3)} ms a step at least, median ${median.toPrecision(3)}`,
  );
}
process.exit(0);
