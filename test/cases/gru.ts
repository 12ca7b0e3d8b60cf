/** gru and its gradient against the cell in float64: both places of the reset gate, directions, activations, masks, precisions. */
import { gruDxOp, gruOp } from '../../lib/ops/gru.js';
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

type Three = [z: number[], r: number[], candidate: number[]];

const thirds = (x: Row): Three => [0, 1, 2].map((gate) => x.slice((gate * x.length) / 3, ((gate + 1) * x.length) / 3)) as Three;

/** The gradient of a step, from the gates' values and slopes, inner and the state before: by xw, by what is added to it, and by that state. */
function apart({ h, kernel, keep, reset }: CellParts, [z, r, candidate]: Three, slopes: Three, inner: Row, hPrev: Row, d: State) {
  const after = reset === 'after';
  const dz = z.map((_, i) => d.h[i]! * (hPrev[i]! - candidate[i]!) * slopes[0][i]!);
  const da = z.map((v, i) => d.h[i]! * (1 - v) * slopes[2][i]!);
  const dInner = after ? multiplied(da, r) : kernel.back(da, 2 * h);
  const dr = multiplied(after ? multiplied(da, inner) : multiplied(dInner, multiplied(hPrev, keep)), slopes[1]);
  const dMet = after ? kernel.back([...dz, ...dr, ...dInner], 0) : added(kernel.back([...dz, ...dr], 0), multiplied(dInner, r));
  return {
    xw: [...dz, ...dr, ...da],
    hw: [...dz, ...dr, ...dInner],
    before: { h: added(multiplied(d.h, z), multiplied(dMet, keep)), c: d.c },
  };
}

const cell: Cell = (parts, xw, before) => {
  const { h, kernel, keep, bias, activation, recurrentActivation, reset } = parts;
  const [phi, phiSlope] = activation;
  const [sigma, sigmaSlope] = recurrentActivation;
  const after = reset === 'after';
  const third = (of: readonly number[], gate: number): number[] => of.slice(gate * h, (gate + 1) * h);
  const met = multiplied(before.h, keep);
  const gates = added(added(xw.slice(0, 2 * h), kernel.times(met, 0, 2 * h)), bias.slice(0, 2 * h));
  const [z, r] = [third(gates, 0).map(sigma), third(gates, 1).map(sigma)];
  // after: what the reset gate multiplies; before: what meets the candidate's kernel.
  const inner = after ? added(kernel.times(met, 2 * h, 3 * h), third(bias, 2)) : multiplied(r, met);
  const a = added(third(xw, 2), after ? multiplied(r, inner) : kernel.times(inner, 2 * h, 3 * h));
  const candidate = a.map(phi);
  return {
    state: { h: z.map((v, i) => v * before.h[i]! + (1 - v) * candidate[i]!), c: before.c },
    gates: [...z, ...r, ...candidate],
    inner,
    gradient: (d) => {
      const slopes: Three = [third(gates, 0).map(sigmaSlope), third(gates, 1).map(sigmaSlope), a.map(phiSlope)];
      const { xw: dxw, hw, before: past } = apart(parts, [z, r, candidate], slopes, inner, before.h, d);
      const columns = { met, d: hw.slice(0, 2 * h), column: 0 };
      const candidates = after ? { met, d: hw.slice(2 * h), column: 2 * h } : { met: inner, d: dxw.slice(2 * h), column: 2 * h };
      return { xw: dxw, before: past, products: [columns, candidates], bias: hw };
    },
  };
};

export const gruCell: RecurrentOp = { op: gruOp, gates: 3, cell, results: ['y', 'h'] };

const gradient: Omit<GradientOp, 'made'> = {
  op: gruDxOp,
  gates: 3,
  given: { gates: 3, inner: 1, hPrev: 1 },
  states: ['h'],
  step(parts, { gates, inner, hPrev }, _cells, d) {
    const three = thirds(gates!);
    const slopes = three.map((v, gate) => v.map(gate === 2 ? parts.slope : parts.recurrentSlope)) as Three;
    const { xw, hw, before } = apart(parts, three, slopes, inner!, hPrev!, d);
    return { made: { dxw: xw, ...(parts.reset === 'after' && { dhw: hw }) }, before };
  },
};

/** With the reset gate after the product, and before it. */
export const gruGradients: Record<'after' | 'before', GradientOp> = {
  after: { ...gradient, made: { dxw: 3, dhw: 3 } },
  before: { ...gradient, made: { dxw: 3 } },
};

const few = (name: string, s: Parameters<typeof small>[2]): OpCase => small(gruCell, name, s);
const many = (name: string, s: Parameters<typeof small>[2]): OpCase => large(gruCell, name, s);
const alone = (name: string, s: Parameters<typeof small>[2]): OpCase => forwardOnly(gruCell, name, s);

/** The reset gate's places, with all that may be given. */
const RESETS = [
  { reset: 'after', given: ['bias', 'h0', 'keep'] },
  { reset: 'before', given: ['h0', 'keep'] },
] as const;

