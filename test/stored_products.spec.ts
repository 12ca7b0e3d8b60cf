/**
 * Three dense layers whose values and gradients go from layer to layer in bfloat16 on CUDA: every product of a step, forward
 * and back, by passes of our own and by cuBLASLt's epilogues, with and without units for bfloat16, against float64 that rounds
 * where a number is stored.
 */
import { expect } from 'chai';
import type { NativeSession } from '../binding.js';
import type { Value } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { EXACT } from './cases/map.js';
import type { Numbers, OpCase } from './cases/op_case.js';
import { bfloat16, surely } from './cases/rounded_operand.js';
import { masked, rounded } from './cases/matmul.js';
import { emulatedSession, Traced } from './helpers/emulation.js';
import { expectClose } from './helpers/op_compare.js';
import { inputNumbers, runCase } from './helpers/op_run.js';

/** More rows than a stack of layers in one launch takes. */
const ROWS = 257;
/** With which no number of gelu's lies near a tie. */
const SEED = 3;
const PERIOD = 7;
const SLOPES = { relu: 'step', gelu: 'geluSlope' } as const;

type Matrix = readonly number[];

/** Multiples of 1/64 from −1 to 1: sums of their products are exact in float32, so that there ties are no question. */
const coarse = (numbers: readonly number[]): number[] => numbers.map((x) => Math.round(x * 64) / 64);

/** [m, k] by [k, n]; `ta`, `tb`: of their transposes, as they are stored. */
function product(a: Matrix, b: Matrix, m: number, k: number, n: number, ta = false, tb = false): number[] {
  return Array.from({ length: m * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let total = 0;
    for (let l = 0; l < k; l++) total += a[ta ? l * m + i : i * k + l]! * b[tb ? j * k + l : l * n + j]!;
    return total;
  });
}

const columnSums = (x: Matrix, n: number): number[] =>
  Array.from({ length: n }, (_, j) => x.reduce((total, v, i) => (i % n === j ? total + v : total), 0));

function layers(
  activation: 'relu' | 'gelu',
  [inputs, first, second, outputs]: readonly [number, number, number, number],
): OpCase {
  const act = (z: number): number => EXACT[activation](z, 0, 0);
  const slope = (z: number): number => EXACT[SLOPES[activation]](z, 0, 0);
  const stored = activation === 'relu' ? bfloat16 : surely(bfloat16);
  return {
    name: `${activation}, ${[inputs, first, second, outputs].join('-')}`,
    inputs: {
      x: { shape: [ROWS, inputs] },
      w1: { shape: [inputs, first] },
      b1: { shape: [first] },
      w2: { shape: [first, second] },
      b2: { shape: [second] },
      w3: { shape: [second, outputs] },
      dy: { shape: [ROWS, outputs] },
    },
    build(v) {
      const layer = (x: Value, w: Value, b: Value): Value => elementwise(activation, matmul(x, w, false, false, b));
      const y = matmul(layer(layer(v.x!, v.w1!, v.b1!), v.w2!, v.b2!), v.w3!);
      const wrt = ['w1', 'b1', 'w2', 'b2', 'w3'] as const;
      const made = gradients(
        sum(elementwise('mul', y, v.dy!)),
        wrt.map((name) => v[name]!),
      );
      return { y, ...Object.fromEntries(wrt.map((name, i) => [`d${name}`, made[i]!])) };
    },
    reference(v) {
      const [x, w1, w2, w3, dy] = [v.x!, v.w1!, v.w2!, v.w3!, v.dy!];
      const z1 = product(x, w1, ROWS, inputs, first).map((z, i) => z + v.b1![i % first]!);
      const h1 = z1.map((z) => stored(act(z)));
      const z2 = product(h1, w2, ROWS, first, second).map((z, i) => z + v.b2![i % second]!);
      const h2 = z2.map((z) => stored(act(z)));
      const dz2 = product(dy, w3, ROWS, outputs, second, false, true).map((d, i) => d * slope(z2[i]!));
      const stored2 = dz2.map(stored);
      const dz1 = product(stored2, w2, ROWS, second, first, false, true).map((d, i) => d * slope(z1[i]!));
      const stored1 = dz1.map(stored);
      return {
        y: product(h2, w3, ROWS, second, outputs),
        dw3: product(h2, dy, second, ROWS, outputs, true),
        dw2: product(h1, stored2, first, ROWS, second, true),
        db2: columnSums(stored2, second),
        dw1: product(x, stored1, inputs, ROWS, first, true),
        db1: columnSums(stored1, first),
      };
    },
    gradients: [],
    terms: ROWS,
  };
}

