/**
 * Dense layers with relu or gelu and the way back to them from the layer above, which CUDA makes of two ops that hand each other
 * what the activation's slope follows from: h = activation(x·w1 + bias), dz = (dy·w2ᵀ) times the slope, and dz's column sums;
 * and the gradients by a layer's weights and bias.
 * Every number of columns around a word and a row of bits, sums that are exactly 0, with and without bias; what is left to maps.
 */
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { elementwise } from '../../lib/ops/map.js';
import { matmul, matmulOp } from '../../lib/ops/matmul.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { random } from '../helpers/op_run.js';
import { EXACT } from './map.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';
import { roundingOf, type Rounded } from './rounded_operand.js';

type Activation = 'relu' | 'gelu';

interface Layer {
  rows: number;
  inputs: number;
  columns: number;
  outputs: number;
  activation: Activation;
  bias?: boolean;
  precision?: 'float32' | Rounded;
  /** All numbers are whole, from −most to most, so that products are exact and some sums exactly 0. */
  most?: number;
}

const SLOPES = { relu: 'step', gelu: 'geluSlope' } as const;

function inputsOf({ rows, inputs, columns, outputs, bias = true, most }: Layer): Record<string, CaseInput> {
  const shapes: Record<string, number[]> = {
    x: [rows, inputs],
    w1: [inputs, columns],
    ...(bias && { bias: [columns] }),
    dy: [rows, outputs],
    w2: [columns, outputs],
  };
  const whole = (shape: readonly number[], seed: number): number[] => {
    const next = random(seed);
    return Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => Math.floor(next() * (2 * most! + 1)) - most!);
  };
  return Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => [name, most ? { shape, data: whole(shape, i + 1) } : { shape }]),
  );
}

/** [m, k] by [k, n] or, with `transposed`, by the transpose of [n, k], in float64. */
function product(a: readonly number[], b: readonly number[], k: number, n: number, transposed = false): number[] {
  const y = new Array<number>((a.length / k) * n).fill(0);
  for (let i = 0; i < a.length / k; i++)
    for (let j = 0; j < n; j++)
      for (let l = 0; l < k; l++) y[i * n + j]! += a[i * k + l]! * b[transposed ? j * k + l : l * n + j]!;
  return y;
}

function valuesOf({ inputs, columns, outputs, activation, precision = 'float32' }: Layer, x: Numbers, backend: 'cpu' | 'cuda') {
  const round = precision === 'float32' ? (v: number) => v : roundingOf(precision, backend);
  const [left, w1, dy, w2] = [x.x!, x.w1!, x.dy!, x.w2!].map((v) => v.map(round)) as [number[], number[], number[], number[]];
  const z = product(left, w1, inputs, columns).map((v, i) => v + (x.bias?.[i % columns] ?? 0));
  const dz = product(dy, w2, outputs, columns, true).map((v, i) => v * EXACT[SLOPES[activation]](z[i]!, 0, 0));
  const sums = Array.from({ length: columns }, (_, j) => dz.reduce((total, v, i) => (i % columns === j ? total + v : total), 0));
  const h = z.map((v) => (activation === 'relu' ? -1 : 1) * EXACT[activation](v, 0, 0));
  return { z, h, dz, sums };
}

interface Build {
  /** Outputs besides h: what goes back, the sums before the activation, or none. */
  wanted?: readonly ('dz' | 'sums' | 'z')[];
  /** Said behind the name. */
  note?: string;
}

function layer(l: Layer, { wanted = ['dz', 'sums'], note = '' }: Build = {}): OpCase {
  const { rows, inputs, columns, outputs, activation, bias = true, precision = 'float32', most } = l;
  const numbers = most ? `, whole numbers to ${most}` : '';
  const outs = (all: Record<string, unknown>) => Object.fromEntries(['h', ...wanted].map((name) => [name, all[name]]));
  return {
    name: `[${rows}, ${inputs}-${columns}-${outputs}] ${activation}${bias ? ', bias' : ''} in ${precision}${numbers}${note}`,
    inputs: inputsOf(l),
    build(v) {
      const times = (a: Value, b: Value, transposeB: 'no' | 'yes', added?: Value): Value =>
        a.graph.add(matmulOp, { a, b, bias: added }, { transposeB, precision }).outputs.y!;
      const z = times(v.x!, v.w1!, 'no', v.bias);
      const h = elementwise(activation, z);
      // As the gradients of matmul and of the activation are built.
      const dz = elementwise('mul', times(v.dy!, v.w2!, 'yes'), elementwise(SLOPES[activation], activation === 'relu' ? h : z));
      // Bits are left for a value of the step's own, not for one that stays.
      const shown = activation === 'relu' ? elementwise('neg', h) : h;
      return outs({ z, h: shown, dz, sums: sum(dz, [0]) }) as Record<string, Value>;
    },
    reference: (x, backend) => outs(valuesOf(l, x, backend)) as Numbers,
    gradients: [],
    terms: inputs + outputs + rows,
    ...(most && { largest: most }),
  };
}

