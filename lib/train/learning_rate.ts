/** The learning rate between steps: what callbacks and the model itself read and set. */
import { GradstepError } from '../errors.js';
import { rateAt } from '../optimizers/optimizer.js';
import { float32 } from '../options.js';
import type { Compiled } from './compile_options.js';
import type { Engine } from './engine.js';
import { trainingOf } from './programs.js';

const rate = float32('number >= 0', (v) => v >= 0);

/** The rate of the next update; ERR_NOT_COMPILED where there is none. */
export async function readLearningRate(engine: Engine): Promise<number> {
  const { learningRate } = trainingOf(engine.memory).options.optimizer;
  return typeof learningRate === 'number' ? engine.learningRate : rateAt(learningRate, await engine.readUpdates());
}

/** The rate that a compiled model is to have, checked. ERR_OPTION where its optimizer has a schedule. */
export function settableRate({ optimizer }: Compiled, value: unknown): number {
  const { learningRate } = optimizer;
  if (typeof learningRate === 'number') return rate(value, 'learningRate');
  throw new GradstepError(
    'ERR_OPTION',
    `The learning rate cannot be set while the optimizer's is a schedule (${learningRate.name}): compile with a number`,
  );
}
