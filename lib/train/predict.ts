/** Prediction: the model's outputs for each row. */
import type { Dataset } from '../data/dataset.js';
import type { Samples } from '../data/samples.js';
import { Tensor } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import { sizeOf } from '../graph/shape.js';
import type { Engine } from './engine.js';
import { checkFlag } from './flags.js';
import type { ModelCore } from './model_core.js';
import { slotsOf } from './slots.js';
import { batched, chunksOf, concatenated } from './stream.js';

export function predict(
  engine: Engine,
  x: readonly Tensor[],
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Tensor<Float32Array>[]> {
  return engine.inference.run(() => engine.abortable(signal, () => predictRows(engine, x, batchSize, signal)));
}

async function predictRows(engine: Engine, x: readonly Tensor[], batchSize: number, signal: AbortSignal | undefined) {
  const { memory, session, seed } = engine;
  const { outputs } = memory.network;
  const slots = slotsOf('predict', x.length, outputs.length);
  const report = memory.inference;
  const rows = x[0]!.shape[0]!;
  const shapes = outputs.map((output) => [rows, ...output]);
  const batch = { kind: 'predict', purpose: 'predict', x: x.map((t) => t.dtype), y: [], shuffled: false } as const;
  try {
    return await engine.withStretches(rows, Math.min(batchSize, rows), batch, async (stretches) => {
      // The calls are queued in this order, so nothing need be awaited in between: small predictions stay quick.
      await Promise.all([
        ...x.map((t, i) => session.allocateSlot(slots.x[i]!, t)),
        ...shapes.map((shape, i) => session.allocateSlot(slots.y[i]!, { dtype: 'float32', shape })),
        ...x.map((t, i) => session.writeSlot(slots.x[i]!, t, 'x')),
        session.write(report.range.offset, report.fresh(0, seed)),
      ]);
      const context = { what: 'predict', firstStep: 0, batchSize, labelsPerRow: 1 };
      await engine.run(stretches, report, signal, (now) => checkFlag(now.flag, context));
      return await Promise.all(
        shapes.map(async (shape, i) => new Tensor(await session.readSlot(slots.y[i]!, sizeOf(shape)), shape)),
      );
    });
  } finally {
    await Promise.allSettled([...slots.x, ...slots.y].map((slot) => session.releaseSlot(slot)));
  }
}

/** The model's outputs for each row of one pass of a dataset. */
export async function predictStream(
  core: ModelCore,
  dataset: Dataset,
  read: (element: unknown) => Samples,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Tensor<Float32Array>[]> {
  const parts: Tensor<Float32Array>[][] = [];
  for await (const { samples, batchSize } of chunksOf(batched(dataset, size), read, { signal })) {
    parts.push(await core.withEngine((engine) => predict(engine, samples.x, batchSize, signal)));
  }
  if (parts.length === 0) throw new GradstepError('ERR_DATA', 'Expected at least one batch to predict but the dataset is empty');
  return core.network.outputs.map((_, i) => concatenated(parts.map((p) => p[i]!)) as Tensor<Float32Array>);
}
