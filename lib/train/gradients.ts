/** Gradients of one batch without an update: what tests compare with other libraries. */
import { labelsPerRow, rowsOf } from '../data/samples.js';
import type { Tensor } from '../data/tensor.js';
import { checkFlag } from './flags.js';
import { samplesOf } from './inputs.js';
import type { Model } from './model.js';
import { coreOf } from './model_core.js';
import { batchOf, withSamples } from './resident.js';
import type { DataLike } from './run_options.js';
import { weightTensors } from './weights.js';

/** Gradient of the mean loss of a compiled model over all rows as one batch, while training, for each trained weight in order. */
export async function computeGradients(model: Model, x: DataLike, y: DataLike): Promise<Tensor<Float32Array>[]> {
  const core = coreOf(model);
  core.prepareFor(x);
  const samples = samplesOf(core, x, y);
  const rows = rowsOf(samples);
  return core.whileBusy('computeGradients', async () => {
    const engine = await core.engine();
    const { session, memory, step, seed } = engine;
    const { report, grads } = memory.training!;
    const batch = { kind: 'gradients', purpose: 'train', rows, shuffled: false, ...batchOf(samples) } as const;
    await withSamples(engine, samples, 'train', () =>
      engine.withPrograms([batch], async ([entry]) => {
        await session.write(report.range.offset, report.fresh(step, seed));
        const context = {
          what: 'computeGradients',
          firstStep: step,
          batchSize: rows,
          labelsPerRow: labelsPerRow(samples),
          memory,
        };
        await engine.run([{ entry: entry!, steps: 1 }], report, undefined, (now) => checkFlag(now.flag, context));
        await session.write(report.range.offset, report.fresh(step, seed));
      }),
    );
    const trained = memory.network.weights.filter((w) => memory.trained.includes(w));
    const members = trained.map((w) => grads.members[memory.trained.indexOf(w)]!);
    const values = await Promise.all(members.map((v) => session.read(memory.rangeOf(v))));
    return weightTensors(
      trained,
      values.map((v) => new Float32Array(v)),
    );
  });
}
