/** learningRateFinder: the range test of Smith (2017): the rate grows from step to step, and the loss shows where it learns. */
import { throwIfAborted } from '../../abort.js';
import type { Dataset } from '../../data/dataset.js';
import { GradstepError } from '../../errors.js';
import { abortSignal, checkOptions, integer, number, optional, type SchemaOf } from '../../options.js';
import type { Optimizer } from '../../optimizers/optimizer.js';
import { exponentialDecay } from '../../schedules/exponential_decay.js';
import type { Model } from '../model.js';
import type { DataLike } from '../run_options.js';
import { argumentsOf, endlessBatches, givenOf, type Given } from './rows.js';
import { withTrial } from './trial.js';

export interface LearningRateFinderOptions {
  /** The first rate, number > 0. Default 1e-6. */
  from?: number;
  /** The last, larger than `from`. Default 1. */
  to?: number;
  /** Steps from the first to the last, integer > 1. Default 100. */
  steps?: number;
  /** Rows in a step. Default 32. */
  batchSize?: number;
  /** Ends the run early: it rejects with ERR_ABORTED. */
  signal?: AbortSignal | undefined;
}

export interface LearningRates {
  /** The rate of each step; fewer than `steps` where the loss had grown to four times its lowest. */
  readonly rates: readonly number[];
  /** The loss of each step's batch, of before its update. */
  readonly losses: readonly number[];
  /** The same smoothed: averages of the losses so far, in which every further step counts a tenth less. */
  readonly smoothed: readonly number[];
  /** A tenth of the rate at which the smoothed loss was lowest; undefined where it never fell. */
  readonly suggestion: number | undefined;
}

const positive = number('number > 0', (v) => v > 0);

const schema = {
  from: optional(positive, 1e-6),
  to: optional(positive, 1),
  steps: optional(integer(2), 100),
  batchSize: optional(integer(1), 32),
  signal: optional(abortSignal, undefined),
} satisfies SchemaOf<LearningRateFinderOptions>;

/** What a loss counts for in the average when one more has come. */
const KEPT = 0.9;

/** The test ends where the smoothed loss is so many times its lowest. */
const WORSE = 4;

/** The smoothed loss has fallen where it was under this part of the first. */
const FALLEN = 0.98;

/** The model's optimizer with another rate, computed inside the step. */
function growing(optimizer: Optimizer, from: number, to: number, steps: number): Optimizer {
  const learningRate = exponentialDecay({ initialLearningRate: from, decaySteps: steps - 1, decayRate: to / from });
  return { ...optimizer, learningRate, common: { ...optimizer.common, gradientAccumulationSteps: 1, useEma: false } };
}

/**
 * Trains with a rate that grows exponentially from `from` to `to`, and reports the loss at each rate, with a suggestion. The
 * model is trained from its present weights with its own optimizer; afterwards weights, optimizer and counters are as before.
 * ERR_OPTION, ERR_NOT_COMPILED, ERR_BUSY, ERR_ABORTED, and the errors of `fit`.
 */
export function learningRateFinder(
  model: Model,
  x: DataLike,
  y: DataLike,
  options?: LearningRateFinderOptions,
): Promise<LearningRates>;
/** The same with batches of a dataset, which is passed over as often as it takes. */
export function learningRateFinder(model: Model, dataset: Dataset, options?: LearningRateFinderOptions): Promise<LearningRates>;
export async function learningRateFinder(
  model: Model,
  x: DataLike | Dataset,
  ...rest: readonly unknown[]
): Promise<LearningRates> {
  const what = 'recipes.learningRateFinder';
  const given: Given<LearningRateFinderOptions> = givenOf(what, x, rest);
  const { from, to, steps, batchSize, signal } = checkOptions(what, given.options, schema);
  if (to <= from) throw new GradstepError('ERR_OPTION', `Expected ${what}.to to be larger than from ${from} but received ${to}`);
  const rates: number[] = [];
  const losses: number[] = [];
  const smoothed: number[] = [];
  const batches = endlessBatches(model, given, batchSize, what, signal);
  const first = await batches.next();
  const changes = ({ optimizer }: { optimizer: Optimizer }) =>
    ({ optimizer: growing(optimizer, from, to, steps), onNaN: 'continue' }) as const;
  try {
    await withTrial(model, what, changes, async (trial) => {
      let average = 0;
      for (let batch = first; rates.length < steps && !batch.done; batch = await batches.next()) {
        throwIfAborted(signal);
        const { x: rows, y: labels, weighting } = argumentsOf(batch.value);
        const { loss } = await trial.trainOnBatch(rows, labels, weighting);
        if (!Number.isFinite(loss)) break;
        average = KEPT * average + (1 - KEPT) * loss;
        rates.push(from * (to / from) ** (rates.length / (steps - 1)));
        losses.push(loss);
        smoothed.push(average / (1 - KEPT ** rates.length));
        if (smoothed.at(-1)! > WORSE * Math.min(...smoothed)) break;
      }
    });
  } finally {
    await batches.return();
  }
  const lowest = Math.min(...smoothed);
  const suggestion = lowest < FALLEN * smoothed[0]! ? rates[smoothed.indexOf(lowest)]! / 10 : undefined;
  return { rates, losses, smoothed, suggestion };
}
