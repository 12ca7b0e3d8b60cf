/**
 * map: every scalar function, broadcasting, integer inputs, numbers stored in bfloat16, fusion into
 * several outputs. Row reductions: map_row_sums.ts.
 */
import type { Value } from '../../lib/graph/graph.js';
import { broadcastShapes } from '../../lib/graph/shape.js';
import { broadcastTo, constant, elementwise, IMMEDIATE, map, REGISTER } from '../../lib/ops/map.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import { ARITIES, SCALAR_NAMES, type ScalarName } from '../../lib/ops/scalar_table.js';
import { indices, type CaseInput, type OpCase } from './op_case.js';

/** The scalar functions in float64, written from their definitions. */
export const EXACT: Record<ScalarName, (a: number, b: number, c: number) => number> = {
  identity: (a) => a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  abs: Math.abs,
  sign: Math.sign,
  square: (a) => a * a,
  sqrt: Math.sqrt,
  exp: Math.exp,
  log: Math.log,
  pow: Math.pow,
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  relu: (a) => Math.max(a, 0),
  step: (a) => (a > 0 ? 1 : 0),
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  tanh: Math.tanh,
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
  floor: Math.floor,
  equal: (a, b) => Number(a === b),
  notEqual: (a, b) => Number(a !== b),
  less: (a, b) => Number(a < b),
  lessEqual: (a, b) => Number(a <= b),
  greater: (a, b) => Number(a > b),
  greaterEqual: (a, b) => Number(a >= b),
  where: (c, a, b) => (c !== 0 ? a : b),
  expm1: Math.expm1,
  log1p: Math.log1p,
  erf,
  sin: Math.sin,
  cos: Math.cos,
  gelu: (a) => 0.5 * a * (1 + Math.tanh(bend(a))),
  // By 2cosh² u = 1 + cosh 2u; beyond ±20 it is 0 or 1 to more digits than a number has.
  geluSlope(a) {
    if (Math.abs(a) > 20) return a > 0 ? 1 : 0;
    const steep = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * a * a);
    return 0.5 * (1 + Math.tanh(bend(a))) + (a * steep) / (1 + Math.cosh(2 * bend(a)));
  },
};

function bend(a: number): number {
  return Math.sqrt(2 / Math.PI) * (a + 0.044715 * a ** 3);
}

/**
 * The error function: near 0 its power series, 2/√π Σ (−1)^n a^(2n+1) / (n! (2n+1)); beyond, where its terms cancel, 1 − erfc by the
 * continued fraction e^(−a²)/√π / (a + ½/(a + 1/(a + 3⁄2/(a + …)))) (Abramowitz & Stegun 7.1.5, 7.1.14).
 */
function erf(a: number): number {
  const size = Math.abs(a);
  if (size > 2.5) {
    let rest = 0;
    for (let n = 100; n > 0; n--) rest = n / 2 / (size + rest);
    return Math.sign(a) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (size + rest));
  }
  let [term, sum] = [a, a];
  for (let n = 1; n < 60; n++) {
    term *= (-a * a) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

/** Functions whose domain is the positive numbers. */
const POSITIVE: readonly ScalarName[] = ['sqrt', 'log', 'pow', 'div', 'log1p'];
/** Functions with jumps: their derivative is zero, and a difference across the jump would not be. */
const JUMPS: readonly ScalarName[] = [
  'sign',
  'step',
  'floor',
  'equal',
  'notEqual',
  'less',
  'lessEqual',
  'greater',
  'greaterEqual',
];

function at(values: readonly number[], shape: readonly number[], index: readonly number[]): number {
  const lead = index.length - shape.length;
  return values[shape.reduce((n, d, i) => n * d + (d === 1 ? 0 : index[lead + i]!), 0)]!;
}

function broadcastCase(name: string, fn: ScalarName, shapes: number[][], input: Partial<CaseInput> = {}): OpCase {
  const inputs = Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape, ...input }]));
  return {
    name,
    inputs,
    ...(shapes.length > 1 && !input.dtype && { narrow: [['x0', 'y'], ['x1'], [...Object.keys(inputs), 'y']] }),
    build: (v) => ({ y: elementwise(fn, ...Object.values(v)) }),
    reference: (x) => ({
      y: indices(broadcastShapes(...shapes)).map((index) => {
        const [a, b, c] = shapes.map((shape, i) => at(x[`x${i}`]!, shape, index));
        return EXACT[fn](a!, b!, c!);
      }),
    }),
    ...(JUMPS.includes(fn) ? { gradients: [] } : {}),
  };
}

