/** simpleRnn and its gradient against the cell in float64, in every direction and activation, masked, dropped, in every precision. */
import { CELL_ACTIVATIONS, DIRECTIONS } from '../../lib/ops/recurrence.js';
import { simpleRnnDxOp, simpleRnnOp } from '../../lib/ops/simple_rnn.js';
import type { OpCase } from './op_case.js';
import {
  added,
  forwardOnly,
  large,
  MASKS,
  multiplied,
  patchyMask,
  small,
  twice,
  wholes,
  type Cell,
  type RecurrentOp,
} from './recurrence_case.js';
import type { GradientOp } from './recurrence_gradient.js';

const cell: Cell = ({ h, kernel, keep, activation: [value, slope] }, xw, before) => {
  const met = multiplied(before.h, keep);
  const z = added(xw, kernel.times(met, 0, h));
  return {
    state: { h: z.map(value), c: before.c },
    gradient: (d) => {
      const dz = multiplied(d.h, z.map(slope));
      return {
        xw: dz,
        before: { h: multiplied(kernel.back(dz, 0), keep), c: d.c },
        products: [{ met, d: dz, column: 0 }],
      };
    },
  };
};

export const simpleRnnCell: RecurrentOp = { op: simpleRnnOp, gates: 1, cell, results: ['y', 'h'] };

export const simpleRnnGradient: GradientOp = {
  op: simpleRnnDxOp,
  gates: 1,
  given: { y: 1 },
  made: { dxw: 1 },
  states: ['h'],
  step({ kernel, keep, slope }, { y }, _cells, d) {
    const dxw = multiplied(d.h, y!.map(slope));
    return { made: { dxw }, before: { h: multiplied(kernel.back(dxw, 0), keep), c: d.c } };
  },
};

const few = (name: string, s: Parameters<typeof small>[2]): OpCase => small(simpleRnnCell, name, s);
const many = (name: string, s: Parameters<typeof small>[2]): OpCase => large(simpleRnnCell, name, s);
const alone = (name: string, s: Parameters<typeof small>[2]): OpCase => forwardOnly(simpleRnnCell, name, s);

export const cases: OpCase[] = [
  few('one of everything', { t: 1, h: 1 }),
  few('one step from a given state', { b: 2, t: 1, given: ['h0'] }),
  ...CELL_ACTIVATIONS.map((activation) =>
    few(activation, { b: 2, h: 4, activation, given: ['h0'], range: activation === 'exponential' ? [-2, 0] : [-6, 9] }),
  ),
  ...DIRECTIONS.flatMap((direction) => [
    few(`${direction}, everything given, masked`, { b: 5, t: 4, h: 2, direction, mask: MASKS, given: ['h0', 'keep'] }),
    few(`${direction}, nothing given`, { b: 2, t: 4, direction }),
  ]),
  few('the last state alone, by the inputs alone', { b: 2, results: ['h'], by: ['xw'], mask: patchyMask(2, 3) }),
  few('all states alone', { b: 2, results: ['y'], given: ['h0'] }),
  few('by the recurrent kernel alone', { b: 2, given: ['h0', 'keep'], by: ['u'] }),
  alone('prediction, the last state alone', { b: 3, t: 4, h: 5, results: ['h'], given: ['h0'], mask: patchyMask(3, 4) }),
  alone('prediction, all states alone', { b: 3, t: 4, h: 8, results: ['y'], direction: 'reversed' }),
  ...DIRECTIONS.map((direction) =>
    twice(simpleRnnCell, `${direction}, everything given, masked`, {
      ...{ b: 3, t: 4, h: 2, direction, mask: MASKS.slice(8) },
      given: ['h0', 'keep'],
    }),
  ),
  twice(simpleRnnCell, 'softplus', { b: 2, h: 3, activation: 'softplus', given: ['h0'] }),
  twice(simpleRnnCell, 'one step', { b: 2, t: 1, given: ['h0'] }),
  many('three units', { b: 3, t: 5, h: 3 }),
  many('16 units', { b: 4, t: 5, h: 16, given: ['h0'] }),
  many('17 units', { b: 6, t: 4, h: 17, given: ['h0', 'keep'], direction: 'backward' }),
  many('33 units', { b: 7, t: 5, h: 33, mask: patchyMask(7, 5) }),
  many('40 units', { b: 9, t: 4, h: 40, given: ['h0', 'keep'], mask: patchyMask(9, 4), direction: 'reversed' }),
  many('more rows than a block', { b: 35, t: 3, h: 40, given: ['h0'], mask: patchyMask(35, 3) }),
  // Large enough for threads of the CPU to share the rows, and where those are few the units.
  many('rows shared', { b: 9, t: 3, h: 100, given: ['h0', 'keep'], mask: patchyMask(9, 3) }),
  many('units shared', { b: 2, t: 3, h: 400, given: ['h0', 'keep'], mask: patchyMask(2, 3), direction: 'backward' }),
  many('a long sequence', { t: 70, h: 16, given: ['h0'] }),
  many('in bfloat16', { b: 2, h: 5, precision: 'bfloat16', given: ['h0', 'keep'], mask: [1, 1, 1, 1, 0, 1] }),
  many('in tf32', { b: 2, h: 4, precision: 'tf32', given: ['h0', 'keep'], mask: [1, 1, 1, 1, 0, 1] }),
  // Linear, and every number a few bits long: the state after three steps needs rounding and is the same everywhere. In one
  // kernel, on an emulated device of four multiprocessors: two groups, four groups of a block each, one group of 19 rows.
  ...(
    [
      ['bfloat16', 9, 40],
      ['bfloat16', 27, 32],
      ['tf32', 27, 32],
      ['bfloat16', 19, 116],
      ['tf32', 19, 116],
    ] as const
  ).map(([precision, b, h]) => ({
    ...many(`in ${precision}, exact numbers, ${b} rows of ${h} units`, {
      b,
      t: 3,
      h,
      precision,
      activation: 'linear',
      exact: true,
      given: ['h0'],
      data: {
        xw: wholes(b * 3 * h, 0.25, 1),
        u: wholes(h * h, 1 / 16, 2),
        h0: wholes(b * h, 87 / 64, 3),
        dy: wholes(b * 3 * h, 77 / 128, 4),
        dh: wholes(b * h, 93 / 64, 5),
      },
    }),
    largest: 2,
  })),
];