const CASES = [layers('relu', [3, 8, 5, 2]), layers('relu', [2, 4, 136, 3]), layers('gelu', [3, 8, 8, 2])];
/** Rows repeat, so that there are few numbers of which one could lie near a tie. */
function numbersOf(test: OpCase): Numbers {
  const random = inputNumbers(test.inputs, SEED);
  return Object.fromEntries(
    Object.entries(test.inputs).map(([name, { shape }]) => {
      const numbers = coarse(random[name]!);
      return [name, shape[0] === ROWS ? numbers.map((_, i) => numbers[i % (PERIOD * shape[1]!)]!) : numbers];
    }),
  );
}
const WAYS = ['first', 'activation_epilogue,slope_epilogue,gradient_epilogue'];

for (const capability of ['9.0', '7.5']) {
  describe(`dense layers stored in bfloat16, on an emulated GPU of compute capability ${capability}`, () => {
    let session: NativeSession;
    const ways = process.env.GRADSTEP_CUDA_WAYS;
    before(() => {
      process.env.GRADSTEP_EMULATION_CAPABILITY = capability;
      session = emulatedSession();
    });
    after(async () => {
      await session.dispose();
      delete process.env.GRADSTEP_EMULATION_CAPABILITY;
      process.env.GRADSTEP_CUDA_WAYS = ways;
    });

    for (const test of CASES) {
      for (const names of WAYS) {
        it(`${test.name}, by ${names}`, async () => {
          process.env.GRADSTEP_CUDA_WAYS = names;
          const numbers = numbersOf(test);
          const expected = test.reference(numbers, 'cuda');
          const options = { guardBytes: 64, fusion: true, precision: 'bfloat16' as const };
          const { outputs, program } = await runCase(session, 'cuda', test, numbers, options);
          for (const [name, values] of Object.entries(expected)) expectClose(outputs[name]!, values, test, name);
          const types = (op: string, tensor: string): (string | undefined)[] =>
            program.instructions.filter((i) => i.op.name === op).map((i) => (i.outputs[tensor] ?? i.inputs[tensor])?.dtype);
          expect(types('dense', 'y')).to.deep.equal(['bfloat16', 'bfloat16']);
          // The first layer's x is float32, and gelu's sums are kept.
          expect(types('dense', 'bias')).to.deep.equal(['float32', /^relu/.test(test.name) ? 'bfloat16' : 'float32']);
          expect(types('denseDx', 'dx')).to.deep.equal(['bfloat16', 'bfloat16']);
        });
      }
    }
  });
}

describe('launches of a product in bfloat16', () => {
  const plain = rounded('bfloat16', 5, 8, 4, false, false);
  const withBias = rounded('bfloat16', 5, 8, 4, false, false, { bias: true, relu: true });
  const behindRelu = masked(5, 8, 4, { precision: 'bfloat16' });
  const all = ['a', 'b', 'y'];

  /** Nodes of the graph of its step. */
  async function nodesOf(test: OpCase, narrow: readonly string[], capability: string, precision?: 'bfloat16'): Promise<number> {
    process.env.GRADSTEP_EMULATION_CAPABILITY = capability;
    const traced = new Traced();
    const session = emulatedSession();
    try {
      await runCase(session, 'cuda', test, inputNumbers(test.inputs), { guardBytes: 0, fusion: true, narrow, precision });
      return traced.take().find(([what]) => what === 'capture')![1];
    } finally {
      await session.dispose();
      traced.end();
      delete process.env.GRADSTEP_EMULATION_CAPABILITY;
    }
  }

  for (const [what, test, narrow, launches] of [
    ['one, of what is stored in it', plain, all, 1],
    ['one, with a result in float32', plain, ['a', 'b'], 1],
    ['one, with a bias and a result in float32', withBias, ['a', 'b'], 1],
    ['one before it that rounds the other operand', plain, ['b', 'y'], 2],
    ['one behind it that rounds what has a bias', withBias, all, 2],
    ['one behind it that rounds a product of float32', plain, ['y'], 2],
    ['one behind it that masks, sums and rounds', behindRelu, [...all, 'mask'], 2],
  ] as const) {
    it(what, async () => {
      expect(await nodesOf(test, narrow, '8.0')).to.equal(launches);
    });
  }

  it('of a layer with relu that reads and yields it, and of the way back: two by passes, one by an epilogue', async () => {
    const [test] = CASES;
    const ways = process.env.GRADSTEP_CUDA_WAYS;
    const of = async (names: string): Promise<number> => {
      process.env.GRADSTEP_CUDA_WAYS = names;
      return nodesOf(test!, [], '8.0', 'bfloat16');
    };
    const passes = await of('first');
    // The first layer reads float32: an epilogue saves nothing there.
    expect(await of('activation_epilogue')).to.equal(passes - 1);
    // On the way back both products read bfloat16, and leave the sums to others.
    expect(await of('slope_epilogue')).to.equal(passes - 2);
    process.env.GRADSTEP_CUDA_WAYS = ways;
  });

  it('where the device has no units for it: one before that widens, one behind that rounds', async () => {
    expect(await nodesOf(plain, all, '7.5')).to.equal(3);
    expect(await nodesOf(plain, ['a'], '7.5')).to.equal(2);
    expect(await nodesOf(plain, [], '7.5')).to.equal(1);
  });
});
