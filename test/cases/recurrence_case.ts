/**
 * Cases of the recurrent ops: a cell in float64, run over rows and steps with masks, directions and factors, forward and,
 * written out, backward. A cell's step yields the new state and a function that takes the gradient by it apart.
 *
 * Small cases leave their gradients to the walk's central differences; in larger ones, and in those that round operands (where
 * rounding makes a difference quotient meaningless), the gradients of Σ y·dy + Σ h·dh + Σ c·dc are outputs.
 */
import type { OpDef } from '../../lib/graph/define_op.js';
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import type { Precision } from '../../lib/ops/precision.js';
import type { CellActivation, Direction } from '../../lib/ops/recurrence.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';
import { roundingOf, surely, type Rounding } from './rounded_operand.js';

/** Activations by their argument, and their slopes by their argument. */
export const CELL_FUNCTIONS: Record<CellActivation, readonly [value: (x: number) => number, slope: (x: number) => number]> = {
  linear: [(x) => x, () => 1],
  relu: [(x) => Math.max(0, x), (x) => (x > 0 ? 1 : 0)],
  relu6: [(x) => Math.min(6, Math.max(0, x)), (x) => (x > 0 && x < 6 ? 1 : 0)],
  tanh: [Math.tanh, (x) => 1 - Math.tanh(x) ** 2],
  sigmoid: [(x) => 1 / (1 + Math.exp(-x)), (x) => 1 / (2 + Math.exp(x) + Math.exp(-x))],
  hardSigmoid: [(x) => Math.min(1, Math.max(0, x / 6 + 0.5)), (x) => (Math.abs(x) < 3 ? 1 / 6 : 0)],
  softsign: [(x) => x / (1 + Math.abs(x)), (x) => 1 / (1 + Math.abs(x)) ** 2],
  softplus: [(x) => Math.log1p(Math.exp(x)), (x) => 1 / (1 + Math.exp(-x))],
  elu: [(x) => (x > 0 ? x : Math.expm1(x)), (x) => (x > 0 ? 1 : Math.exp(x))],
  selu: [
    (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * Math.expm1(x)),
    (x) => 1.0507009873554805 * (x > 0 ? 1 : 1.6732632423543772 * Math.exp(x)),
  ],
  exponential: [Math.exp, Math.exp],
};

export type Row = readonly number[];

/** One row's state; c is a cell state that only some cells have. */
export interface State {
  h: Row;
  c: Row;
}

export interface StepGradient {
  xw: Row;
  /** By the state before, through everything. */
  before: State;
  /** The recurrent kernel's gradient, columns from `column` on, is metᵀ·d of each. */
  products: readonly { met: Row; d: Row; column: number }[];
  bias?: Row;
}

export interface CellStep {
  state: State;
  /** What is kept for the gradient beside the states: activated gates, and what a gru calls inner. */
  gates?: Row;
  inner?: Row;
  gradient(d: State): StepGradient;
}

/** What a cell's step is made of: the recurrent kernel, the row's factors and the bias (zeros where absent). */
export interface CellParts {
  h: number;
  kernel: RecurrentKernel;
  keep: Row;
  bias: Row;
  activation: readonly [(x: number) => number, (x: number) => number];
  recurrentActivation: readonly [(x: number) => number, (x: number) => number];
  reset: string;
}

export type Cell = (parts: CellParts, xw: Row, before: State) => CellStep;

/** u [H, columns] and its two products; operands rounded where the precision says so. */
export class RecurrentKernel {
  private readonly u: Row;

  constructor(
    u: Row,
    private readonly h: number,
    private readonly columns: number,
    /** Of the kernel, which is given, and of what is multiplied with it. */
    given: Rounding,
    private readonly round: Rounding,
  ) {
    this.u = u.map(given);
  }

  /** met·u, columns `from` to `to`. */
  times(met: Row, from: number, to: number): number[] {
    const held = met.map(this.round);
    const y = new Array<number>(to - from).fill(0);
    for (let i = 0; i < this.h; i++) for (let n = from; n < to; n++) y[n - from]! += held[i]! * this.u[i * this.columns + n]!;
    return y;
  }

