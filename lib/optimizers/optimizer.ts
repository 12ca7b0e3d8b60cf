/**
 * An optimizer moves the parameters against their gradients: one kernel over the whole parameter block. What it keeps
 * between steps lies in blocks of the same shape, its slots; the learning rate is a variable in device memory.
 */
import type { Value } from '../graph/graph.js';
import type { UpdateContext } from '../ops/update_inputs.js';
import type { Schedule } from '../schedules/schedule.js';
import type { CheckedCommonOptions } from './common.js';

export interface OptimizerContext extends UpdateContext {
  /** One block for each name in `slots`, zero at first. */
  slot(name: string): Value;
}

export interface Optimizer {
  /** The name it is saved under. */
  readonly name: string;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /** A number, or how it follows from the number of updates. */
  readonly learningRate: number | Schedule;
  /** What the step does around the update. */
  readonly common: CheckedCommonOptions;
  readonly slots: readonly string[];
  /** Adds the update to the graph of the step. */
  apply(context: OptimizerContext): void;
}

/** An optimizer, whose options stay as they are: what is assigned to one later would go unheard. */
export function makeOptimizer(optimizer: Optimizer): Optimizer {
  Object.freeze(optimizer.config);
  Object.freeze(optimizer.common);
  return Object.freeze(optimizer);
}

/** The learning rate after so many updates, as a number. */
export function rateAt(learningRate: number | Schedule, step: number): number {
  return typeof learningRate === 'number' ? learningRate : learningRate.at(step);
}
