/**
 * Stacks of dense layers, which CUDA makes in one launch each way where they are narrow: every activation in every layer, with
 * and without bias and gradients, size 1, widths of 128, 1024 inputs, rows that divide into tiles and rows that do not.
 * Small cases leave their gradients to central differences; the others yield them, and compare with backpropagation in float64.
 */
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { matmul, matmulOp } from '../../lib/ops/matmul.js';
import type { MlpActivation } from '../../lib/ops/mlp.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { random } from '../helpers/op_run.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';
import { roundingOf, type Rounded } from './rounded_operand.js';

interface Stack {
  rows: number;
  /** Inputs, then the units of each layer. */
  widths: readonly number[];
  activations: readonly MlpActivation[];
  /** Layers that have no bias, from 0. */
  noBias?: readonly number[];
}

const FORMULAS: Record<MlpActivation, { value: (z: number) => number; slope: (y: number) => number }> = {
  linear: { value: (z) => z, slope: () => 1 },
  relu: { value: (z) => Math.max(0, z), slope: (y) => (y > 0 ? 1 : 0) },
  tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
  sigmoid: { value: (z) => 1 / (1 + Math.exp(-z)), slope: (y) => y * (1 - y) },
};

const layersOf = ({ activations }: Stack): number[] => activations.map((_, l) => l);
const hasBias = ({ noBias = [] }: Stack, l: number): boolean => !noBias.includes(l);

function title({ rows, widths, activations, noBias = [] }: Stack): string {
  const without = noBias.length > 0 ? `, no bias in ${noBias.map((l) => l + 1).join(', ')}` : '';
  return `${rows} rows, ${widths.join('-')}, ${activations.join(', ')}${without}`;
}

function inputsOf(s: Stack): Record<string, CaseInput> {
  // Sums stay within a few units, whatever they are taken over.
  const reach = (l: number): readonly [number, number] => [-2 / Math.sqrt(s.widths[l]!), 2 / Math.sqrt(s.widths[l]!)];
  const layers = layersOf(s).flatMap((l): [string, CaseInput][] => [
    [`w${l + 1}`, { shape: [s.widths[l]!, s.widths[l + 1]!], range: reach(l) }],
    ...(hasBias(s, l) ? [[`bias${l + 1}`, { shape: [s.widths[l + 1]!] }] as [string, CaseInput]] : []),
  ]);
  return { x: { shape: [s.rows, s.widths[0]!] }, ...Object.fromEntries(layers) };
}

/** The stack as layers describe it. */
function describeStack(s: Stack, v: Record<string, Value>, product = matmul): Value {
  return layersOf(s).reduce((y, l) => {
    const z = product(y, v[`w${l + 1}`]!, false, false, v[`bias${l + 1}`]);
    const activation = s.activations[l]!;
    return activation === 'linear' ? z : elementwise(activation, z);
  }, v.x!);
}

/** [rows, n] by [n, m] in float64, both rounded first. */
function multiply(a: readonly number[], b: readonly number[], n: number, m: number, round: (v: number) => number): number[] {
  const rows = a.length / n;
  const [left, right] = [a.map(round), b.map(round)];
  const y = new Array<number>(rows * m).fill(0);
  for (let r = 0; r < rows; r++)
    for (let k = 0; k < n; k++) for (let c = 0; c < m; c++) y[r * m + c]! += left[r * n + k]! * right[k * m + c]!;
  return y;
}

