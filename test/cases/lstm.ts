/** lstm and its gradient against the cell in float64, in every direction and activation, masked, dropped, in every precision. */
import { lstmDxOp, lstmOp } from '../../lib/ops/lstm.js';
import { CELL_ACTIVATIONS, DIRECTIONS } from '../../lib/ops/recurrence.js';
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
  twoExactSteps,
  type Cell,
  type CellParts,
  type RecurrentOp,
  type Row,
  type State,
} from './recurrence_case.js';
import type { GradientOp } from './recurrence_gradient.js';

type Four = [number[], number[], number[], number[]];

const quarters = (x: Row): Four =>
  [0, 1, 2, 3].map((gate) => x.slice((gate * x.length) / 4, ((gate + 1) * x.length) / 4)) as Four;

/** The gradient of a step, from the gates' values and slopes and both cell states: by xw, and by what was before. */
function apart(
  { kernel, keep, activation: [phi, phiSlope] }: CellParts,
  gates: Four,
  slopes: Four,
  c: Row,
  cBefore: Row,
  d: State,
) {
  const [i, f, g, o] = gates;
  const dc = added(d.c, multiplied(multiplied(d.h, o), c.map(phiSlope)));
  const by = [multiplied(dc, g), multiplied(dc, cBefore), multiplied(dc, i), multiplied(d.h, c.map(phi))];
  const xw = by.flatMap((v, gate) => multiplied(v, slopes[gate]!));
  return { xw, before: { h: multiplied(kernel.back(xw, 0), keep), c: multiplied(dc, f) } };
}

const cell: Cell = (parts, xw, before) => {
  const { h, kernel, keep, activation, recurrentActivation } = parts;
  const met = multiplied(before.h, keep);
  const z = quarters(added(xw, kernel.times(met, 0, 4 * h)));
  const of = (gate: number): CellParts['activation'] => (gate === 2 ? activation : recurrentActivation);
  const gates = z.map((v, gate) => v.map(of(gate)[0])) as Four;
  const [i, f, g, o] = gates;
  const c = added(multiplied(f, before.c), multiplied(i, g));
  return {
    state: { h: multiplied(o, c.map(activation[0])), c },
    gates: gates.flat(),
    gradient: (d) => {
      const slopes = z.map((v, gate) => v.map(of(gate)[1])) as Four;
      const made = apart(parts, gates, slopes, c, before.c, d);
      return { ...made, products: [{ met, d: made.xw, column: 0 }] };
    },
  };
};

export const lstmCell: RecurrentOp = { op: lstmOp, gates: 4, cell, results: ['y', 'h', 'c'] };

export const lstmGradient: GradientOp = {
  op: lstmDxOp,
  gates: 4,
  given: { gates: 4, cells: 1 },
  made: { dxw: 4 },
  states: ['h', 'c'],
  step(parts, { gates, cells }, cellsBefore, d) {
    const four = quarters(gates!);
    const slopes = four.map((v, gate) => v.map(gate === 2 ? parts.slope : parts.recurrentSlope)) as Four;
    const { xw, before } = apart(parts, four, slopes, cells!, cellsBefore, d);
    return { made: { dxw: xw }, before };
  },
};

const few = (name: string, s: Parameters<typeof small>[2]): OpCase => small(lstmCell, name, s);
const many = (name: string, s: Parameters<typeof small>[2]): OpCase => large(lstmCell, name, s);
const alone = (name: string, s: Parameters<typeof small>[2]): OpCase => forwardOnly(lstmCell, name, s);

const ALL = ['h0', 'c0', 'keep'];