/** Two layers; gradients are compared with central differences. */
function trained(rows: number, widths: readonly [number, number, number], activation: Activation): OpCase {
  const [inputs, columns, outputs] = widths;
  return {
    name: `${rows} rows, ${widths.join('-')}, ${activation}, trained`,
    inputs: {
      x: { shape: [rows, inputs] },
      w1: { shape: [inputs, columns] },
      b1: { shape: [columns] },
      w2: { shape: [columns, outputs] },
      b2: { shape: [outputs] },
    },
    build: ({ x, w1, b1, w2, b2 }) => ({
      y: matmul(elementwise(activation, matmul(x!, w1!, false, false, b1)), w2!, false, false, b2),
    }),
    reference: (v) => {
      const h = product(v.x!, v.w1!, inputs, columns).map((z, i) => EXACT[activation](z + v.b1![i % columns]!, 0, 0));
      return { y: product(h, v.w2!, columns, outputs).map((z, i) => z + v.b2![i % outputs]!) };
    },
    terms: inputs + columns + rows,
  };
}

/** The gradients by a layer whose result two others read. */
const shared: OpCase = {
  name: 'relu whose result two layers read',
  inputs: { x: { shape: [70, 3] }, w: { shape: [3, 9] }, u: { shape: [9, 2] }, v: { shape: [9, 4] } },
  build({ x, w, u, v }) {
    const h = elementwise('relu', matmul(x!, w!));
    const loss = elementwise('add', sum(matmul(h, u!)), sum(matmul(h, v!)));
    return { dw: gradients(loss, [w!])[0]! };
  },
  reference({ x, w, u, v }) {
    const slopes = product(x!, w!, 3, 9).map((z) => (z > 0 ? 1 : 0));
    const back = Array.from({ length: 9 }, (_, j) => u!.slice(2 * j, 2 * j + 2).concat(v!.slice(4 * j, 4 * j + 4)));
    const dh = slopes.map((slope, i) => slope * back[i % 9]!.reduce((a, b) => a + b, 0));
    return {
      dw: Array.from({ length: 27 }, (_, at) =>
        dh.reduce((t, g, i) => (i % 9 === at % 9 ? t + g * x![Math.floor(i / 9) * 3 + Math.floor(at / 9)]! : t), 0),
      ),
    };
  },
  gradients: [],
  terms: 80,
};

/** The gradients by a layer's weights and bias. */
function byWeights(
  rows: number,
  inputs: number,
  columns: number,
  precision: 'float32' | Rounded = 'float32',
  most?: number,
): OpCase {
  const all = inputsOf({ rows, inputs, columns: 1, outputs: columns, activation: 'relu', most });
  return {
    name: `gradients of [${inputs}, ${columns}] and a bias by ${rows} rows in ${precision}${most ? `, whole numbers to ${most}` : ''}`,
    inputs: { x: all.x!, dy: all.dy! },
    build: ({ x, dy }) => ({
      dw: x!.graph.add(matmulOp, { a: x, b: dy }, { transposeA: 'yes', precision }).outputs.y!,
      db: sum(dy!, [0]),
    }),
    reference({ x, dy }, backend) {
      const round = precision === 'float32' ? (v: number) => v : roundingOf(precision, backend);
      const turned = Array.from({ length: inputs * rows }, (_, i) => round(x![(i % rows) * inputs + Math.floor(i / rows)]!));
      // The bias's are no product: nothing is rounded.
      const db = Array.from({ length: columns }, (_, j) => dy!.reduce((t, v, i) => (i % columns === j ? t + v : t), 0));
      return { dw: product(turned, dy!.map(round), rows, columns), db };
    },
    gradients: [],
    terms: rows,
    ...(most && { largest: most }),
  };
}

const sized = (rows: number, inputs: number, columns: number, outputs: number, activation: Activation) => ({
  rows,
  inputs,
  columns,
  outputs,
  activation,
});

type Names = readonly (readonly string[])[];

