/** Evaluation: loss and metrics over rows, without dropout and without updates. Also validation inside `fit`. */
import type { Dataset } from '../data/dataset.js';
import { labelsPerRow, rowsOf, type Samples } from '../data/samples.js';
import { GradstepError } from '../errors.js';
import type { Engine } from './engine.js';
import { Feed } from './feed.js';
import { checkFlag } from './flags.js';
import { logsOf, type Logs } from './history.js';
import { trainingOf } from './programs.js';
import type { Report } from './report.js';
import { batchOf, rewind, withSamples } from './resident.js';
import { chunksOf } from './stream.js';

type EvaluationPurpose = 'evaluate' | 'validation';

/**
 * Adds up what samples in the slots of a purpose come to, beside what was added before; `onStart` is called when the first
 * step is under way.
 */
async function evaluatePart(
  engine: Engine,
  purpose: EvaluationPurpose,
  samples: Samples,
  batchSize: number,
  signal: AbortSignal | undefined,
  onStart: () => void = () => undefined,
): Promise<Report['values']> {
  const report = engine.memory.inference;
  const rows = rowsOf(samples);
  const batch = { kind: 'evaluate', purpose, shuffled: false, ...batchOf(samples) } as const;
  return engine.withStretches(rows, Math.min(batchSize, rows), batch, async (stretches) => {
    const what = purpose === 'validation' ? 'validate' : purpose;
    const context = { what, firstStep: 0, batchSize, labelsPerRow: labelsPerRow(samples), memory: engine.memory };
    let values: Report['values'] = [];
    const running = engine.run(stretches, report, signal, (now) => {
      checkFlag(now.flag, context);
      values = now.values;
    });
    onStart();
    await running;
    return values;
  });
}

/** Evaluates samples that lie in the slots of `purpose`. Call it while holding the engine's inference lock. */
export async function evaluateResident(
  engine: Engine,
  purpose: EvaluationPurpose,
  samples: Samples,
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Logs> {
  const { memory, session, seed } = engine;
  const { range } = memory.inference;
  await session.write(range.offset, memory.inference.fresh(0, seed));
  if (purpose === 'validation') await engine.resetStates(['validation']);
  const values = await evaluatePart(engine, purpose, samples, batchSize, signal);
  return logsOf(values, trainingOf(memory).options.totals);
}

/** Evaluates one pass of a dataset of batches. Call it while holding the engine's inference lock. */
export async function evaluateStream(
  engine: Engine,
  purpose: EvaluationPurpose,
  batches: Dataset,
  read: (element: unknown) => Samples,
  signal: AbortSignal | undefined,
): Promise<Logs> {
  const { memory, session, seed } = engine;
  const report = memory.inference;
  const slots = engine.slots(purpose);
  const feed = new Feed(chunksOf(batches, read, { signal }), slots);
  let values: Report['values'] | undefined;
  try {
    await session.write(report.range.offset, report.fresh(0, seed));
    if (purpose === 'validation') await engine.resetStates(['validation']);
    for (let chunk = await feed.take(); chunk; chunk = await feed.take()) {
      await rewind(engine, report);
      values = await evaluatePart(engine, purpose, chunk.samples, chunk.batchSize, signal, () => feed.prepare());
    }
  } finally {
    await feed.close();
    await slots.leave();
  }
  if (!values) throw new GradstepError('ERR_DATA', 'Expected at least one batch to evaluate but the dataset is empty');
  return logsOf(values, trainingOf(memory).options.totals);
}

export function evaluate(
  engine: Engine,
  data: Samples | { readonly batches: Dataset; readonly read: (element: unknown) => Samples },
  batchSize: number,
  signal: AbortSignal | undefined,
): Promise<Logs> {
  const run = () =>
    'batches' in data
      ? evaluateStream(engine, 'evaluate', data.batches, data.read, signal)
      : withSamples(engine, data, 'evaluate', () => evaluateResident(engine, 'evaluate', data, batchSize, signal));
  return engine.inference.run(() => engine.abortable(signal, run), signal);
}