export const cases: OpCase[] = [
  few('one of everything', { t: 1, h: 1 }),
  few('one step from a given state', { b: 2, t: 1, given: ['h0', 'c0'] }),
  ...CELL_ACTIVATIONS.flatMap((activation) => [
    few(`${activation} of cells`, {
      b: 2,
      activation,
      given: ['h0', 'c0'],
      range: activation === 'exponential' ? [-2, 0] : [-4, 7],
    }),
    few(`${activation} of gates`, {
      b: 2,
      recurrentActivation: activation,
      given: ['h0', 'c0'],
      range: activation === 'exponential' ? [-2, 0] : [-4, 7],
    }),
  ]),
  ...DIRECTIONS.flatMap((direction) => [
    few(`${direction}, everything given, masked`, { b: 5, t: 4, h: 2, direction, mask: MASKS, given: ALL }),
    few(`${direction}, nothing given`, { b: 2, t: 4, direction }),
  ]),
  few('the last state alone, by the inputs alone', { b: 2, results: ['h'], by: ['xw'], mask: patchyMask(2, 3) }),
  few('the last cell state alone', { b: 2, results: ['c'], given: ['c0'] }),
  few('all states alone, the state given', { b: 2, results: ['y'], given: ['h0'] }),
  few('by the recurrent kernel alone', { b: 2, given: ALL, by: ['u'] }),
  alone('prediction, the last state alone', { b: 3, t: 4, h: 5, results: ['h'], given: ['h0', 'c0'], mask: patchyMask(3, 4) }),
  alone('prediction, all states alone', { b: 3, t: 4, h: 8, results: ['y'], direction: 'reversed' }),
  alone('prediction, all results', { b: 2, t: 4, h: 8, given: ALL, mask: patchyMask(2, 4) }),
  ...DIRECTIONS.map((direction) =>
    twice(lstmCell, `${direction}, everything given, masked`, { b: 3, t: 4, h: 2, direction, mask: MASKS.slice(8), given: ALL }),
  ),
  ...CELL_ACTIVATIONS.map((activation) =>
    twice(lstmCell, activation, {
      ...{ b: 2, h: 2, activation, range: [-1.5, 0.5] },
      // Gates that grow with the state leave float32's range in three steps.
      recurrentActivation: activation === 'exponential' ? 'sigmoid' : activation,
    }),
  ),
  twice(lstmCell, 'one step', { b: 2, t: 1, given: ['h0', 'c0'] }),
  twice(lstmCell, 'the last states alone', { b: 2, t: 3, h: 2, results: ['h', 'c'] }),
  twice(lstmCell, 'by the recurrent kernel alone', { b: 2, t: 3, h: 2, results: ['y'], by: ['u'], given: ['h0'] }),
  many('three units', { b: 3, t: 5, h: 3 }),
  many('16 units', { b: 4, t: 5, h: 16, given: ['h0', 'c0'] }),
  many('17 units', { b: 6, t: 4, h: 17, given: ALL, direction: 'backward' }),
  many('33 units', { b: 7, t: 5, h: 33, mask: patchyMask(7, 5) }),
  many('40 units', { b: 9, t: 4, h: 40, given: ALL, mask: patchyMask(9, 4), direction: 'reversed' }),
  many('eight rows', { b: 8, t: 2, h: 16, given: ['c0'], results: ['y'] }),
  many('more rows than a block', { b: 35, t: 3, h: 40, given: ['h0', 'c0'], mask: patchyMask(35, 3) }),
  // In one kernel, on an emulated device of four multiprocessors: one group, which goes through its rows eight at a time.
  many('many units', { b: 24, t: 2, h: 120, given: ['h0'] }),
  // Large enough for threads of the CPU to share the rows, and where those are few the units.
  many('rows shared', { b: 9, t: 3, h: 100, given: ALL, mask: patchyMask(9, 3) }),
  many('units shared', { b: 2, t: 3, h: 260, given: ALL, mask: patchyMask(2, 3), direction: 'backward' }),
  many('a long sequence', { t: 70, h: 16, given: ['h0'] }),
  many('in bfloat16', { b: 2, h: 3, precision: 'bfloat16', given: ALL, range: [-3, 2], mask: [1, 1, 1, 1, 0, 1] }),
  // The CPU packs a kernel for its tile units in whole tiles where 32 divides the padded units.
  many('in bfloat16, 20 units', { b: 1, t: 2, h: 20, precision: 'bfloat16' }),
  // In one kernel, on an emulated device of four multiprocessors: two groups of two blocks; 16 rows and five, 20 units and 16.
  many('in float32, groups of rows', { b: 21, t: 3, h: 36, given: ALL, mask: patchyMask(21, 3), direction: 'backward' }),
  many('in bfloat16, groups of rows', { ...twoExactSteps(lstmCell, 21, 36), precision: 'bfloat16' }),
  many('in tf32, groups of rows', { ...twoExactSteps(lstmCell, 21, 36), precision: 'tf32' }),
  // One group of four blocks; the way back has a product of 272 terms, three slices for each warp.
  many('in bfloat16, units of several blocks', { ...twoExactSteps(lstmCell, 3, 68), precision: 'bfloat16' }),
  // One step from a given state: its product is of given numbers, so no size brings one near a tie.
  alone('in bfloat16, one step of many rows', { b: 35, t: 1, h: 33, precision: 'bfloat16', exact: true, given: ['h0', 'keep'] }),
  many('in tf32', { b: 2, h: 3, precision: 'tf32', given: ALL, range: [-3, 2], mask: [1, 1, 1, 1, 0, 1] }),
  alone('in tf32, one step', { b: 5, t: 1, h: 8, precision: 'tf32', exact: true, given: ['h0', 'keep'] }),
];