const functionCases: OpCase[] = SCALAR_NAMES.flatMap((fn) => {
  const range: [number, number] = POSITIVE.includes(fn) ? [0.1, 3] : [-3, 3];
  const shapes = (shape: number[]) => Array.from({ length: ARITIES[fn] }, () => shape);
  return [
    { ...broadcastCase(`${fn} on [5, 7]`, fn, shapes([5, 7]), { range }), narrow: [['x0', 'y']] },
    broadcastCase(`${fn} on one element`, fn, shapes([1]), { range }),
  ];
});

/** Wide ranges and special arguments: forward only. */
const extremes: OpCase[] = (
  [
    'exp',
    'log',
    'sigmoid',
    'tanh',
    'softplus',
    'sqrt',
    'relu',
    'expm1',
    'log1p',
    'erf',
    'sin',
    'cos',
    'gelu',
    'geluSlope',
  ] as const
).map((fn) => {
  const negative = fn === 'log' || fn === 'sqrt' || fn === 'log1p' ? [] : [-1e-8, -0.3, -0.6249, -0.6251, -5, -20, -80];
  const data = [...negative, 1e-8, 1e-4, 0.3, 0.6249, 0.6251, 0.999, 1, 1.001, 1.4142, 2, 5, 20, 80];
  return { ...broadcastCase(`${fn} over its range`, fn, [[data.length]], { data }), gradients: [] };
});

/** Sine and cosine of large numbers; beyond 4e8 they are those of 0. */
const turns: OpCase[] = (['sin', 'cos'] as const).map((fn) => {
  const data = [80, 1e4, -1e4, 1e6, 12345678, -2e8, 3.99e8, 1e9, -1e30, Infinity, NaN].map(Math.fround);
  const exact = data.map((a) => EXACT[fn](Math.abs(a) > 4e8 && Number.isFinite(a) ? 0 : a, 0, 0));
  return {
    ...broadcastCase(`${fn} far out`, fn, [[data.length]], { data }),
    reference: () => ({ y: exact }),
    narrow: [['y']],
    gradients: [],
  };
});

/** softplus where its exponential is 0 or infinite. */
const farSoftplus: OpCase = (() => {
  const data = [-Infinity, -1e30, -104, 104, 1e30, Infinity, NaN].map(Math.fround);
  return {
    ...broadcastCase('softplus far out', 'softplus', [[data.length]], { data }),
    reference: () => ({ y: data.map((a) => (a < 0 ? Math.exp(a) : a)) }),
    narrow: [['y']],
    gradients: [],
  };
})();

/** Σ_k x_k · (k + 1): one fused tape over `count` inputs of a dtype. */
function manyInputs(dtype: 'float32' | 'int32' | 'uint8', count: number): OpCase {
  const names = Array.from({ length: count }, (_, k) => `x${k}`);
  const range: [number, number] = dtype === 'float32' ? [-1, 1] : dtype === 'int32' ? [-50, 50] : [0, 255];
  return {
    name: `${count} inputs of ${dtype}`,
    inputs: Object.fromEntries(names.map((n) => [n, { shape: [3, 5], dtype, range }])),
    build: (v) => ({ y: names.map((n, k) => elementwise('mul', v[n]!, k + 1)).reduce((a, b) => elementwise('add', a, b)) }),
    reference: (x) => ({ y: x.x0!.map((_, i) => names.reduce((s, n, k) => s + x[n]![i]! * (k + 1), 0)) }),
    ...(dtype === 'float32' && { narrow: [names, names.filter((_, k) => k % 2 === 1), [...names, 'y']] }),
    terms: count * 100,
  };
}

/** gelu's slope where powers of its argument overflow. */
const flat: OpCase = {
  ...broadcastCase('geluSlope far out', 'geluSlope', [[6]], { data: [1e10, -1e10, 1e25, -1e25, 3e38, -3e38] }),
  gradients: [],
};

/** One map, made as fusion makes them. */
export function mapOf(
  inputs: Value[],
  code: [ScalarName, ...number[]][],
  results: number[],
  reduceRank = 0,
  immediates = [0.5],
): Record<string, Value> {
  const rows = code.map(([fn, a, b]) => [SCALAR_NAMES.indexOf(fn), a!, b ?? a!, a!] as const);
  const domain = broadcastShapes(...inputs.map((v) => v.shape));
  return inputs[0]!.graph.add(map, Object.fromEntries(inputs.map((v, i) => [`in${i}`, v])), {
    domain,
    tape: { code: rows, immediates, results },
    reduceRank,
  }).outputs;
}

