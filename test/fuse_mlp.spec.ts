/**
 * Stacks of narrow dense layers on CUDA: which of them become one kernel each way, that training with them is training
 * without them, and that it is the same which way the kernels take.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { costOf } from '../lib/compile/cost.js';
import { encodeProgram } from '../lib/compile/encode.js';
import { assign, lower } from '../lib/compile/lower.js';
import { align, type Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul, matmulOp } from '../lib/ops/matmul.js';
import { sum } from '../lib/ops/reduce_sum.js';
import type { InspectBatch } from '../lib/train/inspect.js';
import { programOf } from '../lib/train/inspect.js';
import type { NativeSession } from '../binding.js';
import { cases, large } from './cases/mlp.js';
import { backends, openSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { random } from './helpers/op_run.js';

const { layers } = gs;

/** Names of the ops of a model's program for CUDA, without those that every program has. */
function opsOf(list: readonly gs.Layer[], batch: Partial<InspectBatch> = {}, backend: 'cpu' | 'cuda' = 'cuda'): string[] {
  using model = gs.sequential([...list]);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
  const { program } = programOf(model, { kind: 'train', rows: 16, ...batch }, backend);
  return namesOf(program);
}

function namesOf(program: Program): string[] {
  return program.instructions.map((i) => i.op.name);
}

const count = (names: readonly string[], ...wanted: string[]): number => names.filter((n) => wanted.includes(n)).length;
/** Products of single layers: as they are, and with what CUDA makes of them. */
const PRODUCTS = ['matmul', 'dense', 'denseDx', 'denseDw'];
const dense = (units: number, options: Partial<gs.layers.DenseOptions> = {}): gs.Layer => layers.dense({ units, ...options });
const first = (units: number, inputs: number, options: Partial<gs.layers.DenseOptions> = {}): gs.Layer =>
  dense(units, { inputShape: [inputs], activation: 'relu', ...options });

/** A layer along five steps of four numbers, and one of all that it makes of them. */
const steps = (): gs.Layer[] => [
  layers.reshape({ targetShape: [5, 4], inputShape: [20] }),
  dense(6, { activation: 'tanh' }),
  layers.flatten(),
  dense(3),
];

const variables: Record<string, Variable> = Object.fromEntries(
  Object.entries({ x: [5, 4], w1: [4, 3], w2: [3, 2], dy: [5, 2], dw1: [4, 3] }).map(([name, shape]) => {
    return [name, { name, shape, dtype: 'float32' }];
  }),
);
type Inputs = Record<'x' | 'w1' | 'w2' | 'dy', Value>;
type Set = (name: string, value: Value) => void;

/** Lowers for CUDA what `build` makes of variables and writes to them, or to others. */
function lowered(build: (inputs: Inputs, set: Set) => void): Program {
  const graph = new Graph();
  const known = new Map(Object.entries(variables));
  const read = (name: string): Value => graph.read(known.get(name)!);
  build({ x: read('x'), w1: read('w1'), w2: read('w2'), dy: read('dy') }, (name, value) => {
    if (!known.has(name)) known.set(name, { name, shape: value.shape, dtype: 'float32' });
    assign(known.get(name)!, value);
  });
  const size = align(4 * 20);
  const offsetOf = ({ name }: Variable): number => [...known.keys()].indexOf(name) * size;
  return lower(graph, { name: 'test', backend: 'cuda', offsetOf, persistentBytes: () => known.size * size });
}

/** More than mlpGrad's one launch takes at a time, and than make "fused" the first way. */
const manyRows = large({ rows: 70, widths: [40, 30, 20, 6], activations: ['relu', 'tanh', 'linear'] });

