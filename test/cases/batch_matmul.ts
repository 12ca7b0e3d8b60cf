/** Products of batches of matrices: every transposition, batches that broadcast, shared matrices, accumulation; in every precision. */
import { gradients } from '../../lib/ops/autodiff.js';
import { batchMatmulOp, multiply } from '../../lib/ops/batch_matmul.js';
import { elementwise } from '../../lib/ops/map.js';
import type { Value } from '../../lib/graph/graph.js';
import { flat, indices, type Numbers, type OpCase } from './op_case.js';
import { ROUNDED, roundingOf, type Rounded } from './rounded_operand.js';

/** op(a)·op(b) over the last two axes, the axes before them broadcast. */
export function products(
  a: readonly number[],
  b: readonly number[],
  [aShape, bShape]: readonly [readonly number[], readonly number[]],
  ta = false,
  tb = false,
): number[] {
  const rank = Math.max(aShape.length, bShape.length);
  const full = (s: readonly number[]) => [...new Array<number>(rank - s.length).fill(1), ...s];
  const [sa, sb] = [full(aShape), full(bShape)];
  const lead = sa.slice(0, -2).map((d, i) => Math.max(d, sb[i]!));
  const [m, k] = ta ? [sa.at(-1)!, sa.at(-2)!] : [sa.at(-2)!, sa.at(-1)!];
  const n = tb ? sb.at(-2)! : sb.at(-1)!;
  const at = (s: number[], batch: number[], r: number, c: number) =>
    flat(s, [...batch.map((v, i) => (s[i] === 1 ? 0 : v)), r, c]);
  return indices([...lead, m, n]).map((index) => {
    const [batch, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    let sum = 0;
    for (let p = 0; p < k; p++)
      sum += a[ta ? at(sa, batch, p, i) : at(sa, batch, i, p)]! * b[tb ? at(sb, batch, j, p) : at(sb, batch, p, j)]!;
    return sum;
  });
}

function simple(a: number[], b: number[], ta = false, tb = false): OpCase {
  return {
    name: `[${a.join(', ')}]${ta ? 'ᵀ' : ''}·[${b.join(', ')}]${tb ? 'ᵀ' : ''}`,
    inputs: { a: { shape: a }, b: { shape: b } },
    build: (v) => ({ y: multiply(v.a!, v.b!, ta, tb) }),
    reference: (v) => ({ y: products(v.a!, v.b!, [a, b], ta, tb) }),
    terms: 8 * Math.max(a.at(-1)!, a.at(-2)!),
  };
}

/** Matrices in bfloat16: all, and each in either type beside others. */
const MIXTURES = [['a', 'b', 'y'], ['a'], ['b', 'y']];

/** Operands are rounded; they are given, so they round the same everywhere. Sums are in float32. */
function rounded(precision: Rounded, a: number[], b: number[], ta = false, tb = false): OpCase {
  const exact = simple(a, b, ta, tb);
  const attrs = { transposeA: ta ? 'yes' : 'no', transposeB: tb ? 'yes' : 'no', precision };
  return {
    ...exact,
    name: `${exact.name} in ${precision}`,
    build: (v) => ({ y: v.a!.graph.add(batchMatmulOp, { a: v.a, b: v.b }, attrs).outputs.y! }),
    reference: (v, backend) => {
      const round = roundingOf(precision, backend);
      return exact.reference({ a: v.a!.map(round), b: v.b!.map(round) }, backend);
    },
    gradients: [],
  };
}

/** Sums of two products are exact in bfloat16 where their numbers are whole. */
function twice(precision: Rounded, whole = false, narrow: OpCase['narrow'] = []): OpCase {
  const data = (n: number) => (whole ? { data: Array.from({ length: n }, (_, i) => ((i * 5) % 7) - 3) } : {});
  return {
    name: `a batch used twice in ${precision}: its gradients accumulate${whole ? ', whole numbers' : ''}`,
    inputs: {
      a: { shape: [3, 4, 5] },
      b: { shape: [3, 5, 2], ...data(30) },
      c: { shape: [3, 5, 2], ...data(30) },
      g: { shape: [3, 4, 2], ...data(24) },
      h: { shape: [3, 4, 2], ...data(24) },
    },
    build: ({ a, b, c, g, h }: Record<string, Value>) => {
      const product = (x: Value, y: Value): Value => x.graph.add(batchMatmulOp, { a: x, b: y }, { precision }).outputs.y!;
      const both = elementwise('add', elementwise('mul', product(a!, b!), g!), elementwise('mul', product(a!, c!), h!));
      return { da: gradients(both, [a!])[0]! };
    },
    reference: (v: Numbers, backend: 'cpu' | 'cuda') => {
      const round = roundingOf(precision, backend);
      const [b, c, g, h] = [v.b!, v.c!, v.g!, v.h!].map((values) => values.map(round)) as [
        number[],
        number[],
        number[],
        number[],
      ];
      const shapes = [
        [3, 4, 2],
        [3, 5, 2],
      ] as const;
      const other = products(h, c, shapes, false, true);
      return { da: products(g, b, shapes, false, true).map((value, i) => value + other[i]!) };
    },
    gradients: [],
    terms: 4,
    narrow,
  };
}

const both = [false, true].flatMap((ta) => [false, true].map((tb) => [ta, tb] as const));
const matrix = (lead: number[], r: number, c: number, t: boolean) => [...lead, ...(t ? [c, r] : [r, c])];

export const cases: OpCase[] = [
  ...both.flatMap(([ta, tb]) => [
    simple(matrix([4], 3, 5, ta), matrix([4], 5, 2, tb), ta, tb),
    simple(matrix([2, 3], 4, 4, ta), matrix([2, 3], 4, 8, tb), ta, tb),
    simple(matrix([1], 3, 5, ta), matrix([4], 5, 2, tb), ta, tb),
    simple(matrix([4], 3, 5, ta), matrix([], 5, 2, tb), ta, tb),
    simple(matrix([], 3, 5, ta), matrix([2, 2], 5, 2, tb), ta, tb),
    simple(matrix([2, 1], 2, 3, ta), matrix([3], 3, 4, tb), ta, tb),
    simple(matrix([3], 1, 6, ta), matrix([3], 6, 1, tb), ta, tb),
    simple(matrix([], 3, 2, ta), matrix([], 2, 4, tb), ta, tb),
  ]),
  simple([1, 1, 1], [1, 1, 1]),
  {
    name: 'a batch used twice: its gradients accumulate',
    inputs: { a: { shape: [3, 4, 5] }, b: { shape: [3, 5, 2] }, c: { shape: [3, 5, 3] } },
    build: ({ a, b, c }) => ({ y: multiply(a!, b!), z: multiply(a!, c!) }),
    reference: ({ a, b, c }) => ({
      y: products(a!, b!, [
        [3, 4, 5],
        [3, 5, 2],
      ]),
      z: products(a!, c!, [
        [3, 4, 5],
        [3, 5, 3],
      ]),
    }),
    terms: 40,
  },
  {
    name: 'scores of attention: a·aᵀ, squared',
    inputs: { a: { shape: [2, 6, 3] } },
    build: ({ a }) => ({ y: elementwise('square', multiply(a!, a!, false, true)) }),
    reference: ({ a }) => ({
      y: products(
        a!,
        a!,
        [
          [2, 6, 3],
          [2, 6, 3],
        ],
        false,
        true,
      ).map((v) => v * v),
    }),
    terms: 48,
  },
  ...both.flatMap(([ta, tb]) => [
    { ...rounded('bfloat16', matrix([4], 3, 5, ta), matrix([4], 5, 2, tb), ta, tb), narrow: MIXTURES },
    { ...rounded('bfloat16', matrix([1], 3, 5, ta), matrix([4], 5, 2, tb), ta, tb), narrow: MIXTURES },
    rounded('bfloat16', matrix([6], 33, 32, ta), matrix([6], 32, 48, tb), ta, tb),
    rounded('bfloat16', matrix([3], 17, 40, ta), matrix([1], 40, 9, tb), ta, tb),
    rounded('tf32', matrix([6], 33, 32, ta), matrix([1], 32, 9, tb), ta, tb),
  ]),
  { ...rounded('bfloat16', [1, 1, 1], [1, 1, 1]), narrow: MIXTURES },
  ...ROUNDED.map((precision) => twice(precision)),
  twice('bfloat16', true, [['b', 'g', 'da'], ['da']]),
];