export const cases: OpCase[] = [
  ...CELL_ACTIVATIONS.flatMap((activation) => [
    few(`${activation} of candidates`, {
      b: 2,
      activation,
      given: ['h0'],
      range: activation === 'exponential' ? [-2, 0] : [-4, 7],
    }),
    few(`${activation} of gates`, {
      b: 2,
      recurrentActivation: activation,
      given: ['h0'],
      // Gates far from 0 and 1 make states grow from step to step.
      range: activation === 'exponential' ? [-2, 0] : ['linear', 'elu', 'selu'].includes(activation) ? [-1, 2] : [-4, 3],
    }),
  ]),
  ...RESETS.flatMap(({ reset, given }) => [
    few(`reset ${reset}, one of everything`, { t: 1, h: 1, reset }),
    few(`reset ${reset}, one step from a given state`, { b: 2, t: 1, given, reset }),
    ...DIRECTIONS.flatMap((direction) => [
      few(`reset ${reset}, ${direction}, everything given, masked`, { b: 5, t: 4, h: 2, direction, mask: MASKS, given, reset }),
      few(`reset ${reset}, ${direction}, nothing given`, { b: 2, t: 4, direction, reset }),
    ]),
    few(`reset ${reset}, the last state alone, by the inputs alone`, {
      b: 2,
      results: ['h'],
      by: ['xw'],
      mask: patchyMask(2, 3),
      reset,
    }),
    few(`reset ${reset}, all states alone`, { b: 2, results: ['y'], given: ['h0'], reset }),
    few(`reset ${reset}, by the recurrent kernel alone`, { b: 2, given, by: ['u'], reset }),
    alone(`reset ${reset}, prediction, the last state alone`, {
      b: 3,
      t: 4,
      h: 5,
      results: ['h'],
      given,
      mask: patchyMask(3, 4),
      reset,
    }),
    alone(`reset ${reset}, prediction, all states alone`, { b: 3, t: 4, h: 8, results: ['y'], direction: 'reversed', reset }),
    ...DIRECTIONS.map((direction) =>
      twice(gruCell, `reset ${reset}, ${direction}, everything given, masked`, {
        ...{ b: 3, t: 4, h: 2, direction, mask: MASKS.slice(8) },
        ...{ given, reset },
      }),
    ),
    twice(gruCell, `reset ${reset}, one step`, { b: 2, t: 1, given, reset }),
    twice(gruCell, `reset ${reset}, by the recurrent kernel alone`, { b: 2, h: 2, results: ['y'], by: ['u'], reset }),
    many(`reset ${reset}, three units`, { b: 3, t: 5, h: 3, reset }),
    many(`reset ${reset}, 16 units`, { b: 4, t: 5, h: 16, given: ['h0'], reset }),
    many(`reset ${reset}, 17 units`, { b: 6, t: 4, h: 17, given, direction: 'backward', reset }),
    many(`reset ${reset}, 33 units`, { b: 7, t: 5, h: 33, mask: patchyMask(7, 5), reset }),
    many(`reset ${reset}, 40 units`, { b: 9, t: 4, h: 40, given, mask: patchyMask(9, 4), direction: 'reversed', reset }),
    many(`reset ${reset}, more rows than a block`, { b: 35, t: 3, h: 40, given, mask: patchyMask(35, 3), reset }),
    // Large enough for threads of the CPU to share the rows, and where those are few the units.
    many(`reset ${reset}, rows shared`, { b: 9, t: 3, h: 100, given, mask: patchyMask(9, 3), reset }),
    many(`reset ${reset}, units shared`, { b: 2, t: 3, h: 260, given, mask: patchyMask(2, 3), direction: 'backward', reset }),
    many(`reset ${reset}, a long sequence`, { t: 70, h: 16, given: ['h0'], reset }),
    many(`reset ${reset}, in bfloat16`, { b: 2, h: 3, precision: 'bfloat16', given, mask: [1, 1, 1, 1, 0, 1], reset }),
    many(`reset ${reset}, in tf32`, { b: 2, h: 3, precision: 'tf32', given, mask: [1, 1, 1, 1, 0, 1], reset }),
  ]),
  // As for lstm.
  many('in float32, groups of rows', { b: 21, t: 3, h: 36, given: ['bias', 'h0', 'keep'], mask: patchyMask(21, 3) }),
  many('in bfloat16, groups of rows', { ...twoExactSteps(gruCell, 21, 36), precision: 'bfloat16' }),
  many('in tf32, groups of rows', { ...twoExactSteps(gruCell, 21, 36), precision: 'tf32' }),
  many('by the recurrent bias alone', { b: 2, h: 4, given: ['bias'], by: ['bias'] }),
  // One step from a given state: its products are of given numbers, so no size brings one near a tie.
  alone('in bfloat16, one step of many rows', {
    b: 35,
    t: 1,
    h: 33,
    precision: 'bfloat16',
    exact: true,
    given: ['bias', 'h0', 'keep'],
  }),
];
