/**
 * overfitSample: whether a model can learn a few rows by heart. A model that cannot has an error somewhere, and finds
 * nothing in more data either; so this is the first thing to try.
 */
import type { Dataset } from '../../data/dataset.js';
import { rowsOf } from '../../data/samples.js';
import { GradstepError } from '../../errors.js';
import { abortSignal, checkOptions, integer, number, optional, type SchemaOf } from '../../options.js';
import { diagnostics, type DiagnosticsReport } from '../diagnostics/diagnostics.js';
import type { Finding } from '../diagnostics/findings.js';
import type { Model } from '../model.js';
import { coreOf } from '../model_core.js';
import type { DataLike } from '../run_options.js';
import { reasonsOf } from './reasons.js';
import { argumentsOf, firstRows, givenOf, type Given } from './rows.js';
import { withTrial } from './trial.js';

export interface OverfitOptions {
  /** Rows to learn: the first of the data, integer > 0. Default 32. */
  samples?: number;
  /** Updates at most, each by all these rows, integer > 0. Default 500. */
  steps?: number;
  /** Part of the first loss that counts as learned, number in (0, 1). Default 0.05. */
  target?: number;
  /** Ends the run early: it rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

export interface OverfitResult {
  /** Whether the loss came down to `target` of the first. */
  readonly succeeded: boolean;
  /** The loss of each step, of before its update. */
  readonly losses: readonly number[];
  /** Where it did not succeed: what was seen and what usually helps, the likeliest first. */
  readonly reasons: readonly string[];
  /** What diagnostics found on the way, each once. */
  readonly findings: readonly Finding[];
}

const schema = {
  samples: optional(integer(1), 32),
  steps: optional(integer(1), 500),
  target: optional(
    number('number in (0, 1)', (v) => v > 0 && v < 1),
    0.05,
  ),
  signal: optional(abortSignal, undefined),
} satisfies SchemaOf<OverfitOptions>;

/** Diagnoses of a run. */
const LOOKS = 20;

/**
 * Trains a model on a few rows until it knows them by heart, from its present weights with its own optimizer and loss; if it
 * cannot, says why. Afterwards weights, optimizer and counters are as before.
 * ERR_OPTION, ERR_NOT_COMPILED, ERR_BUSY, ERR_ABORTED, and the errors of `fit`; a loss that is not finite is a result.
 */
export function overfitSample(model: Model, x: DataLike, y: DataLike, options?: OverfitOptions): Promise<OverfitResult>;
/** The same with the first rows of a dataset. */
export function overfitSample(model: Model, dataset: Dataset, options?: OverfitOptions): Promise<OverfitResult>;
export async function overfitSample(model: Model, x: DataLike | Dataset, ...rest: readonly unknown[]): Promise<OverfitResult> {
  const what = 'recipes.overfitSample';
  const given: Given<OverfitOptions> = givenOf(what, x, rest);
  const { samples: wanted, steps, target, signal } = checkOptions(what, given.options, schema);
  const samples = await firstRows(model, given, wanted, what, signal);
  const data = argumentsOf(samples);
  const losses: number[] = [];
  const findings = new Map<string, Finding>();
  let error: GradstepError | undefined;
  const isLearned = (loss: number | undefined) => loss !== undefined && loss <= target * losses[0]!;
  const changes = () => ({ onNaN: 'error' }) as const;
  const loss = await withTrial(model, what, changes, async (trial) => {
    const every = Math.max(1, Math.floor(steps / LOOKS));
    const onReport = (report: DiagnosticsReport) => {
      for (const f of report.findings) findings.set(`${f.kind} ${f.layer}`, f);
    };
    const stop = {
      onEpochEnd(_epoch: number, logs: { loss: number }, context: { stop(): void }) {
        losses.push(logs.loss);
        if (isLearned(logs.loss)) context.stop();
      },
    };
    const callbacks = [diagnostics({ every, onReport }), stop];
    const perUpdate = coreOf(trial).batchesPerUpdate === 1 ? rowsOf(samples) : 'full';
    const options = { ...data.weighting, epochs: steps, batchSize: perUpdate, shuffle: false, callbacks } as const;
    try {
      await trial.fit(data.x, data.y, signal ? { ...options, signal } : options);
      // Dropout and the like are off here.
      return (await trial.evaluate(data.x, data.y, { ...data.weighting, batchSize: rowsOf(samples) })).loss;
    } catch (caught) {
      if (!(caught instanceof GradstepError) || caught.code !== 'ERR_NAN') throw caught;
      error = caught;
      return NaN;
    }
  });
  const succeeded = !error && (isLearned(losses.at(-1)) || isLearned(loss));
  const found = [...findings.values()];
  const reasons = succeeded ? [] : reasonsOf(coreOf(model), samples, losses, found, error);
  return { succeeded, losses, reasons, findings: found };
}