/** Four results of one tape. */
function fourResults(shape: number[]): OpCase {
  const c = (v: number): number => Math.exp(v) * 0.5 + v;
  const code: [ScalarName, ...number[]][] = [
    ['exp', 0],
    ['mul', REGISTER, IMMEDIATE],
    ['add', REGISTER + 1, 0],
    ['square', REGISTER + 2],
  ];
  return {
    name: `four results of one tape on [${shape.join(', ')}]`,
    inputs: { x: { shape, range: [0.2, 2] } },
    build: ({ x }) =>
      mapOf(
        [x!],
        code,
        code.map((_, i) => REGISTER + i),
      ),
    reference: ({ x }) => ({
      out0: x!.map(Math.exp),
      out1: x!.map((v) => Math.exp(v) * 0.5),
      out2: x!.map(c),
      out3: x!.map((v) => c(v) ** 2),
    }),
    narrow: [
      ['x', 'out0', 'out1', 'out2', 'out3'],
      ['x', 'out1', 'out3'],
      ['out0', 'out2'],
    ],
    gradients: [],
  };
}

export const cases: OpCase[] = [
  ...functionCases,
  ...extremes,
  flat,
  ...turns,
  farSoftplus,
  broadcastCase('row and column', 'add', [
    [4, 1],
    [1, 6],
  ]),
  broadcastCase('vector over the last axis', 'mul', [[2, 3, 5], [5]]),
  broadcastCase('middle axis', 'sub', [
    [2, 3, 5],
    [2, 1, 5],
  ]),
  broadcastCase('scalar', 'div', [[3, 4], []], { range: [0.5, 2] }),
  broadcastCase('outer axes', 'add', [
    [2, 1, 3, 1],
    [1, 4, 1, 5],
  ]),
  broadcastCase('three operands, all broadcast', 'where', [[2, 1], [3], [1, 1]], { range: [0.1, 2] }),
  {
    ...broadcastCase('more than one block and an odd tail', 'mul', [
      [17, 131],
      [17, 1],
    ]),
    gradients: ['x1'],
    terms: 131,
  },
  // Broadcast operands of domains of many blocks, shared out among threads, none a multiple of the rows' length.
  ...[
    ['three channels', [2100, 3], [3]],
    ['one number a row', [7000, 3], [7000, 1]],
    ['rows of 100 that repeat', [50, 100], [100]],
    ['rows of 600 that repeat', [5, 600], [600]],
    ['channels of a sample', [9, 70, 3], [9, 1, 3]],
    ['short rows of short rows', [11, 13, 5, 4], [11, 1, 5, 1]],
    ['a middle axis of short rows', [300, 2, 5], [300, 1, 5]],
    ['short rows within rows', [3, 40, 3, 5], [40, 1, 5]],
  ].map(([name, x, y]) => ({
    ...broadcastCase(`many blocks: ${name as string}`, 'sub', [x as number[], y as number[]]),
    gradients: [],
  })),
  {
    ...broadcastCase(
      'many blocks: whole numbers, one a row',
      'add',
      [
        [900, 3],
        [900, 1],
      ],
      { dtype: 'int32', range: [-50, 50] },
    ),
    gradients: [],
  },
  {
    ...broadcastCase('many blocks: bytes of the channels', 'add', [[900, 3], [3]], { dtype: 'uint8', range: [0, 255] }),
    gradients: [],
  },
  // Rows that divide by four: inputs that go along with them, that repeat, that stand still along them.
  ...[
    ['a vector along them', [3, 5, 8], [8]],
    ['one number a row', [5, 8], [5, 1]],
    ['one number a row, rows of one pack', [7, 4], [7, 1]],
    ['a middle axis', [2, 3, 4], [2, 1, 4]],
    ['outer axes', [1, 4, 8], [3, 1, 1]],
    ['a column and a row', [5, 1], [1, 12]],
    ['five axes', [2, 1, 3, 1, 4], [3, 1, 2, 1]],
  ].map(([name, x, y]) => broadcastCase(`rows that divide by four: ${name as string}`, 'sub', [x as number[], y as number[]])),
  {
    ...broadcastCase('rows that divide by four: many blocks', 'sub', [
      [70, 100],
      [70, 1],
    ]),
    gradients: [],
  },
  broadcastCase('rows that divide by four: three operands', 'where', [[3, 1], [4], [1, 1]], { range: [0.1, 2] }),
  ...(['int32', 'uint8'] as const).flatMap((dtype) =>
    [
      [[6, 8], [8]],
      [
        [6, 8],
        [6, 1],
      ],
      [[4, 12], []],
    ].map((shapes) => {
      const name = `rows that divide by four: ${dtype} [${shapes.map((shape) => shape.join(', ')).join('] and [')}]`;
      return { ...broadcastCase(name, 'add', shapes, { dtype, range: [0, 255] }), gradients: [] };
    }),
  ),
  manyInputs('float32', 8),
  manyInputs('int32', 8),
  manyInputs('uint8', 8),
  {
    // More than an interpreter has room for where it works on four elements at a time: the product of the first two is
    // made while all are still wanted.
    name: 'as many operands as a tape holds, all wanted at once',
    inputs: Object.fromEntries(Array.from({ length: 8 }, (_, k) => [`x${k}`, { shape: [3, 8] }])),
    build(v) {
      const x = Object.values(v);
      let y = elementwise('mul', x[0]!, x[1]!);
      x.forEach((value, k) => {
        y = elementwise('add', elementwise('add', elementwise('mul', value, k + 2), 0.25 * k - 5), y);
      });
      return { y };
    },
    narrow: [['x1', 'x4', 'x7', 'y']],
    reference: (x) => ({
      y: x.x0!.map((v, i) => Object.values(x).reduce((s, values, k) => s + values[i]! * (k + 2) + 0.25 * k - 5, v * x.x1![i]!)),
    }),
    gradients: [],
    terms: 200,
  },
  {
    name: 'constant',
    inputs: { x: { shape: [2, 3] } },
    build: ({ x }) => ({ y: constant(x!.graph, 2.5, [2, 3]) }),
    reference: () => ({ y: new Array<number>(6).fill(2.5) }),
    narrow: [['y']],
    gradients: [],
  },
  {
    name: 'constants in a chain are worked out beforehand',
    inputs: { x: { shape: [2, 3] } },
    build: ({ x }) => {
      const third = elementwise('div', elementwise('neg', constant(x!.graph, -1, [])), 3);
      const one = elementwise('sub', elementwise('add', constant(x!.graph, 1.5, [2, 3]), 0.5), 1);
      return { y: elementwise('mul', elementwise('mul', x!, one), elementwise('mul', third, elementwise('square', third))) };
    },
    reference: ({ x }) => ({ y: x!.map((v) => v / 27) }),
  },
  {
    name: 'broadcastTo',
    inputs: { x: { shape: [3, 1] } },
    build: ({ x }) => ({ y: broadcastTo(x!, [2, 3, 4]) }),
    reference: ({ x }) => ({ y: indices([2, 3, 4]).map(([, b]) => x![b!]!) }),
  },
  {
    // Column sums read the four values, so the chain becomes one map that writes all of them to scratch.
    name: 'four results of one chain',
    inputs: { x: { shape: [6, 5], range: [0.2, 2] } },
    build: ({ x }) => {
      const a = elementwise('exp', x!);
      const b = elementwise('mul', a, 0.5);
      const c = elementwise('add', b, x!);
      const d = elementwise('square', c);
      return { a: sum(a, [0]), b: sum(b, [0]), c: sum(c, [0]), d: sum(d, [0]) };
    },
    reference: ({ x }) => {
      const columns = (f: (v: number) => number): number[] =>
        [0, 1, 2, 3, 4].map((c) => [0, 1, 2, 3, 4, 5].reduce((s, r) => s + f(x![r * 5 + c]!), 0));
      const c = (v: number): number => Math.exp(v) * 0.5 + v;
      return { a: columns(Math.exp), b: columns((v) => Math.exp(v) * 0.5), c: columns(c), d: columns((v) => c(v) ** 2) };
    },
    terms: 100,
  },
  ...[
    [6, 5],
    [3, 8],
    [40, 65],
  ].map(fourResults),
  {
    name: 'the same operand twice',
    inputs: { x: { shape: [7] } },
    build: ({ x }) => ({ y: elementwise('mul', x!, x!) }),
    reference: ({ x }) => ({ y: x!.map((v) => v * v) }),
  },
  {
    name: 'a chain longer than one tape',
    inputs: { x: { shape: [5, 3] } },
    build: ({ x }) => {
      let y: Value = x!;
      for (let i = 0; i < 40; i++) y = elementwise('add', elementwise('mul', y, 0.9), x!);
      return { y };
    },
    reference: ({ x }) => ({
      y: x!.map((v) => {
        let y = v;
        for (let i = 0; i < 40; i++) y = y * 0.9 + v;
        return y;
      }),
    }),
    terms: 10,
  },
];