/** Some of its numbers stored in bfloat16; what relu yields is not among them (test/stored_products.spec.ts). */
function stored(test: OpCase, narrow: Names, narrowOnCuda: Names = []): OpCase {
  return { ...test, name: `${test.name}, stored in bfloat16`, narrow, narrowOnCuda };
}

const OPERANDS = [['x'], ['w1', 'dy'], ['x', 'w1', 'dy', 'w2']];
const RESULTS = [['dz'], ['dy', 'w2', 'dz'], ['x', 'w1', 'dy', 'w2', 'dz']];
const FORWARD = [['h'], ['x', 'w1', 'h'], ['w1', 'h']];
/** A matmul's bias is float32. */
const BIASES = [['bias'], ['x', 'bias']];
const BIASES_FORWARD = [...BIASES, ['bias', 'h'], ['x', 'w1', 'bias', 'h']];

export const cases: OpCase[] = [
  ...[1, 31, 32, 33, 128, 130, 300].map((columns) => layer(sized(3, 4, columns, 2, 'relu'))),
  ...[8, 24, 136].map((columns) => layer(sized(3, 4, columns, 2, 'gelu'))),
  ...(['relu', 'gelu'] as const).flatMap((activation) => [
    layer(sized(1, 1, 8, 1, activation)),
    // Several slices of rows; half of relu's sums are 0 or less, many of them 0.
    layer({ ...sized(300, 5, 40, 3, activation), most: 2 }),
    layer({ ...sized(70, 3, 16, 4, activation), bias: false }),
    layer({ ...sized(6, 9, 16, 7, activation) }, { wanted: ['dz'], note: ', no sums' }),
    layer({ ...sized(6, 9, 40, 7, activation), precision: 'bfloat16', most: 300 }),
    layer({ ...sized(6, 9, 40, 7, activation), precision: 'tf32', most: 3000 }),
  ]),
  // What is left in a prediction: nothing.
  layer(sized(5, 7, 11, 1, 'gelu'), { wanted: [], note: ', forward only' }),
  layer({ ...sized(5, 7, 12, 1, 'gelu'), bias: false }, { wanted: [], note: ', forward only' }),
  layer(sized(5, 7, 16, 1, 'gelu'), { wanted: ['z', 'dz', 'sums'], note: ', whose sums are read' }),
  // Columns that the library does not want, with maps.
  layer(sized(5, 7, 11, 3, 'gelu')),
  layer(sized(5, 7, 1, 3, 'gelu')),
  trained(5, [4, 8, 3], 'gelu'),
  trained(5, [4, 7, 3], 'gelu'),
  trained(70, [2, 5, 2], 'relu'),
  trained(2, [2, 130, 2], 'relu'),
  shared,
  byWeights(1, 1, 1),
  byWeights(7, 5, 3),
  byWeights(300, 9, 33),
  byWeights(9, 4, 5, 'bfloat16', 300),
  byWeights(9, 4, 5, 'tf32', 3000),
  // Of columns that are packed by four and of others; several slices of rows.
  stored(layer({ ...sized(6, 9, 40, 7, 'relu'), precision: 'bfloat16' }), [...OPERANDS, ...RESULTS], BIASES),
  stored(layer({ ...sized(300, 5, 33, 6, 'relu'), precision: 'bfloat16' }), RESULTS, BIASES),
  stored(layer({ ...sized(6, 9, 16, 7, 'relu'), precision: 'bfloat16' }, { wanted: ['dz'], note: ', no sums' }), RESULTS),
  // On the CPU the sums would be of dz as it is stored.
  stored(
    layer({ ...sized(300, 9, 40, 7, 'gelu'), precision: 'bfloat16' }),
    [...OPERANDS, ...FORWARD],
    [...RESULTS, ...BIASES_FORWARD],
  ),
  stored(layer({ ...sized(6, 9, 16, 7, 'gelu'), precision: 'bfloat16' }, { wanted: ['dz'], note: ', no sums' }), RESULTS),
  ...[true, false].flatMap((bias) =>
    [11, 12].map((columns) =>
      stored(
        layer({ ...sized(5, 7, columns, 1, 'gelu'), bias, precision: 'bfloat16' }, { wanted: [], note: ', forward only' }),
        FORWARD,
        bias ? BIASES_FORWARD : [],
      ),
    ),
  ),
  stored(byWeights(9, 4, 5, 'bfloat16'), [['x'], ['dy'], ['x', 'dy']]),
  stored(byWeights(300, 8, 36, 'bfloat16'), [['dy'], ['x', 'dy']]),
];