  /** d·uᵀ, d belonging to the columns from `from` on. */
  back(d: Row, from: number): number[] {
    const held = d.map(this.round);
    return Array.from({ length: this.h }, (_, i) =>
      held.reduce((total, v, n) => total + v * this.u[i * this.columns + from + n]!, 0),
    );
  }
}

export const multiplied = (a: Row, b: Row): number[] => a.map((v, i) => v * b[i]!);
export const added = (a: Row, b: Row): number[] => a.map((v, i) => v + b[i]!);

export interface RecurrentOp {
  op: OpDef;
  gates: number;
  cell: Cell;
  /** Results that a loss may depend on. */
  results: readonly string[];
}

export interface Sequence {
  b?: number;
  t?: number;
  h?: number;
  direction?: Direction;
  activation?: CellActivation;
  recurrentActivation?: CellActivation;
  reset?: 'after' | 'before';
  precision?: Precision;
  /** Optional inputs beside the mask: h0, c0, keep, bias. */
  given?: readonly string[];
  /** [B, T]. */
  mask?: readonly number[];
  /** Results compared and differentiated; all by default. */
  results?: readonly string[];
  /** Inputs to differentiate by; all that have a gradient by default. */
  by?: readonly string[];
  /** Ranges of xw and u. */
  range?: readonly [number, number];
  kernelRange?: readonly [number, number];
  /** Numbers of inputs that are not random. */
  data?: Readonly<Record<string, readonly number[]>>;
  /** float32 holds every number that is rounded exactly: any of them may lie on a tie. */
  exact?: boolean;
}

type Full = Sequence & Required<Pick<Sequence, 'b' | 't' | 'h' | 'given' | 'results' | 'by'>>;

function filled(op: RecurrentOp, s: Sequence): Full {
  const given = s.given ?? [];
  const by = ['xw', 'u', ...given.filter((name) => name !== 'keep')];
  return { b: 1, t: 3, h: 3, results: op.results, by, ...s, given };
}

interface Run {
  results: Record<string, number[]>;
  gradients: Record<string, number[]>;
}

