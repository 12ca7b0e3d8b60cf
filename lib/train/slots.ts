/**
 * Data slots by purpose: each purpose has a range of its own, in which the inputs come first, then the labels of the
 * outputs that have a loss, then weights of samples, and last the order of rows. Each has a spare, which is filled while steps
 * run.
 */
import { GradstepError } from '../errors.js';

/** Slots that each purpose has; native/core/backend.h has a table of all. */
const RANGE = 32;

const PURPOSES = ['train', 'validation', 'evaluate', 'predict'] as const;

export type Purpose = (typeof PURPOSES)[number];

export interface Slots {
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Of sample weights, one an output. */
  readonly weights: readonly number[];
  /** Of the order of rows. */
  readonly index: number;
}

/** The slots of a purpose, for so many inputs and outputs. ERR_OPTION when there are more than fit. */
export function slotsOf(purpose: Purpose, inputs: number, outputs: number): Slots {
  if (inputs + 2 * outputs >= RANGE) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected at most ${RANGE - 1} inputs and twice outputs together but received ${inputs} and ${outputs}`,
    );
  }
  const base = PURPOSES.indexOf(purpose) * RANGE;
  const range = (from: number, n: number) => Array.from({ length: n }, (_, i) => base + from + i);
  return {
    x: range(0, inputs),
    y: range(inputs, outputs),
    weights: range(inputs + outputs, outputs),
    index: base + RANGE - 1,
  };
}
