/** Evaluation: loss and metrics over rows, without dropout and without updates. Also validation inside `fit`. */
import { rowsOf, type Samples } from '../data/samples.js';
import { sizeOf } from '../graph/shape.js';
import type { Engine } from './engine.js';
import { checkFlag } from './flags.js';
import { logsOf, type Logs } from './history.js';
import { trainingOf } from './programs.js';
import type { Report } from './report.js';
import { batchOf, withSamples } from './resident.js';

/** Evaluates samples that lie in the slots of `purpose`. Call it while holding the engine's inference lock. */
export async function evaluateResident(
  engine: Engine,
  purpose: 'evaluate' | 'validation',
  samples: Samples,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Logs> {
  const { memory, session, seed } = engine;
  const report = memory.inference;
  const rows = rowsOf(samples);
  const batch = { kind: 'evaluate', purpose, shuffled: false, ...batchOf(samples) } as const;
  return engine.withStretches(rows, Math.min(batchSize, rows), batch, async (stretches) => {
    await session.write(report.range.offset, report.fresh(0, seed));
    const labelsPerRow = sizeOf(samples.y[0]!.shape.slice(1));
    const what = purpose === 'validation' ? 'validate' : purpose;
    const context = { what, firstStep: 0, batchSize, labelsPerRow };
    let values: Report['values'] = [];
    await engine.run(stretches, report, signal, (now) => {
      checkFlag(now.flag, context);
      values = now.values;
    });
    return logsOf(values, trainingOf(memory).options.totals);
  });
}

export function evaluate(engine: Engine, samples: Samples, batchSize: number, signal: AbortSignal | undefined): Promise<Logs> {
  return engine.inference.run(() =>
    engine.abortable(signal, () =>
      withSamples(engine, samples, 'evaluate', () => evaluateResident(engine, 'evaluate', samples, batchSize, signal)),
    ),
  );
}
