/**
 * Recurrences whose arrays over time are stored in bfloat16: each of them alone and all together, forward with what is kept for
 * the gradient, and the gradients alone. States stay float32, and are not rounded because what they are written to is: what
 * comes of several steps has float32's tolerance.
 */
import { gruCell, gruGradients } from './gru.js';
import { lstmCell, lstmGradient } from './lstm.js';
import type { OpCase } from './op_case.js';
import { forwardOnly, patchyMask, wholes, type RecurrentOp, type Sequence } from './recurrence_case.js';
import { gradientAlone, type GradientOp } from './recurrence_gradient.js';
import { simpleRnnCell, simpleRnnGradient } from './simple_rnn.js';

interface Cell {
  cell: RecurrentOp;
  gradient: GradientOp;
  /** What is made for the gradient, in either type. */
  kept: readonly string[];
  /** What else is given. */
  given: readonly string[];
  reset?: 'after' | 'before';
}

const CELLS: Record<string, Cell> = {
  lstm: { cell: lstmCell, gradient: lstmGradient, kept: ['gates', 'hPrev'], given: ['h0', 'c0', 'keep'] },
  gru: {
    cell: gruCell,
    gradient: gruGradients.after,
    kept: ['gates', 'inner', 'hPrev'],
    given: ['h0', 'keep', 'bias'],
    reset: 'after',
  },
  'reset before, gru': {
    cell: gruCell,
    gradient: gruGradients.before,
    kept: ['gates', 'inner', 'hPrev'],
    given: ['h0', 'keep'],
    reset: 'before',
  },
  simpleRnn: { cell: simpleRnnCell, gradient: simpleRnnGradient, kept: ['hPrev'], given: ['h0', 'keep'] },
};

type Sizes = Sequence & { b: number; t: number; h: number };

/** Each name alone, and all of them. */
const mixtures = (names: readonly string[]): string[][] => [...names.map((name) => [name]), [...names]];

function forward({ cell, kept, reset }: Cell, name: string, s: Sizes, all = false): OpCase {
  const cells = cell === lstmCell ? ['cells'] : [];
  const test = forwardOnly(cell, name, { precision: 'bfloat16', results: [...cell.results, ...kept, ...cells], reset, ...s });
  const names = ['xw', 'y', ...kept];
  return { ...test, narrow: all ? [names] : mixtures(names) };
}

function backward({ gradient, reset }: Cell, name: string, s: Sizes, all = false): OpCase {
  const names = [...Object.keys(gradient.given).filter((given) => given !== 'cells'), 'dy', ...Object.keys(gradient.made)];
  const test = gradientAlone(gradient, name, { precision: 'bfloat16', reset, ...s });
  return { ...test, narrow: all ? [names] : mixtures(names) };
}

/** Linear cells, and every number a few bits long: what is rounded to be multiplied float32 holds exactly. */
function exactly({ cell, gradient }: Cell, s: Sizes): Sizes {
  const { b, t, h } = s;
  const states = Object.fromEntries(['dh', 'dc'].map((name, i) => [name, wholes(b * h, 0.25, 5 + i)]));
  const arrays = Object.entries(gradient.given).map(
    ([name, gates], i) => [name, wholes(b * t * gates * h, 0.25, 7 + i)] as const,
  );
  const data = {
    xw: wholes(b * t * cell.gates * h, 0.25, 1),
    u: wholes(h * cell.gates * h, 1 / 16, 2),
    dy: wholes(b * t * h, 0.5, 4),
    ...states,
    ...Object.fromEntries(arrays),
  };
  const gates = cell === simpleRnnCell ? {} : { recurrentActivation: 'linear' as const };
  return { ...s, exact: true, activation: 'linear', ...gates, data };
}

export const cases: OpCase[] = Object.entries(CELLS).flatMap(([op, cell]) => {
  const { given } = cell;
  const kept = given.filter((name) => name !== 'bias');
  const mask = [1, 1, 1, 1, 0, 1];
  // In one kernel, on an emulated device of four multiprocessors: groups of rows.
  const groups = exactly(cell, { b: 21, t: 2, h: 36 });
  const odd = exactly(cell, { b: 3, t: 2, h: 17, direction: 'backward', mask: patchyMask(3, 2) });
  return [
    forward(cell, `${op}, each of its arrays`, { b: 2, t: 3, h: 3, given, mask }),
    forward(cell, `${op}, rows in groups`, groups, true),
    forward(cell, `${op}, 17 units, backward`, odd, true),
    backward(cell, `${op}'s gradient, each array, backwards`, { b: 2, t: 3, h: 3, given: kept, mask, direction: 'reversed' }),
    backward(cell, `${op}'s gradient, rows in groups`, { ...groups, given: ['h0'] }, true),
    backward(cell, `${op}'s gradient, 17 units, backward`, odd, true),
  ];
});

// More units than are rounded at once on the CPU.
cases.push(forward(CELLS.simpleRnn!, 'simpleRnn, many units', exactly(CELLS.simpleRnn!, { b: 9, t: 2, h: 272 }), true));