function transposed(a: readonly number[], columns: number): number[] {
  const rows = a.length / columns;
  return Array.from({ length: a.length }, (_, i) => a[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** The values of all layers, x first. */
function valuesOf(s: Stack, x: Numbers, round: (v: number) => number): number[][] {
  const ys = [[...x.x!]];
  for (const l of layersOf(s)) {
    const m = s.widths[l + 1]!;
    const z = multiply(ys[l]!, x[`w${l + 1}`]!, s.widths[l]!, m, round);
    ys.push(z.map((v, i) => FORMULAS[s.activations[l]!].value(v + (x[`bias${l + 1}`]?.[i % m] ?? 0))));
  }
  return ys;
}

/** Backpropagation of dy, the gradient by the last value: the gradients by every input. */
function backpropagate(s: Stack, x: Numbers, round: (v: number) => number = (v) => v): Numbers {
  const ys = valuesOf(s, x, round);
  const found: Record<string, number[]> = { y: ys.at(-1)! };
  let dy: readonly number[] = x.dy!;
  for (const l of layersOf(s).reverse()) {
    const [n, m] = [s.widths[l]!, s.widths[l + 1]!];
    const dz = dy.map((g, i) => g * FORMULAS[s.activations[l]!].slope(ys[l + 1]![i]!));
    found[`dw${l + 1}`] = multiply(transposed(ys[l]!, n), dz, s.rows, m, round);
    const columns = Array.from({ length: m }, (_, c) => dz.filter((_, i) => i % m === c).reduce((a, b) => a + b, 0));
    if (hasBias(s, l)) found[`dbias${l + 1}`] = columns;
    dy = multiply(dz, transposed(x[`w${l + 1}`]!, m), m, n, round);
  }
  return { ...found, dx: dy };
}

const termsOf = ({ rows, widths }: Stack): number => widths.reduce((a, b) => a + b, rows);

/** Gradients are compared with central differences. */
function small(s: Stack): OpCase {
  return {
    name: title(s),
    inputs: inputsOf(s),
    build: (v) => ({ y: describeStack(s, v) }),
    reference: (x) => ({ y: valuesOf(s, x, (v) => v).at(-1)! }),
    terms: termsOf(s),
  };
}

/** Gradients by all inputs but those of `frozen` are outputs. */
export function large(s: Stack, frozen: readonly string[] = []): OpCase {
  const inputs = inputsOf(s);
  const wanted = Object.keys(inputs).filter((name) => !frozen.includes(name));
  return {
    name: `${title(s)}${frozen.length > 0 ? `, no gradient by ${frozen.join(', ')}` : ''}`,
    inputs: { ...inputs, dy: { shape: [s.rows, s.widths.at(-1)!] } },
    build(v) {
      const y = describeStack(s, v);
      const found = gradients(
        sum(elementwise('mul', y, v.dy!)),
        wanted.map((name) => v[name]!),
      );
      return { y, ...Object.fromEntries(wanted.map((name, i) => [`d${name}`, found[i]!])) };
    },
    reference(x) {
      const found = backpropagate(s, x);
      return Object.fromEntries(Object.entries(found).filter(([name]) => !frozen.includes(name.slice(1))));
    },
    gradients: [],
    terms: termsOf(s),
  };
}

/** Whole numbers in [−most, most]. */
function whole(seed: number, size: number, most: number): number[] {
  const next = random(seed);
  return Array.from({ length: size }, () => Math.floor(next() * (2 * most + 1)) - most);
}

/**
 * Two layers with rounded operands, back and forth. All numbers are whole and all sums exact in float32, so that they round
 * alike everywhere; `reach` says which are so large that rounding changes them: those up to 300 need nine bits, to 3000 twelve.
 */
function rounded(precision: Rounded, reach: { x: number; w1: number; w2: number; dy: number }): OpCase {
  const s: Stack = { rows: 5, widths: [9, 6, 5], activations: ['relu', 'linear'] };
  const inputs = { ...inputsOf(s), dy: { shape: [s.rows, 5] } };
  const given = Object.entries(inputs).map(([name, { shape }], i) => {
    const most = (reach as Record<string, number>)[name] ?? 40;
    return [name, { shape, data: whole(i + 1, shape[0]! * (shape[1] ?? 1), most) }] as const;
  });
  const product = (a: Value, b: Value, ta = false, tb = false, bias?: Value): Value => {
    const attrs = { transposeA: ta ? 'yes' : 'no', transposeB: tb ? 'yes' : 'no', precision };
    return a.graph.add(matmulOp, { a, b, bias }, attrs).outputs.y!;
  };
  return {
    name: `${precision}, ${Object.entries(reach)
      .map(([name, most]) => `${name} up to ${most}`)
      .join(', ')}`,
    inputs: Object.fromEntries(given),
    build(v) {
      const { x, w1, w2, dy } = v as Record<'x' | 'w1' | 'w2' | 'dy', Value>;
      const hidden = elementwise('relu', product(x, w1, false, false, v.bias1));
      const y = product(hidden, w2, false, false, v.bias2);
      // As the gradients of matmul and relu are built, which would be float32 here.
      const dw2 = product(hidden, dy, true);
      const dz = elementwise('mul', product(dy, w2, false, true), elementwise('step', hidden));
      return {
        y,
        dw2,
        dbias2: sum(dy, [0]),
        dw1: product(x, dz, true),
        dbias1: sum(dz, [0]),
        dx: product(dz, w1, false, true),
      };
    },
    reference: (x, backend) => backpropagate(s, x, roundingOf(precision, backend)),
    gradients: [],
    terms: termsOf(s),
  };
}

const KINDS: readonly MlpActivation[] = ['linear', 'relu', 'tanh', 'sigmoid'];
const turned = (by: number): MlpActivation[] => KINDS.map((_, l) => KINDS[(l + by) % KINDS.length]!);

export const cases: OpCase[] = [
  small({ rows: 1, widths: [1, 1, 1], activations: ['tanh', 'linear'] }),
  small({ rows: 5, widths: [7, 3, 2], activations: ['relu', 'linear'] }),
  ...KINDS.map((_, i) => small({ rows: 3, widths: [3, 5, 4, 2, 3], activations: turned(i) })),
  small({ rows: 2, widths: [4, 3, 3, 2], activations: ['sigmoid', 'tanh', 'linear'], noBias: [0, 1, 2] }),
  large({ rows: 6, widths: [33, 9, 65, 5, 17], activations: turned(1), noBias: [0, 1, 2, 3] }),
  large({ rows: 33, widths: [128, 128, 127, 128], activations: ['relu', 'sigmoid', 'tanh'] }),
  large({ rows: 64, widths: [128, 128, 128], activations: ['relu', 'relu'] }),
  large({ rows: 9, widths: [1024, 97, 10], activations: ['relu', 'linear'] }),
  large({ rows: 1, widths: [130, 64, 1], activations: ['tanh', 'sigmoid'] }),
  large({ rows: 40, widths: [785, 1, 128], activations: ['sigmoid', 'linear'], noBias: [1] }, ['x']),
  large({ rows: 8, widths: [20, 6, 5, 4, 3], activations: turned(2) }, ['x', 'w1', 'bias1']),
  large({ rows: 8, widths: [20, 6, 5, 4, 3], activations: turned(3) }, ['w2', 'w3', 'w4', 'bias3']),
  large({ rows: 8, widths: [20, 6, 5, 4], activations: ['tanh', 'relu', 'linear'] }, ['x', 'w1', 'w2']),
  { ...small({ rows: 7, widths: [11, 8, 128, 6, 2], activations: turned(1) }), name: 'forward only', gradients: [] },
  rounded('bfloat16', { x: 300, w1: 1, w2: 300, dy: 3 }),
  rounded('bfloat16', { x: 3, w1: 300, w2: 3, dy: 300 }),
  rounded('tf32', { x: 3000, w1: 1, w2: 300, dy: 3 }),
  rounded('tf32', { x: 3, w1: 300, w2: 3, dy: 3000 }),
];
