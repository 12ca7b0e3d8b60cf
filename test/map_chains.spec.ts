/**
 * The compiled chains of map on CUDA, each against a float64 evaluation of its tape: every element four at a time and
 * with a tail, broadcast, from integers, from bfloat16 and into it, summed along short and long rows. The interpreter runs
 * the same cases.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { EXACT } from './cases/map.js';
import { indices, type CaseInput, type OpCase } from './cases/op_case.js';
import { bfloat16 } from './cases/rounded_operand.js';
import { backends, openSession } from './helpers/backends.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import type { Tape } from '../lib/graph/define_op.js';
import { sizeOf } from '../lib/graph/shape.js';
import { IMMEDIATE, map, REGISTER } from '../lib/ops/map.js';
import { SCALAR_NAMES, type ScalarName } from '../lib/ops/scalar_table.js';
import type { NativeSession } from '../binding.js';

interface Chain {
  name: string;
  code: [ScalarName, ...string[]][];
  results: string[];
}

const CHAINS = JSON.parse(readFileSync(new URL('../scripts/map_chains.json', import.meta.url), 'utf8')) as Chain[];
const IMMEDIATES = [0.75, -0.5].map(Math.fround);

const number = (operand: string): number => Number(/\d+$/.exec(operand)![0]);
const isInput = (operand: string): boolean => operand.startsWith('in');

function operandCode(operand: string): number {
  return number(operand) + (isInput(operand) ? 0 : operand.startsWith('r') ? REGISTER : IMMEDIATE);
}

function tapeOf({ code, results }: Chain): Tape {
  const rows = code.map(([fn, ...o]) => [fn, o[0]!, o[1] ?? o[0]!, o[2] ?? o[0]!] as const);
  return {
    code: rows.map(([fn, a, b, c]) => [SCALAR_NAMES.indexOf(fn), operandCode(a), operandCode(b), operandCode(c)] as const),
    immediates: IMMEDIATES,
    results: results.map(operandCode),
  };
}

function evaluate({ code, results }: Chain, inputs: readonly number[]): number[] {
  const made: number[] = [];
  const value = (o: string): number => (isInput(o) ? inputs : o.startsWith('r') ? made : IMMEDIATES)[number(o)]!;
  for (const [fn, ...o] of code) made.push(EXACT[fn](value(o[0]!), value(o[1] ?? o[0]!), value(o[2] ?? o[0]!)));
  return results.map(value);
}

interface Shape {
  name: string;
  domain: number[];
  /** Of each input, repeated as needed. */
  inputs: CaseInput[];
  reduceRank: number;
  /** What is stored in bfloat16. */
  narrow?: string[];
}

const SHAPES: Shape[] = [
  { name: 'in order', domain: [5, 27], inputs: [{ shape: [5, 27] }], reduceRank: 0 },
  { name: 'one element', domain: [1], inputs: [{ shape: [1] }], reduceRank: 0 },
  { name: 'one number and a whole', domain: [513], inputs: [{ shape: [] }, { shape: [513] }], reduceRank: 0 },
  { name: 'broadcast', domain: [3, 4, 5], inputs: [{ shape: [3, 1, 5] }, { shape: [4, 1] }], reduceRank: 0 },
  { name: 'broadcast, rows of eight', domain: [3, 5, 8], inputs: [{ shape: [3, 1, 8] }, { shape: [5, 1] }], reduceRank: 0 },
  {
    name: 'integers in order, with a tail',
    domain: [7, 9],
    inputs: [
      { shape: [7, 9], dtype: 'uint8', range: [1, 6] },
      { shape: [7, 9], dtype: 'int32', range: [1, 6] },
    ],
    reduceRank: 0,
  },
  {
    name: 'integers',
    domain: [7, 20],
    inputs: [
      { shape: [7, 20], dtype: 'uint8', range: [1, 6] },
      { shape: [20], dtype: 'int32', range: [1, 6] },
    ],
    reduceRank: 0,
  },
  { name: 'short rows', domain: [9, 3, 7], inputs: [{ shape: [9, 3, 7] }], reduceRank: 2 },
  { name: 'short rows of packs', domain: [9, 3, 8], inputs: [{ shape: [9, 3, 8] }, { shape: [3, 1] }], reduceRank: 2 },
  { name: 'long odd rows', domain: [2, 2101], inputs: [{ shape: [2, 2101] }, { shape: [2101] }], reduceRank: 1 },
  { name: 'long rows', domain: [2, 2100], inputs: [{ shape: [2, 2100] }, { shape: [2100] }], reduceRank: 1 },
  {
    name: 'bfloat16 in order, with a tail',
    domain: [5, 27],
    inputs: [{ shape: [5, 27] }],
    reduceRank: 0,
    narrow: ['in0', 'in1', 'in2', 'out0', 'out1'],
  },
  {
    name: 'bfloat16 broadcast, odd rows',
    domain: [3, 4, 5],
    inputs: [{ shape: [3, 1, 5] }, { shape: [4, 1] }],
    reduceRank: 0,
    narrow: ['in0', 'in1', 'out0'],
  },
  {
    name: 'bfloat16 beside float32, rows of eight',
    domain: [3, 5, 8],
    inputs: [{ shape: [3, 5, 8] }, { shape: [5, 1] }],
    reduceRank: 0,
    narrow: ['in1', 'in2', 'out0'],
  },
  {
    name: 'bfloat16 and bytes',
    domain: [7, 20],
    inputs: [{ shape: [7, 20] }, { shape: [20], dtype: 'uint8', range: [1, 6] }],
    reduceRank: 0,
    narrow: ['in0', 'in2', 'out1'],
  },
  {
    name: 'short rows of packs in bfloat16',
    domain: [9, 3, 8],
    inputs: [{ shape: [9, 3, 8] }, { shape: [3, 1] }],
    reduceRank: 2,
    narrow: ['in0', 'in1', 'out0', 'out1'],
  },
  {
    name: 'long rows in bfloat16',
    domain: [2, 2100],
    inputs: [{ shape: [2, 2100] }, { shape: [2100] }],
    reduceRank: 1,
    narrow: ['in0', 'in2', 'out0'],
  },
];

