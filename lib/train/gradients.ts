/** Gradients of one batch without an update: what tests compare with other libraries. */
import { inputRows, labelRows, pairSamples } from '../data/samples.js';
import type { Tensor, TensorLike } from '../data/tensor.js';
import { sizeOf } from '../graph/shape.js';
import { withSamples } from './evaluate.js';
import { checkFlag } from './flags.js';
import { coreOf } from './model_core.js';
import { SLOTS } from './programs.js';
import type { Sequential } from './sequential.js';
import { unpackBlock } from './weights.js';

/** Gradient of the mean loss of a compiled model over all rows as one batch, while training, for each weight in order. */
export async function computeGradients(model: Sequential, x: TensorLike, y: TensorLike): Promise<Tensor<Float32Array>[]> {
  const core = coreOf(model);
  const { network, compiled } = core;
  const { loss } = compiled;
  const spec = { dtype: loss.labels, row: loss.labelShape(network.output) };
  const samples = pairSamples(inputRows(x, network.input, core.names[0]!), labelRows(y, spec, core.names.at(-1)!));
  const rows = samples.x.shape[0]!;
  const labels = { dtype: samples.y.dtype, row: samples.y.shape.slice(1) };
  return core.whileBusy('computeGradients', async () => {
    const engine = await core.engine();
    const { session, memory, step, seed } = engine;
    const { report, grads } = memory.training!;
    const batch = { kind: 'gradients', x: samples.x.dtype, y: labels, shuffled: false } as const;
    await withSamples(engine, samples, SLOTS.train, () =>
      engine.withStretches(rows, rows, batch, async ([stretch]) => {
        await session.write(report.range.offset, report.fresh(step, seed));
        const context = { what: 'computeGradients', firstStep: step, batchSize: rows, labelsPerRow: sizeOf(labels.row) };
        await engine.runStretch(stretch!, report, undefined, (now) => checkFlag(now.flag, context));
        await session.write(report.range.offset, report.fresh(step, seed));
      }),
    );
    return unpackBlock(network.weights, new Float32Array(await session.read(memory.rangeOf(grads.whole))));
  });
}
