/**
 * matmul of operands, masks and results that are stored in bfloat16: each of them alone and together, in every transposition,
 * with rows that divide by eight and odd ones, with bias and relu, masked with and without sums, and added to what is there.
 */
import { elementwise } from '../../lib/ops/map.js';
import { matmulOp } from '../../lib/ops/matmul.js';
import type { Value } from '../../lib/graph/graph.js';
import { masked, rounded } from './matmul.js';
import type { OpCase } from './op_case.js';
import { bfloat16 } from './rounded_operand.js';

const EACH = [['a'], ['b'], ['y']] as const;
const BOTH = ['a', 'b'] as const;
const WHOLE = ['a', 'b', 'y'] as const;

function stored(test: OpCase, narrow: readonly (readonly string[])[]): OpCase {
  return { ...test, name: `${test.name}, stored in bfloat16`, narrow };
}

const bf16 = (m: number, k: number, n: number, options: { bias?: boolean; relu?: boolean } = {}): OpCase =>
  rounded('bfloat16', m, k, n, false, false, options);

const times = (a: Value, b: Value): Value => a.graph.add(matmulOp, { a, b }, { precision: 'bfloat16' }).outputs.y!;

/** What is added to is exact in bfloat16: whole numbers up to 3·3·5. */
function added(m: number, n: number): OpCase {
  const whole = (size: number): number[] => Array.from({ length: size }, (_, i) => ((i * 5) % 7) - 3);
  return {
    name: `a product of whole numbers and one that is added to it, [${m}, ${n}] in bfloat16`,
    inputs: {
      a: { shape: [m, 5], data: whole(m * 5) },
      b: { shape: [5, n], data: whole(5 * n) },
      c: { shape: [m, 3] },
      d: { shape: [3, n] },
    },
    build: ({ a, b, c, d }) => ({ y: elementwise('add', times(a!, b!), times(c!, d!)) }),
    reference(x) {
      const [a, b, c, d] = [x.a!, x.b!, x.c!, x.d!].map((v) => v.map(bfloat16)) as [number[], number[], number[], number[]];
      const dot = (u: number[], v: number[], k: number, at: number): number => {
        const [i, j] = [Math.floor(at / n), at % n];
        return Array.from({ length: k }, (_, l) => u[i * k + l]! * v[l * n + j]!).reduce((s, p) => s + p, 0);
      };
      return { y: Array.from({ length: m * n }, (_, at) => dot(a, b, 5, at) + dot(c, d, 3, at)) };
    },
    gradients: [],
    terms: 8,
    narrow: [['y'], ['c', 'd', 'y'], ['a', 'd', 'y'], ['a', 'b', 'c', 'd', 'y']],
  };
}

export const cases: OpCase[] = [
  ...[false, true].flatMap((ta) =>
    [false, true].flatMap((tb) => [
      stored(rounded('bfloat16', 5, 7, 3, ta, tb), [...EACH, BOTH, WHOLE]),
      stored(rounded('bfloat16', 24, 40, 16, ta, tb, { bias: true, relu: true }), [['a'], ['b', 'y'], BOTH, WHOLE]),
    ]),
  ),
  stored(bf16(1, 1, 1), [...EACH, BOTH, WHOLE]),
  stored(bf16(1, 40, 9, { bias: true, relu: true }), [['y'], WHOLE]),
  stored(bf16(33, 65, 17, { bias: true }), [['a', 'y'], ['b'], WHOLE]),
  // Several threads.
  stored(bf16(70, 35, 130, { relu: true }), [['y'], BOTH, WHOLE]),
  ...[
    masked(5, 7, 3, { precision: 'bfloat16' }),
    masked(6, 8, 12, { precision: 'bfloat16', bias: true }),
    masked(300, 16, 72, { precision: 'bfloat16', bias: true }),
    masked(70, 9, 130, { precision: 'bfloat16' }),
    masked(9, 3, 5, { precision: 'bfloat16', ta: true, tb: false, sums: false }),
    masked(16, 24, 64, { precision: 'bfloat16', sums: false }),
  ].map((test) => stored(test, [['mask'], ['y'], ['mask', 'y'], ['a', 'b', 'mask'], ['a', 'b', 'mask', 'y']])),
  added(4, 6),
  added(3, 8),
];