/** All results, with what is kept for the gradient; and the gradients by all inputs for upstream gradients dy, dh and dc (zeros where absent). */
export function runSequence({ gates, cell }: RecurrentOp, s: Full, x: Numbers, backend: 'cpu' | 'cuda'): Run {
  const { b, t, h } = s;
  const round = roundingOf(s.precision ?? 'float32', backend);
  const kernel = new RecurrentKernel(x.u!, h, gates * h, round, s.exact ? round : surely(round));
  const zeros = (n: number): number[] => new Array<number>(n).fill(0);
  const row = (name: string, n: number): Row => x[name]?.slice(n * h, (n + 1) * h) ?? zeros(h);
  const put = (to: number[], at: number, from: Row): void => from.forEach((v, i) => (to[at + i] = v));
  const results = {
    y: zeros(b * t * h),
    h: zeros(b * h),
    c: zeros(b * h),
    gates: zeros(b * t * gates * h),
    cells: zeros(b * t * h),
    inner: zeros(b * t * h),
    hPrev: zeros(b * t * h),
  };
  const slopes = {
    xw: zeros(b * t * gates * h),
    u: zeros(h * gates * h),
    bias: zeros(gates * h),
    h0: zeros(b * h),
    c0: zeros(b * h),
  };
  for (let n = 0; n < b; n++) {
    const parts: CellParts = {
      h,
      kernel,
      keep: x.keep ? row('keep', n) : zeros(h).fill(1),
      bias: x.bias ?? zeros(gates * h),
      activation: CELL_FUNCTIONS[s.activation ?? 'tanh'],
      recurrentActivation: CELL_FUNCTIONS[s.recurrentActivation ?? 'sigmoid'],
      reset: s.reset ?? 'after',
    };
    const forward = s.direction === undefined || s.direction === 'forward';
    const order = Array.from({ length: t }, (_, i) => (forward ? i : t - 1 - i));
    // Where in y and dy each step's result lies.
    const place = (i: number): number => (n * t + (s.direction === 'reversed' ? i : order[i]!)) * h;
    let state: State = { h: row('h0', n), c: row('c0', n) };
    const steps = order.map((step, i) => {
      const at = (n * t + step) * gates * h;
      const made = s.mask?.[n * t + step] === 0 ? undefined : cell(parts, x.xw!.slice(at, at + gates * h), state);
      put(results.hPrev, at / gates, state.h);
      put(results.gates, at, made?.gates ?? []);
      put(results.inner, at / gates, made?.inner ?? []);
      if (made) state = made.state;
      put(results.cells, at / gates, state.c);
      put(results.y, place(i), state.h);
      return made;
    });
    put(results.h, n * h, state.h);
    put(results.c, n * h, state.c);

    let d: State = { h: row('dh', n), c: row('dc', n) };
    for (let i = t - 1; i >= 0; i--) {
      if (x.dy) d = { ...d, h: added(d.h, x.dy.slice(place(i), place(i) + h)) };
      const gradient = steps[i]?.gradient(d);
      if (!gradient) continue;
      d = gradient.before;
      put(slopes.xw, (n * t + order[i]!) * gates * h, gradient.xw);
      gradient.bias?.forEach((v, j) => (slopes.bias[j]! += v));
      for (const { met, d: by, column } of gradient.products) {
        for (let r = 0; r < h; r++) by.forEach((v, j) => (slopes.u[r * gates * h + column + j]! += met[r]! * v));
      }
    }
    put(slopes.h0, n * h, d.h);
    put(slopes.c0, n * h, d.c);
  }
  return { results, gradients: slopes };
}

function inputsOf({ gates }: RecurrentOp, s: Full, upstream: boolean): Record<string, CaseInput> {
  const { b, t, h, data = {} } = s;
  const shapes: Record<string, readonly number[]> = { h0: [b, h], c0: [b, h], keep: [b, h], bias: [gates * h], mask: [b, t] };
  const resultShapes: Record<string, readonly number[]> = { y: [b, t, h], h: [b, h], c: [b, h] };
  // What recurrent dropout multiplies by; where operands are rounded a power of two, which rounds as the state does.
  const kept = s.precision ? 2 : 1.25;
  const keep = Array.from({ length: b * h }, (_, i) => ((i * 7) % 5 < 2 ? 0 : kept));
  const one = (name: string, shape: readonly number[], range: readonly [number, number]): [string, CaseInput] => [
    name,
    { shape, range, ...(data[name] && { data: data[name] }) },
  ];
  return Object.fromEntries([
    one('xw', [b, t, gates * h], s.range ?? [-2, 2]),
    one('u', [h, gates * h], s.kernelRange ?? [-1 / Math.sqrt(h), 1 / Math.sqrt(h)]),
    ...s.given.map((name): [string, CaseInput] =>
      name === 'keep' ? ['keep', { shape: shapes.keep!, data: data.keep ?? keep }] : one(name, shapes[name]!, [-1, 1]),
    ),
    ...(s.mask ? [['mask', { shape: shapes.mask!, data: s.mask }] as [string, CaseInput]] : []),
    ...(upstream ? s.results.map((r) => one(`d${r}`, resultShapes[r]!, [-1, 1])) : []),
  ]);
}

