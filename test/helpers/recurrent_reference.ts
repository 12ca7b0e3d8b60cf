/**
 * Recurrent cells in float64, step by step from their formulas: the reference of the recurrent layers' cases. Arrays are
 * row-major: x [rows, time, in], kernel [in, gates·units], recurrent [units, gates·units], states [rows, units].
 */
export type CellKind = 'simpleRNN' | 'lstm' | 'gru' | 'gruBefore';

type Function = (v: number) => number;

const sigmoid: Function = (v) => 1 / (1 + Math.exp(-v));

export interface CellNumbers {
  kind: CellKind;
  units: number;
  kernel: readonly number[];
  recurrent: readonly number[];
  /** [gates·units]; of `gru` [2, 3·units]. */
  bias?: readonly number[] | undefined;
  activation?: Function;
  recurrentActivation?: Function;
}

export interface SequenceNumbers {
  rows: number;
  time: number;
  x: readonly number[];
  /** [rows, time]. */
  mask?: readonly number[] | undefined;
  /** Initial states: h, and c of `lstm`. */
  states?: readonly (readonly number[])[];
  /** [rows, units]: what the state is multiplied by before it meets the recurrent kernel. */
  keep?: readonly number[] | undefined;
  /** From the last step to the first; each result stays at its step. */
  backward?: boolean;
}

/** v·m for one vector, m [v.length, n]. */
function times(v: readonly number[], m: readonly number[]): number[] {
  const n = m.length / v.length;
  return Array.from({ length: n }, (_, j) => v.reduce((sum, value, i) => sum + value * m[i * n + j]!, 0));
}

/** One step of one sample: the next states. */
function step(cell: CellNumbers, x: readonly number[], states: readonly number[][], keep: readonly number[]): number[][] {
  const { kind, units, kernel, recurrent, bias, activation = Math.tanh, recurrentActivation: gate = sigmoid } = cell;
  const h = states[0]!;
  const met = h.map((v, i) => v * keep[i]!);
  const width = recurrent.length / units;
  const xb = times(x, kernel).map((v, i) => v + (bias?.[i] ?? 0));
  const hw = times(met, recurrent);
  const part = (v: readonly number[], at: number) => v.slice(at * units, (at + 1) * units);
  const sum = (at: number) => part(xb, at).map((v, i) => v + part(hw, at)[i]!);
  if (kind === 'simpleRNN') return [sum(0).map(activation)];
  if (kind === 'lstm') {
    const [i, f, g, o] = [sum(0).map(gate), sum(1).map(gate), sum(2).map(activation), sum(3).map(gate)] as const;
    const c = states[1]!.map((v, k) => f[k]! * v + i[k]! * g[k]!);
    return [c.map((v, k) => o[k]! * activation(v)), c];
  }
  const own = (at: number) => part(bias && kind === 'gru' ? bias.slice(width) : Array<number>(width).fill(0), at);
  const gated = (at: number) => sum(at).map((v, k) => gate(v + own(at)[k]!));
  const [z, r] = [gated(0), gated(1)];
  const inner =
    kind === 'gru'
      ? part(hw, 2).map((v, k) => r[k]! * (v + own(2)[k]!))
      : part(
          times(
            met.map((v, k) => v * r[k]!),
            recurrent,
          ),
          2,
        );
  const candidate = part(xb, 2).map((v, k) => activation(v + inner[k]!));
  return [h.map((v, k) => z[k]! * v + (1 - z[k]!) * candidate[k]!)];
}

/** All states h [rows, time, units] and the last states [rows, units]. */
export function runCell(cell: CellNumbers, sequence: SequenceNumbers): { y: number[]; states: number[][] } {
  const { rows, time, x, mask, states = [], keep, backward = false } = sequence;
  const { units } = cell;
  const features = x.length / (rows * time);
  const y = Array<number>(rows * time * units);
  const ends: number[][] = cell.kind === 'lstm' ? [[], []] : [[]];
  for (let row = 0; row < rows; row++) {
    const ofRow = (v: readonly number[] | undefined, otherwise: number) =>
      v?.slice(row * units, (row + 1) * units) ?? Array<number>(units).fill(otherwise);
    let now = ends.map((_, i) => ofRow(states[i], 0));
    for (let s = 0; s < time; s++) {
      const t = backward ? time - 1 - s : s;
      const at = row * time + t;
      if (mask?.[at] !== 0) now = step(cell, x.slice(at * features, (at + 1) * features), now, ofRow(keep, 1));
      now[0]!.forEach((v, k) => (y[at * units + k] = v));
    }
    now.forEach((state, i) => ends[i]!.push(...state));
  }
  return { y, states: ends };
}

/** Steps [rows, time, …] in the opposite order. */
export function flipSteps(y: readonly number[], rows: number, time: number): number[] {
  const size = y.length / (rows * time);
  return Array.from({ length: rows * time }, (_, at) => {
    const from = Math.floor(at / time) * time + time - 1 - (at % time);
    return y.slice(from * size, (from + 1) * size);
  }).flat();
}
