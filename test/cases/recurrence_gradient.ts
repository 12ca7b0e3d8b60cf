/**
 * Cases of the recurrent ops' gradients alone, as kernels of their own: what the forward pass kept for them is given (so that it
 * may be stored in bfloat16, and rounded), and slopes follow from values. In float64, from the last step that was made to the first.
 */
import type { OpDef } from '../../lib/graph/define_op.js';
import type { Value } from '../../lib/graph/graph.js';
import type { CellActivation } from '../../lib/ops/recurrence.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';
import { CELL_FUNCTIONS, RecurrentKernel, type CellParts, type Row, type Sequence, type State } from './recurrence_case.js';
import { roundingOf, surely } from './rounded_operand.js';

/** Slopes by value. */
const SLOPES: Partial<Record<CellActivation, (y: number) => number>> = {
  linear: () => 1,
  tanh: (y) => 1 - y * y,
  sigmoid: (y) => y * (1 - y),
};

export interface GradientParts extends CellParts {
  slope: (y: number) => number;
  recurrentSlope: (y: number) => number;
}

export interface GradientOp {
  op: OpDef;
  /** Gates of the recurrent kernel. */
  gates: number;
  /** Arrays over time that are given beside dy, and the results that are such arrays, each with its gates. */
  given: Readonly<Record<string, number>>;
  made: Readonly<Record<string, number>>;
  /** States that have a gradient. */
  states: readonly ('h' | 'c')[];
  /** One row's step, from the arrays that are given and the cell state before it; makes its part of the results. */
  step(
    parts: GradientParts,
    given: Readonly<Record<string, Row>>,
    cellsBefore: Row,
    d: State,
  ): { made: Readonly<Record<string, Row>>; before: State };
}

type Sizes = Sequence & { b: number; t: number; h: number };

function runGradient(g: GradientOp, s: Sizes, x: Numbers, backend: 'cpu' | 'cuda'): Record<string, number[]> {
  const { b, t, h } = s;
  const round = roundingOf(s.precision ?? 'float32', backend);
  const kernel = new RecurrentKernel(x.u!, h, g.gates * h, round, s.exact ? round : surely(round));
  const zeros = (n: number): number[] => new Array<number>(n).fill(0);
  const row = (name: string, n: number): Row => x[name]?.slice(n * h, (n + 1) * h) ?? zeros(h);
  const [activation, recurrent] = [s.activation ?? 'tanh', s.recurrentActivation ?? 'sigmoid'];
  const results: Record<string, number[]> = { dh0: zeros(b * h), dc0: zeros(b * h) };
  for (const [name, gates] of Object.entries(g.made)) results[name] = zeros(b * t * gates * h);
  for (let n = 0; n < b; n++) {
    const parts: GradientParts = {
      h,
      kernel,
      keep: x.keep ? row('keep', n) : zeros(h).fill(1),
      bias: zeros(g.gates * h),
      activation: CELL_FUNCTIONS[activation],
      recurrentActivation: CELL_FUNCTIONS[recurrent],
      reset: s.reset ?? 'after',
      slope: SLOPES[activation]!,
      recurrentSlope: SLOPES[recurrent]!,
    };
    const forward = s.direction === undefined || s.direction === 'forward';
    const stepOf = (i: number): number => n * t + (forward ? i : t - 1 - i);
    // y and dy lie where results do.
    const placeOf = (i: number): number => (s.direction === 'reversed' ? n * t + i : stepOf(i));
    const at = (name: string, gates: number, i: number): Row => {
      const place = (name === 'y' || name === 'dy' ? placeOf(i) : stepOf(i)) * gates * h;
      return x[name]!.slice(place, place + gates * h);
    };
    let d: State = { h: row('dh', n), c: row('dc', n) };
    for (let i = t - 1; i >= 0; i--) {
      d = { ...d, h: d.h.map((v, j) => v + at('dy', 1, i)[j]!) };
      if (s.mask?.[stepOf(i)] === 0) continue;
      const given = Object.fromEntries(Object.entries(g.given).map(([name, gates]) => [name, at(name, gates, i)]));
      const cellsBefore = i === 0 ? row('c0', n) : 'cells' in g.given ? at('cells', 1, i - 1) : [];
      const { made, before } = g.step(parts, given, cellsBefore, d);
      for (const [name, values] of Object.entries(made)) {
        values.forEach((v, j) => (results[name]![stepOf(i) * values.length + j] = v));
      }
      d = before;
    }
    d.h.forEach((v, j) => (results.dh0![n * h + j] = v));
    d.c.forEach((v, j) => (results.dc0![n * h + j] = v));
  }
  return results;
}

/** `s.given`: h0, c0, keep. Arrays over time hold numbers between 0 and 1 where none are given. */
export function gradientAlone(g: GradientOp, name: string, s: Sizes): OpCase {
  const { b, t, h, given = [], data = {} } = s;
  const one = (input: string, shape: readonly number[], range: readonly [number, number]): [string, CaseInput] => [
    input,
    { shape, range, ...(data[input] && { data: data[input] }) },
  ];
  const keep = Array.from({ length: b * h }, (_, i) => ((i * 7) % 5 < 2 ? 0 : 2));
  const made = [
    ...Object.keys(g.made),
    ...g.states
      .map((state) => `${state}0`)
      .filter((i) => given.includes(i))
      .map((i) => `d${i}`),
  ];
  return {
    name,
    inputs: Object.fromEntries([
      one('u', [h, g.gates * h], [-1 / Math.sqrt(h), 1 / Math.sqrt(h)]),
      ...Object.entries(g.given).map(([input, gates]) => one(input, [b, t, gates * h], [0.05, 0.95])),
      ...given.filter((i) => i !== 'keep').map((i) => one(i, [b, h], [-1, 1])),
      ...(given.includes('keep') ? [['keep', { shape: [b, h], data: keep }] as [string, CaseInput]] : []),
      ...(s.mask ? [['mask', { shape: [b, t], data: s.mask }] as [string, CaseInput]] : []),
      one('dy', [b, t, h], [-1, 1]),
      ...g.states.map((state) => one(`d${state}`, [b, h], [-1, 1])),
    ]),
    build(values: Record<string, Value>) {
      const attrs = ['direction', 'activation', 'recurrentActivation', 'reset', 'precision'].flatMap((attr) => {
        const value = s[attr as keyof Sequence];
        return typeof value === 'string' ? [[attr, value] as const] : [];
      });
      const inputs = Object.fromEntries(Object.keys(g.op.inputs).map((input) => [input, values[input]]));
      const { outputs } = values.u!.graph.add(g.op, inputs, Object.fromEntries(attrs));
      return Object.fromEntries(made.map((output) => [output, outputs[output]!]));
    },
    reference(x, backend) {
      const results = runGradient(g, s, x, backend);
      return Object.fromEntries(made.map((output) => [output, results[output]!]));
    },
    gradients: [],
    terms: g.gates * h + t,
  };
}