function caseOf(chain: Chain, { name, domain, inputs, reduceRank }: Shape): OpCase {
  const operands = [...chain.code.flatMap(([, ...o]) => o), ...chain.results].filter(isInput);
  const count = operands.reduce((n, o) => Math.max(n, number(o) + 1), 0);
  // Away from zero, so that a quotient stays small.
  const given = Array.from({ length: count }, (_, k) => ({ range: [0.5, 2] as const, ...inputs[k % inputs.length]! }));
  const length = sizeOf(domain.slice(domain.length - reduceRank));
  const scale = reduceRank > 0 ? 0.5 : 1;
  return {
    name,
    inputs: Object.fromEntries(given.map((input, k) => [`in${k}`, input])),
    build: (values) => {
      const any = Object.values(values)[0]!;
      return any.graph.add(map, values, { domain, tape: tapeOf(chain), reduceRank, scale }).outputs;
    },
    reference(x) {
      const wanted = chain.results.map((): number[] => []);
      for (const index of indices(domain)) {
        const at = given.map(({ shape }, k) => {
          const lead = domain.length - shape.length;
          return x[`in${k}`]![shape.reduce((n, d, i) => n * d + (d === 1 ? 0 : index[lead + i]!), 0)]!;
        });
        evaluate(chain, at).forEach((v, k) => wanted[k]!.push(v));
      }
      if (reduceRank > 0) {
        const rows = Array.from({ length: wanted[0]!.length / length }, (_, r) => wanted[0]!.slice(r * length, (r + 1) * length));
        wanted[0] = rows.map((row) => scale * row.reduce((a, b) => a + b, 0));
      }
      return Object.fromEntries(wanted.map((w, k) => [`out${k}`, w]));
    },
    gradients: [],
    terms: length,
  };
}

describe('compiled chains of map', () => {
  const [backend] = backends().filter((b) => b.kind === 'cuda');
  if (!backend) return;
  let session: NativeSession;
  before(() => {
    session = openSession(backend);
  });
  after(() => session.dispose());
  afterEach(() => {
    delete process.env.GRADSTEP_MAP_INTERPRETER;
  });

  for (const chain of CHAINS) {
    const shapes = SHAPES.filter(({ inputs, domain }) => {
      const sizes = inputs.map(({ shape }) => sizeOf(shape));
      // A chain without inputs has no graph of its own here; one with a single input cannot make a larger domain.
      const count = new Set([...chain.code.flatMap(([, ...o]) => o), ...chain.results].filter(isInput)).size;
      return count > 0 && (count > 1 || sizes[0] === sizeOf(domain));
    });
    for (const shape of shapes) {
      for (const way of ['compiled', 'interpreted']) {
        it(`${chain.name}, ${shape.name}, ${way}`, async () => {
          if (way === 'interpreted') process.env.GRADSTEP_MAP_INTERPRETER = '1';
          const test = caseOf(chain, shape);
          const narrow = (shape.narrow ?? []).filter((name) => name in test.inputs || chain.results[number(name)] !== undefined);
          const numbers = Object.fromEntries(
            Object.entries(inputNumbers(test.inputs)).map(([k, n]) => [k, narrow.includes(k) ? n.map(bfloat16) : n]),
          );
          const { outputs } = await runCase(session, 'cuda', test, numbers, { guardBytes: 64, fusion: false, narrow });
          const scale = Math.max(1, test.terms! / 16);
          for (const [name, wanted] of Object.entries(test.reference(numbers, 'cuda'))) {
            expect(outputs[name]).to.have.length(wanted.length);
            wanted.forEach((w, i) => {
              const difference = Math.abs(outputs[name]![i]! - w);
              expect(difference, `${name}[${i}] is ${outputs[name]![i]}, not ${w}`).to.be.at.most(
                scale * (1e-5 + 1.3e-6 * Math.abs(w)) + (narrow.includes(name) ? 2 ** -8 * Math.abs(w) : 0),
              );
            });
          }
        });
      }
    }
  }
});
