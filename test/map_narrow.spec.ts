/**
 * Maps whose numbers are stored in bfloat16, bit by bit: how they are rounded, also behind a sum that several blocks or threads
 * take together, and results that take over the memory of what they are made of.
 */
import { expect } from 'chai';
import { backends, openSession } from './helpers/backends.js';
import { bfloat16 } from './cases/rounded_operand.js';
import { random, runCase } from './helpers/op_run.js';
import { encodeProgram } from '../lib/compile/encode.js';
import { assign, lower } from '../lib/compile/lower.js';
import type { Operand, Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { elementwise } from '../lib/ops/map.js';
import { sum } from '../lib/ops/reduce_sum.js';
import type { NativeSession } from '../binding.js';
import type { OpCase } from './cases/op_case.js';

const OPTIONS = { guardBytes: 64, fusion: true };

for (const backend of backends()) {
  describe(`maps in bfloat16 on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    // Ties both ways, next to ties, beyond the largest number, what is no number, signs of zero.
    const given = [
      ...[1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -8, -1 - 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -23, 1 + 3 * 2 ** -8 - 2 ** -22],
      ...[3.3961775292304957e38, 3.3895313892515355e38, -3.4028234663852886e38, Infinity, -Infinity, NaN, 0, -0, 1e-30, -7.3],
    ];
    for (const length of [16, 13, 1]) {
      it(`rounds ${length} numbers to the nearest, ties to even`, async () => {
        const data = given.slice(0, length);
        const test: OpCase = {
          name: 'identity',
          inputs: { x: { shape: [length], data } },
          build: ({ x }) => ({ y: elementwise('identity', x!) }),
          reference: () => ({}),
          gradients: [],
        };
        const { outputs } = await runCase(session, backend.kind, test, { x: data }, { ...OPTIONS, narrow: ['y'] });
        expect(outputs.y).to.deep.equal(data.map(bfloat16));
      });
    }

    for (const [rows, length] of [
      [3, 5],
      [2, 3000],
      [1, 40000],
    ] as const) {
      it(`rounds the sums of ${rows} rows of ${length} once`, async () => {
        // Whole numbers, whose sums are exact in any order: 257 and 259 times what bfloat16 can hold lie between two of its numbers.
        const next = random(length);
        const x = Array.from({ length: rows * length }, () => Math.floor(next() * 9) - 2);
        const test: OpCase = {
          name: 'row sums',
          inputs: { x: { shape: [rows, length], data: x } },
          build: ({ x }) => ({ y: sum(elementwise('add', x!, 1), [1]) }),
          reference: () => ({}),
          gradients: [],
        };
        const { outputs, program } = await runCase(session, backend.kind, test, { x }, { ...OPTIONS, narrow: ['x', 'y'] });
        expect(program.instructions.map(({ op }) => op.name)).to.deep.equal(['map']);
        const exact = Array.from({ length: rows }, (_, r) =>
          x.slice(r * length, (r + 1) * length).reduce((total, v) => total + v + 1, 0),
        );
        if (length > 5) expect(exact).not.to.deep.equal(exact.map(bfloat16));
        expect(outputs.y).to.deep.equal(exact.map(bfloat16));
      });
    }

    for (const length of [4 * 700, 5, 1031]) {
      it(`takes over memory, ${length} elements`, async () => {
        const next = random(length);
        const x = Array.from({ length }, () => Math.fround(next() * 4 - 2));
        const graph = new Graph();
        const [from, to]: Variable[] = ['from', 'to'].map((name) => ({ name, shape: [length], dtype: 'float32' }));
        let y: Value = graph.read(from!);
        for (let i = 0; i < 4; i++) y = elementwise('mul', elementwise('add', y, 0.7), y);
        assign(to!, y);
        const bytes = Math.ceil((4 * length) / 64) * 64;
        const wide = lower(graph, {
          name: 'in place',
          backend: backend.kind,
          offsetOf: (v) => (v === to ? bytes : 0),
          persistentBytes: () => 2 * bytes,
          fusion: false,
        });
        const program = inBfloat16(wide);
        // A sum's memory becomes its product's.
        const places = program.instructions.map(({ inputs, outputs }) => [
          inputs.in0!.buffer.offset,
          outputs.out0!.buffer.offset,
        ]);
        expect(places.filter(([a, b], i) => i % 2 === 1 && i < 7 && a === b)).to.have.length(3);

        await session.reserve(2 * bytes);
        const entry = await session.load(encodeProgram(program));
        await session.write({ region: 'persistent', offset: 0 }, Float32Array.from(x));
        const run = await session.run(entry, 1, 0, { offset: bytes, bytes: 4 * length });
        await session.unload(entry);
        let wanted = x;
        for (let i = 0; i < 4; i++) {
          wanted = wanted.map((v) => {
            const shifted = bfloat16(Math.fround(v + Math.fround(0.7)));
            const product = Math.fround(shifted * v);
            return i < 3 ? bfloat16(product) : product;
          });
        }
        expect([...new Float32Array(run.report)]).to.deep.equal(wanted);
      });
    }
  });
}

/** The same with what lies in scratch memory stored in bfloat16. */
function inBfloat16(program: Program): Program {
  const stored = (operands: Record<string, Operand>): Record<string, Operand> =>
    Object.fromEntries(
      Object.entries(operands).map(([name, o]) => [
        name,
        o.buffer.region === 'scratch' ? { ...o, dtype: 'bfloat16' as const } : o,
      ]),
    );
  return {
    ...program,
    instructions: program.instructions.map((i) => ({ ...i, inputs: stored(i.inputs), outputs: stored(i.outputs) })),
  };
}
