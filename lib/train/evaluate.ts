/** Evaluation: loss and metrics over rows, without dropout and without updates. Also validation inside `fit`. */
import type { Samples } from '../data/samples.js';
import { sizeOf } from '../graph/shape.js';
import type { Engine } from './engine.js';
import { checkFlag } from './flags.js';
import { logsOf, type Logs } from './history.js';
import { SLOTS } from './programs.js';

/** Copies data and labels into slots while `body` runs. */
export async function withSamples<T>(
  { session }: Engine,
  { x, y }: Samples,
  slots: { readonly x: number; readonly y: number },
  body: () => Promise<T>,
): Promise<T> {
  try {
    await Promise.all([session.allocateSlot(slots.x, x), session.allocateSlot(slots.y, y)]);
    await session.writeSlot(slots.x, x, 'x');
    await session.writeSlot(slots.y, y, 'y');
    return await body();
  } finally {
    await Promise.allSettled([session.releaseSlot(slots.x), session.releaseSlot(slots.y)]);
  }
}

/** Evaluates rows that lie in the slots of `kind`. Call it while holding the engine's inference lock. */
export async function evaluateResident(
  engine: Engine,
  kind: 'evaluate' | 'validate',
  { x, y }: Samples,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Logs> {
  const { memory, session, seed } = engine;
  const report = memory.inference;
  const rows = x.shape[0]!;
  const labels = { dtype: y.dtype, row: y.shape.slice(1) };
  const batch = { kind, x: x.dtype, y: labels, shuffled: false };
  return engine.withStretches(rows, batchSize, batch, async (stretches) => {
    await session.write(report.range.offset, report.fresh(0, seed));
    const context = { what: kind, firstStep: 0, batchSize, labelsPerRow: sizeOf(labels.row) };
    let means: readonly number[] = [];
    for (const stretch of stretches) {
      await engine.runStretch(stretch, report, signal, (now) => {
        checkFlag(now.flag, context);
        means = now.means;
      });
    }
    return logsOf(means, memory.training!.options.metrics);
  });
}

export function evaluate(engine: Engine, samples: Samples, batchSize: number, signal: AbortSignal | undefined): Promise<Logs> {
  return engine.inference.run(() =>
    engine.abortable(signal, () =>
      withSamples(engine, samples, SLOTS.evaluate, () => evaluateResident(engine, 'evaluate', samples, batchSize, signal)),
    ),
  );
}