describe('stacks of dense layers', () => {
  describe('become one kernel each way on CUDA', () => {
    it('two layers take two instructions of a training step', () => {
      const names = (rows: number): string[] => opsOf([first(128, 784), dense(10)], { rows });
      const [fused, unfused] = [names(32), names(257)];
      expect(count(fused, 'mlp', 'mlpGrad')).to.equal(2);
      expect(count(fused, ...PRODUCTS)).to.equal(0);
      expect(count(unfused, ...PRODUCTS)).to.equal(5);
      expect(fused.length).to.be.at.most(unfused.length - 3);
    });

    it('and count the operations of all their products', () => {
      using model = gs.sequential([first(128, 784), dense(10)]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
      const { program } = programOf(model, { kind: 'train', rows: 32 }, 'cuda');
      const flops = (name: string): number => costOf(program.instructions.find((i) => i.op.name === name)!).flops;
      const [large, small] = [2 * 32 * 784 * 128, 2 * 32 * 128 * 10];
      expect(flops('mlp')).to.equal(large + small);
      // Both weights' gradients, and that of the second layer's input.
      expect(flops('mlpGrad')).to.equal(large + 2 * small);
    });

    it('with every activation that has a slope of its value, and with none', () => {
      for (const activation of ['linear', 'relu', 'tanh', 'sigmoid'] as const) {
        const names = opsOf([first(128, 20, { activation }), dense(7, { activation }), dense(3)]);
        expect(count(names, 'mlp'), activation).to.equal(1);
        expect(count(names, 'mlpGrad'), activation).to.equal(1);
        expect(count(names, ...PRODUCTS), activation).to.equal(0);
      }
    });

    it('up to four layers, then the next', () => {
      const stack = (n: number): gs.Layer[] =>
        Array.from({ length: n }, (_, i) => (i === 0 ? first(8, 9) : dense(8, { activation: 'relu' })));
      const counts = (n: number): number[] => {
        const names = opsOf(stack(n));
        return [count(names, 'mlp'), count(names, 'mlpGrad'), count(names, ...PRODUCTS)];
      };
      expect(counts(4)).to.deep.equal([1, 1, 0]);
      // The fifth has no other: a product, and its input's and weights' gradients.
      expect(counts(5)).to.deep.equal([1, 1, 3]);
      expect(counts(7)).to.deep.equal([2, 2, 0]);
    });

    it('without gradients too, and then only the last value is made', () => {
      using model = gs.sequential([first(8, 9), dense(3)]);
      const { program } = programOf(model, { kind: 'predict', rows: 16 }, 'cuda');
      const mlp = program.instructions.find((i) => i.op.name === 'mlp')!;
      expect(Object.keys(mlp.outputs)).to.deep.equal(['y2']);
    });

    it('where only some layers are trained', () => {
      const frozen = first(8, 9, { trainable: false });
      using model = gs.sequential([frozen, dense(5, { activation: 'tanh' }), dense(3)]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
      const { program } = programOf(model, { kind: 'train', rows: 16 }, 'cuda');
      const grad = program.instructions.find((i) => i.op.name === 'mlpGrad')!;
      expect(Object.keys(grad.outputs).sort()).to.deep.equal(['dbias2', 'dbias3', 'dw2', 'dw3']);
      expect(namesOf(program)).to.not.include('matmul');
    });

    it('where a penalty is added to a gradient while others are still to come', () => {
      const kernelRegularizer = gs.regularizers.l2({ l2: 0.1 });
      const names = opsOf([first(8, 9, { kernelRegularizer }), dense(5, { kernelRegularizer })]);
      expect(count(names, 'mlpGrad')).to.equal(1);
    });
  });

  describe('are left alone', () => {
    const left: [why: string, list: () => readonly gs.Layer[], batch?: Partial<InspectBatch>][] = [
      ['where a layer is wider than 128', () => [first(129, 9), dense(3)]],
      ['where the last is wider than 128', () => [first(8, 9), dense(129)]],
      ['where the first has more than 1024 inputs', () => [first(8, 1025), dense(3)]],
      ['of one layer', () => [first(8, 9)]],
      ['with dropout in between', () => [first(8, 9), layers.dropout({ rate: 0.5 }), dense(3)]],
      ['with a normalisation in between', () => [first(8, 9), layers.batchNormalization(), dense(3)]],
      [
        'with an activation that takes more than its value to differentiate',
        () => [first(8, 9, { activation: 'gelu' }), dense(3)],
      ],
      ['of more than 256 rows', () => [first(8, 9), dense(3)], { rows: 257 }],
    ];
    for (const [why, list, batch] of left) {
      it(why, () => {
        const names = opsOf(list(), batch);
        expect(names).to.include('matmul');
        expect(count(names, 'mlp', 'mlpGrad')).to.equal(0);
      });
    }

    it('where a value between them is read by somebody else', () => {
      const x = gs.input({ shape: [9] });
      const hidden = dense(8, { activation: 'relu' }).apply(x);
      using model = gs.model({ inputs: x, outputs: [dense(3).apply(hidden), dense(2).apply(hidden)] });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
      for (const kind of ['train', 'predict'] as const) {
        const names = namesOf(programOf(model, { kind, rows: 16 }, 'cuda').program);
        expect(count(names, 'mlp', 'mlpGrad'), kind).to.equal(0);
      }
    });

    it('where the next layer has other rows: those of a value in another shape', () => {
      const names = opsOf(steps());
      expect(count(names, 'mlp', 'mlpGrad')).to.equal(0);
      expect(count(names, ...PRODUCTS)).to.be.greaterThan(0);
    });

    it('on the CPU', () => {
      expect(count(opsOf([first(8, 9), dense(3)], {}, 'cpu'), 'mlp', 'mlpGrad')).to.equal(0);
    });

    const inBfloat16 = (a: Value, b: Value): Value => a.graph.add(matmulOp, { a, b }, { precision: 'bfloat16' }).outputs.y!;

    /** What goes back by hand, `between` standing before the first layer's part. */
    const backward = ({ x, w1, w2, dy }: Inputs, set: Set, between: (hidden: Value, dz: Value) => void): void => {
      const hidden = elementwise('relu', matmul(x, w1));
      set('y', matmul(hidden, w2));
      set('dw2', matmul(hidden, dy, true));
      const dz = elementwise('mul', matmul(dy, w2, false, true), elementwise('step', hidden));
      between(hidden, dz);
      set('dw1', matmul(x, dz, true));
    };
    const refused: Record<string, (inputs: Inputs, set: Set) => void> = {
      'where a value between them is kept': ({ x, w1, w2 }, set) => {
        const hidden = elementwise('relu', matmul(x, w1));
        set('y', matmul(hidden, w2));
        set('hidden', hidden);
      },
      'where a gradient between them is kept': ({ x, w1, w2, dy }, set) => {
        const hidden = elementwise('relu', matmul(x, w1));
        const [dw1, dHidden] = gradients(sum(elementwise('mul', matmul(hidden, w2), dy)), [w1, hidden]);
        set('dw1', dw1!);
        set('dHidden', dHidden!);
      },
      'where a gradient behind a slope is read': (v, set) => backward(v, set, (_, dz) => set('neg', elementwise('neg', dz))),
      'where weights change on the way forward': ({ x, w1, w2 }, set) => {
        const hidden = elementwise('relu', matmul(x, w1));
        set('w1', elementwise('neg', w1));
        set('y', matmul(hidden, w2));
      },
      'where data change on the way back': (v, set) => backward(v, set, () => set('x', elementwise('neg', v.x))),
      'where memory of a gradient is in use until it is made': (v, set) =>
        backward(v, set, () => set('old', elementwise('neg', v.x.graph.read(variables.dw1!)))),
      'where a gradient between them is a result': (v, set) => backward(v, set, (_, dz) => set('dz', dz)),
      'where a slope is read': (v, set) =>
        backward(v, set, (hidden, dz) => set('mask', elementwise('neg', dz.node!.inputs.in1 ?? hidden))),
      'where a slope is made before the last gradient': ({ x, w1, w2, dy }, set) => {
        const hidden = elementwise('relu', matmul(x, w1));
        set('y', matmul(hidden, w2));
        const slope = elementwise('step', hidden);
        const dz = elementwise('neg', dy);
        set('dw1', matmul(x, elementwise('mul', matmul(dz, w2, false, true), slope), true));
      },
      'where a gradient is made before the last value': ({ x, w1, w2, dy }, set) => {
        const hidden = elementwise('relu', matmul(x, w1));
        set('dw2', matmul(hidden, dy, true));
        set('y', matmul(hidden, w2));
      },
      'where the gradients are computed otherwise than the values': ({ x, w1, w2, dy }, set) => {
        const y = inBfloat16(elementwise('relu', inBfloat16(x, w1)), w2);
        set('y', y);
        set('dw1', gradients(sum(elementwise('mul', y, dy)), [w1])[0]!);
      },
      'where one layer is computed otherwise than the next': ({ x, w1, w2 }, set) => {
        set('y', matmul(elementwise('relu', inBfloat16(x, w1)), w2));
      },
    };
    for (const [why, build] of Object.entries(refused)) {
      it(why, () => expect(count(namesOf(lowered(build)), 'mlp', 'mlpGrad')).to.equal(0));
    }

    it('but not where nothing stands in between', () => {
      const names = namesOf(lowered((v, set) => backward(v, set, () => set('old', elementwise('neg', v.dy)))));
      expect(names).to.include.members(['mlp', 'mlpGrad']);
    });
  });

  for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
    for (const way of ['fused', 'layers']) {
      describe(`in the way "${way}" on ${backend.name}`, () => {
        let session: NativeSession;
        let before: string | undefined;
        beforeEach(() => {
          before = process.env.GRADSTEP_CUDA_WAYS;
          process.env.GRADSTEP_CUDA_WAYS = way;
          session = openSession(backend);
        });
        afterEach(async () => {
          await session.dispose();
          process.env.GRADSTEP_CUDA_WAYS = before;
        });

        for (const test of [...cases, manyRows]) {
          it(test.name, async () => {
            let fused = 0;
            await compareCase(session, backend.kind, test, (program) => (fused += count(namesOf(program), 'mlp')));
            expect(fused, 'programs with fusion').to.be.greaterThan(0);
          });
        }
      });
    }
  }

  it('a kernel refuses layers that are wider than it can take', async () => {
    const program = lowered(({ x, w1, w2 }, set) => set('y', matmul(matmul(x, w1), w2)));
    const [mlp, ...rest] = program.instructions;
    const buffer = { bytes: 4 * 4 * 129, region: 'persistent', offset: 1 << 15 } as const;
    const wide = { ...mlp!, inputs: { ...mlp!.inputs, w1: { buffer, dtype: 'float32' as const, shape: [4, 129] } } };
    const session = openSession(backends().find(({ kind }) => kind === 'cuda')!);
    try {
      await session.reserve(1 << 16);
      const encoded = encodeProgram({ ...program, instructions: [wide, ...rest], persistentBytes: 1 << 16 });
      const error = await session.load(encoded).then(
        () => undefined,
        (e: unknown) => e as { code: string; message: string },
      );
      expect(error?.code).to.equal('ERR_PROGRAM');
      expect(error?.message).to.match(/A layer of 4 to 129 units is too wide for an mlp/);
    } finally {
      await session.dispose();
    }
  });

  describe('trained on emulated CUDA', () => {
    const next = random(5);
    const data = (...shape: number[]): gs.Tensor =>
      gs.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => next() * 2 - 1),
        shape,
      );
    const x = data(48, 20);
    const y = data(48, 3);

    async function lossesOn(
      device: string,
      precision: 'float32' | 'tf32' | 'bfloat16',
      list: () => readonly gs.Layer[],
    ): Promise<number[]> {
      using model = gs.sequential([...list()]);
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, precision, seed: 3 });
      const { loss } = await model.fit(x, y, { epochs: 4, batchSize: 16, shuffle: false });
      const { data: predicted } = await model.predict(x);
      return [...loss, ...predicted];
    }

    const nets: Record<string, () => readonly gs.Layer[]> = {
      'relu and tanh': () => [first(128, 20), dense(33, { activation: 'tanh' }), dense(3)],
      'a penalty, a layer that is not trained, and a sigmoid': () => [
        first(16, 20, { kernelRegularizer: gs.regularizers.l2({ l2: 0.01 }) }),
        dense(9, { trainable: false, activation: 'sigmoid' }),
        dense(3, { useBias: false, activation: 'sigmoid' }),
      ],
    };
    it('layers with rows of their own: the numbers of the CPU', async () => {
      const [cpu, cuda] = [await lossesOn('cpu', 'float32', steps), await lossesOn('cuda-emulated', 'float32', steps)];
      cuda.forEach((value, i) => expect(value, `number ${i}`).to.be.closeTo(cpu[i]!, 1e-5));
    });

    for (const [name, list] of Object.entries(nets)) {
      for (const [precision, tolerance] of [
        ['float32', 1e-5],
        ['tf32', 2e-3],
        ['bfloat16', 1.6e-2],
      ] as const) {
        it(`${name} in ${precision}: the numbers of the CPU`, async () => {
          expect(opsOf(list())).to.include.members(['mlp', 'mlpGrad']);
          const [cpu, cuda] = [await lossesOn('cpu', precision, list), await lossesOn('cuda-emulated', precision, list)];
          cuda.forEach((value, i) => expect(value, `number ${i}`).to.be.closeTo(cpu[i]!, tolerance));
        });
      }
    }
  });
});
