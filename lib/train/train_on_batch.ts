/** One step of training on rows that the caller gives. */
import { labelsPerRow, rowsOf } from '../data/samples.js';
import { checkOptions, type SchemaOf } from '../options.js';
import { checkFlag } from './flags.js';
import { logsOf, type Logs } from './history.js';
import { samplesOf } from './inputs.js';
import type { ModelCore } from './model_core.js';
import type { Report } from './report.js';
import { batchOf, withSamples } from './resident.js';
import { weightingSchema, type DataLike, type FitOptions, type Labels } from './run_options.js';

export type BatchOptions = Pick<FitOptions, 'sampleWeight' | 'classWeight'>;

export async function trainOnBatch(core: ModelCore, x: DataLike, y: Labels, options: BatchOptions | undefined): Promise<Logs> {
  const weighting = checkOptions('trainOnBatch', options, weightingSchema satisfies SchemaOf<BatchOptions>);
  core.prepareFor(x);
  const samples = samplesOf(core, x, y, weighting);
  const rows = rowsOf(samples);
  const engine = await core.engine();
  const { session, memory, seed, step } = engine;
  const { report, options: compiled } = memory.training!;
  const batch = { kind: 'train', purpose: 'train', rows, shuffled: false, ...batchOf(samples) } as const;
  let values: Report['values'] = [];
  // The report of an epoch that was not finished is overwritten: it cannot be resumed after this.
  engine.endEpoch();
  const train = () =>
    engine.withPrograms([batch], async ([entry]) => {
      const begun = session.write(report.range.offset, report.fresh(step, seed));
      const labels = labelsPerRow(samples);
      const context = { what: 'trainOnBatch', firstStep: step, batchSize: rows, labelsPerRow: labels, memory };
      const running = engine.run([{ entry: entry!, steps: 1 }], report, undefined, (now) => {
        engine.step = now.step;
        checkFlag(now.flag, context);
        values = now.values;
      });
      await Promise.all([begun, running]);
    });
  await engine.whileTraining('trainOnBatch', () => withSamples(engine, samples, 'train', train));
  // A pass over other data, if one goes on, is where it was.
  if (engine.pass) engine.pass = { ...engine.pass, start: engine.pass.start + engine.step - step };
  return logsOf(values, compiled.totals);
}
