/** Cells that are composed of ops, run over a sequence step by step: so many nodes in the graph for each step. */
import type { Value } from '../graph/graph.js';
import { concat } from '../ops/concat.js';
import { elementwise } from '../ops/map.js';
import { sliceAxis } from '../ops/pad.js';
import { reshape } from '../ops/reshape.js';
import type { Cell, CellRun } from './cell.js';

/** What a step makes of its input and the states before it, which are zeros where absent. */
export type Step = (x: Value, states: readonly (Value | undefined)[]) => { y: Value; states: readonly Value[] };

/** Step t of x [rows, time, …]: [rows, …]. */
function stepOf(x: Value, t: number): Value {
  return reshape(sliceAxis(x, 1, t, t + 1), [x.shape[0]!, ...x.shape.slice(2)]);
}

/** `next` in the rows that count, what was there before in the others. */
function where(counts: Value | undefined, next: Value, before: Value | undefined): Value {
  if (!counts) return next;
  return elementwise('where', reshape(counts, [next.shape[0]!, ...next.shape.slice(1).map(() => 1)]), next, before ?? 0);
}

/**
 * Runs `step` over x [rows, time, …]. A step that the mask leaves out leaves the states as they are, and yields what the one before it
 * has yielded.
 * @param first what the step before the first has yielded; zeros where absent
 */
export function unrolled(
  x: Value,
  { states, mask, direction }: Omit<CellRun, 'context'>,
  step: Step,
  first?: Value,
): ReturnType<Cell['run']> {
  const [rows, time] = x.shape as [number, number];
  let held = states;
  let last = first;
  const yielded: Value[] = [];
  for (let s = 0; s < time; s++) {
    const t = direction === 'forward' ? s : time - 1 - s;
    const made = step(stepOf(x, t), held);
    const counts = mask && stepOf(mask, t);
    held = made.states.map((state, i) => where(counts, state, held[i]));
    last = where(counts, made.y, last);
    yielded[direction === 'backward' ? t : s] = reshape(last, [rows, 1, ...last.shape.slice(1)]);
  }
  return { y: concat(yielded, 1), last: last!, states: held as readonly Value[] };
}