function results({ op }: RecurrentOp, s: Full, values: Readonly<Record<string, Value>>): Record<string, Value> {
  const attrs = ['direction', 'activation', 'recurrentActivation', 'reset', 'precision'].flatMap((name) => {
    const value = s[name as keyof Sequence];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  const inputs = Object.fromEntries(Object.keys(op.inputs).map((name) => [name, values[name]]));
  const made = values.xw!.graph.add(op, inputs, Object.fromEntries(attrs)).outputs;
  return Object.fromEntries(s.results.map((name) => [name, made[name]!]));
}

/** Terms summed into one result: a product over all gates, or a gradient over all rows and steps. */
const terms = ({ gates }: RecurrentOp, { b, t, h }: Full): number => Math.max(gates * h, b * t) + t;

/** Sizes at which the walk's central differences are quick. */
export function small(op: RecurrentOp, name: string, sequence: Sequence): OpCase {
  const s = filled(op, sequence);
  return {
    name,
    inputs: inputsOf(op, s, false),
    build: (values) => results(op, s, values),
    reference: (x, backend) => only(runSequence(op, s, x, backend).results, s.results),
    gradients: s.by,
    terms: terms(op, s),
  };
}

/** Results alone: what the gradient would need is not made. */
export function forwardOnly(op: RecurrentOp, name: string, sequence: Sequence): OpCase {
  return { ...small(op, name, sequence), gradients: [] };
}

/** Larger ones, and those that round operands: results, and the gradients by the formula, are outputs. */
export function large(op: RecurrentOp, name: string, sequence: Sequence): OpCase {
  const s = filled(op, sequence);
  return {
    name,
    inputs: inputsOf(op, s, true),
    build: (values) => {
      const made = results(op, s, values);
      const loss = s.results.map((r) => sum(elementwise('mul', made[r]!, values[`d${r}`]!)));
      const slopes = gradients(
        loss.reduce((a, b) => elementwise('add', a, b)),
        s.by.map((input) => values[input]!),
      );
      return { ...made, ...Object.fromEntries(s.by.map((input, i) => [`by ${input}`, slopes[i]!])) };
    },
    reference: (x, backend) => {
      const run = runSequence(op, s, x, backend);
      const slopes = Object.entries(only(run.gradients, s.by)).map(([input, v]) => [`by ${input}`, v]);
      return { ...only(run.results, s.results), ...Object.fromEntries(slopes) };
    },
    gradients: [],
    terms: terms(op, s),
  };
}

/** The gradients of `large` are differentiated in turn: by the inputs, and by the gradients that arrive by the results. */
export function twice(op: RecurrentOp, name: string, sequence: Sequence): OpCase {
  const s = filled(op, sequence);
  const made = large(op, `differentiated twice: ${name}`, sequence);
  return { ...made, gradients: [...s.by, ...s.results.map((r) => `d${r}`)], terms: 16 * terms(op, s) };
}

function only(numbers: Record<string, number[]>, names: readonly string[]): Record<string, number[]> {
  return Object.fromEntries(names.map((name) => [name, numbers[name]!]));
}

/** Masks of five rows and four steps: padded behind, in front, in the middle; a row of nothing, and one of everything. */
export const MASKS = [1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1] as const;

/** Every third step masked, in a pattern that differs from row to row. */
export function patchyMask(b: number, t: number): number[] {
  return Array.from({ length: b * t }, (_, i) => ((Math.floor(i / t) * 5 + (i % t) * 7) % 3 === 0 ? 0 : 1));
}

/**
 * Two steps of a linear cell, every number a few bits long: what is rounded, the state after the first step and the gradients of
 * the second, float32 holds exactly. For sizes at which other numbers would lie too near a tie.
 */
export function twoExactSteps({ gates }: RecurrentOp, b: number, h: number): Sequence {
  const t = 2;
  return {
    b,
    t,
    h,
    exact: true,
    activation: 'linear',
    recurrentActivation: 'linear',
    data: {
      xw: wholes(b * t * gates * h, 0.25, 1),
      u: wholes(h * gates * h, 1 / 16, 2),
      dy: wholes(b * t * h, 0.5, 4),
      dh: wholes(b * h, 0.25, 5),
      dc: wholes(b * h, 0.25, 6),
    },
  };
}

/** Numbers that float32 and its sums hold exactly: multiples of `unit` up to three of them. */
export function wholes(count: number, unit: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => (((((i + seed) * 2654435761) >>> 8) % 7) - 3) * unit);
}
