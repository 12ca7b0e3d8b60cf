/** Prediction: the model's output for each row. */
import { Tensor } from '../data/tensor.js';
import { sizeOf } from '../graph/shape.js';
import type { Engine } from './engine.js';
import { checkFlag } from './flags.js';
import { SLOTS } from './programs.js';

export function predict(
  engine: Engine,
  x: Tensor,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Tensor<Float32Array>> {
  return engine.inference.run(() => engine.abortable(signal, () => predictRows(engine, x, batchSize, signal)));
}

async function predictRows(engine: Engine, x: Tensor, batchSize: number, signal: AbortSignal | undefined) {
  const { memory, session, seed } = engine;
  const slots = SLOTS.predict;
  const report = memory.inference;
  const rows = x.shape[0]!;
  const shape = [rows, ...memory.network.output];
  const batch = { kind: 'predict', x: x.dtype, shuffled: false } as const;
  try {
    return await engine.withStretches(rows, batchSize, batch, async (stretches) => {
      // The calls are queued in this order, so nothing need be awaited in between: small predictions stay quick.
      await Promise.all([
        session.allocateSlot(slots.x, x),
        session.allocateSlot(slots.y, { dtype: 'float32', shape }),
        session.writeSlot(slots.x, x, 'x'),
        session.write(report.range.offset, report.fresh(0, seed)),
      ]);
      const context = { what: 'predict', firstStep: 0, batchSize, labelsPerRow: 1 };
      for (const stretch of stretches) {
        await engine.runStretch(stretch, report, signal, (now) => checkFlag(now.flag, context));
      }
      return new Tensor(await session.readSlot(slots.y, sizeOf(shape)), shape);
    });
  } finally {
    await Promise.allSettled([session.releaseSlot(slots.x), session.releaseSlot(slots.y)]);
  }
}
