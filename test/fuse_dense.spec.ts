/** Dense layers with relu or gelu on CUDA: which of them leave for the way back what the slope follows from, and when not. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { costOf } from '../lib/compile/cost.js';
import type { Instruction, Program } from '../lib/compile/program.js';
import { assign, lower } from '../lib/compile/lower.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { mean, sum } from '../lib/ops/reduce_sum.js';
import { reshape } from '../lib/ops/reshape.js';
import { programOf } from '../lib/train/inspect.js';
import type { Precision } from '../lib/ops/precision.js';
import { lowerOn, named } from './helpers/lowered.js';

type Inputs = Record<'x' | 'w1' | 'b1' | 'w2' | 'dy', Value>;

/** 70 rows, which no stack of layers takes. */
function lowered(
  build: (inputs: Inputs) => Value[],
  { columns = 8, backend = 'cuda' as 'cpu' | 'cuda', precision = 'float32' as Precision } = {},
): Program {
  return lowerOn(
    backend,
    (read) =>
      build({
        x: read('x', [70, 4]),
        w1: read('w1', [4, columns]),
        b1: read('b1', [columns]),
        w2: read('w2', [columns, 3]),
        dy: read('dy', [70, 3]),
      }),
    precision,
  );
}

const relu = (z: Value): Value => elementwise('relu', z);
const gelu = (z: Value): Value => elementwise('gelu', z);
const below = ({ x, w1, b1 }: Inputs): Value => matmul(x, w1, false, false, b1);
const back = ({ dy, w2 }: Inputs): Value => matmul(dy, w2, false, true);
const training =
  (activation: (z: Value) => Value) =>
  (inputs: Inputs): Value[] => {
    const y = matmul(activation(below(inputs)), inputs.w2);
    return gradients(sum(elementwise('mul', y, inputs.dy)), [inputs.w1, inputs.b1, inputs.w2]);
  };
const opsOf = (program: Program): string[] => program.instructions.map((i) => i.op.name);
const both = (program: Program): [Instruction, Instruction] => [named(program, 'dense')[0]!, named(program, 'denseDx')[0]!];

describe('dense layers on CUDA', () => {
  for (const [name, activation] of [
    ['relu', relu],
    ['gelu', gelu],
  ] as const) {
    for (const precision of ['float32', 'tf32'] as const) {
      it(`with ${name} in ${precision}: what the slope follows from goes to the other product, which makes the bias's gradient`, () => {
        const program = lowered(training(activation), { precision });
        const [layer, dx] = both(program);
        expect(layer.attrs.activation).to.equal(name);
        expect(dx.attrs.activation).to.equal(name);
        expect(dx.inputs.aux!.buffer).to.equal(layer.outputs.aux!.buffer);
        expect(dx.outputs.sums!.buffer.variable!.name).to.equal('out1');
        // Besides these two the products that yield the gradients by both weights.
        expect(
          opsOf(program)
            .filter((op) => op !== 'map')
            .sort(),
        ).to.deep.equal(['dense', 'denseDx', 'matmul', 'matmul']);
        expect(costOf(layer).flops).to.equal(2 * 70 * 4 * 8);
        expect(costOf(dx).flops).to.equal(2 * 70 * 3 * 8);
      });
    }

    it(`with ${name} in bfloat16: the gradient of the bias comes with that of the weight`, () => {
      const program = lowered(training(activation), { precision: 'bfloat16' });
      const [, dx] = both(program);
      expect(Object.keys(dx.outputs)).to.deep.equal(['dx']);
      expect(dx.outputs.dx!.dtype).to.equal('bfloat16');
      const [dw, ...others] = named(program, 'denseDw');
      expect(others).to.deep.equal([]);
      expect(dw!.inputs.dy!.buffer).to.equal(dx.outputs.dx!.buffer);
      expect(Object.values(dw!.outputs).map((o) => o.buffer.variable!.name)).to.deep.equal(['out0', 'out1']);
      expect(named(program, 'matmul')).to.have.length(1);
      expect(named(program, 'reduceSum')).to.have.length(0);
    });

    it(`with ${name}: nothing of it on the CPU`, () => {
      const program = lowered(training(activation), { backend: 'cpu' });
      expect(opsOf(program).filter((op) => op.startsWith('dense'))).to.deep.equal([]);
    });
  }

  describe("the sums of denseDx's columns in bfloat16", () => {
    /** What comes of a step of which `wanted` is made of the sums and the result of denseDx. */
    const made = (wanted: (dz: Value, inputs: Inputs) => Value[]): Program =>
      lowered(
        (inputs) => {
          const h = relu(below(inputs));
          const dz = elementwise('mul', back(inputs), elementwise('step', h));
          return wanted(dz, inputs);
        },
        { precision: 'bfloat16' },
      );
    const sumsOf = (program: Program): string[] =>
      program.instructions.filter((i) => i.outputs.sums ?? i.outputs.dbias).map((i) => i.op.name);
    const dw = (dz: Value, { x }: Inputs): Value => matmul(x, dz, true);

    it('come with a weight gradient that is made of the same', () => {
      expect(sumsOf(made((dz, inputs) => [sum(dz, [0]), dw(dz, inputs)]))).to.deep.equal(['denseDw']);
      expect(sumsOf(made((dz, inputs) => [dw(dz, inputs), sum(dz, [0])]))).to.deep.equal(['denseDw']);
    });

    it('stay where there is none', () => {
      expect(sumsOf(made((dz) => [sum(dz, [0]), elementwise('neg', dz)]))).to.deep.equal(['denseDx']);
      expect(sumsOf(made((dz, { x }) => [sum(dz, [0]), matmul(dz, x, true)]))).to.deep.equal(['denseDx']);
    });

    it('stay where they are read before it', () => {
      const program = made((dz, { x }) => {
        const sums = sum(dz, [0]);
        return [sums, matmul(elementwise('mul', x, sum(sums)), dz, true)];
      });
      expect(sumsOf(program)).to.deep.equal(['denseDx']);
    });

    it('stay where it sees what they are of in another shape', () => {
      const program = made((dz, { x }) => [sum(dz, [0]), matmul(reshape(x, [140, 2]), reshape(dz, [140, 4]), true)]);
      expect(sumsOf(program)).to.deep.equal(['denseDx']);
    });
  });

  it("relu's bits have rows of 128 and multiples", () => {
    for (const [columns, words] of [
      [1, 4],
      [128, 4],
      [129, 8],
      [300, 12],
    ] as const) {
      const [layer] = both(lowered(training(relu), { columns }));
      expect(layer.outputs.aux!.dtype).to.equal('int32');
      expect(layer.outputs.aux!.shape).to.deep.equal([70, words]);
      expect(layer.outputs.aux!.buffer.bytes).to.equal(70 * words * 4);
    }
  });

  it("gelu's sums are kept where their columns come in eights", () => {
    const [layer] = both(lowered(training(gelu), { columns: 16 }));
    expect(layer.outputs.aux!.shape).to.deep.equal([70, 16]);
    const other = lowered(training(gelu), { columns: 12 });
    expect(opsOf(other).filter((op) => op.startsWith('dense'))).to.deep.equal(['denseDw']);
  });

  it('gelu alone leaves nothing, with any number of columns', () => {
    const program = lowered((inputs) => [gelu(below(inputs))], { columns: 13 });
    expect(opsOf(program)).to.deep.equal(['dense']);
    expect(Object.keys(program.instructions[0]!.outputs)).to.deep.equal(['y']);
  });

  it('relu alone stays with the product', () => {
    expect(opsOf(lowered((inputs) => [elementwise('neg', relu(below(inputs)))]))).to.deep.equal(['matmul', 'map']);
  });

  it('two products above one layer read the same bits', () => {
    const program = lowered((inputs) => {
      const h = relu(below(inputs));
      const masked = (dy: Value): Value => elementwise('mul', matmul(dy, inputs.w2, false, true), elementwise('step', h));
      return [masked(inputs.dy), masked(elementwise('neg', inputs.dy))];
    });
    expect(named(program, 'dense')).to.have.length(1);
    const aux = named(program, 'dense')[0]!.outputs.aux!.buffer;
    expect(named(program, 'denseDx').map((i) => i.inputs.aux!.buffer === aux)).to.deep.equal([true, true]);
  });

  const left: [why: string, build: (inputs: Inputs) => Value[], columns?: number][] = [
    [
      'relu is seen in another shape',
      ({ x, w1, b1 }) => {
        const h = reshape(relu(matmul(x, w1)), [140, 16]);
        const above = matmul(reshape(x, [140, 2]), reshape(b1, [16, 2]), false, true);
        return [elementwise('mul', above, elementwise('step', h))];
      },
      32,
    ],
    ['what masks is no result of relu', (inputs) => [elementwise('mul', back(inputs), elementwise('step', below(inputs)))]],
    [
      'the product below is of a transpose',
      ({ x }) => [elementwise('mul', matmul(x, x, false, true), elementwise('step', relu(matmul(x, x, false, true))))],
    ],
    [
      'the product above is not of a transpose',
      ({ x, w1, b1 }) => {
        const h = relu(matmul(x, w1, false, false, b1));
        return [elementwise('mul', matmul(x, w1), elementwise('step', h))];
      },
    ],
    [
      'the product above has a bias',
      (inputs) => {
        const h = relu(below(inputs));
        return [elementwise('mul', matmul(inputs.dy, inputs.w2, false, true, inputs.b1), elementwise('step', h))];
      },
    ],
    ['gelu is of something else', ({ x }) => [gelu(x)]],
    [
      'gelu is of the sum of two products',
      ({ x, w1 }) => [gelu(elementwise('add', matmul(x, w1), matmul(elementwise('neg', x), w1)))],
    ],
  ];
  for (const [why, build, columns] of left) {
    it(`leaves a layer alone where ${why}`, () => {
      const program = lowered(build, { columns });
      expect(opsOf(program).filter((op) => op.startsWith('dense'))).to.deep.equal([]);
    });
  }

  describe("a weight's gradient", () => {
    const yields = (program: Program): string[][] =>
      named(program, 'denseDw').map(({ outputs }) => Object.values(outputs).map((o) => o.buffer.variable!.name));

    it('comes with that of the bias, whichever was made first', () => {
      const dw = ({ x, dy }: Inputs): Value => matmul(x, dy, true);
      for (const [outs, build] of [
        [['out0', 'out1'], (i: Inputs) => [dw(i), sum(i.dy, [0])]],
        [['out1', 'out0'], (i: Inputs) => [sum(i.dy, [0]), dw(i)]],
      ] as const) {
        const program = lowered((inputs) => [...build(inputs)]);
        expect(opsOf(program)).to.deep.equal(['denseDw']);
        expect(yields(program)).to.deep.equal([outs]);
        expect(costOf(program.instructions[0]!).flops).to.equal(2 * 70 * 4 * 3);
      }
    });

    it('comes alone where the sums are others', () => {
      for (const sums of [(dy: Value) => sum(dy, [1]), (dy: Value) => sum(dy), (dy: Value) => mean(dy, [0])]) {
        const program = lowered(({ x, dy }) => [matmul(x, dy, true), sums(dy)]);
        expect(yields(program)).to.deep.equal([]);
      }
    });

    it('comes alone on the CPU, and where it is added to another', () => {
      const build = ({ x, dy }: Inputs): Value[] => [
        elementwise('add', matmul(x, dy, true), matmul(elementwise('neg', x), dy, true)),
        sum(dy, [0]),
      ];
      const program = lowered(build);
      expect(named(program, 'matmul').filter((i) => i.accumulate.length > 0)).to.have.length(1);
      // The other product of the two may have it.
      expect(named(program, 'denseDw')).to.have.length(1);
      expect(opsOf(lowered(({ x, dy }) => [matmul(x, dy, true), sum(dy, [0])], { backend: 'cpu' }))).to.include('matmul');
    });
  });

  describe('between variables that change', () => {
    const SHAPES: Record<string, number[]> = {
      x: [6, 4],
      w: [4, 8],
      dy: [6, 8],
      h: [6, 8],
      was: [6, 8],
      dw: [4, 8],
      db: [8],
      square: [8, 8],
      two: [2, 8],
    };
    type Get = (name: string) => Value;
    type Set = (name: string, value: Value) => void;

    /** The dense ops of a step over variables, each of which lies in memory of its own. */
    function denseOps(build: (get: Get, set: Set) => void): string[] {
      const graph = new Graph();
      const variables = Object.entries(SHAPES).map(([name, shape]): Variable => ({ name, shape, dtype: 'float32' }));
      const variable = (name: string): Variable => variables.find((v) => v.name === name)!;
      build(
        (name) => graph.read(variable(name)),
        (name, value) => assign(variable(name), value),
      );
      const offsetOf = (v: Variable): number => variables.indexOf(v) * 256;
      const persistentBytes = (): number => variables.length * 256;
      return opsOf(lower(graph, { name: 'test', backend: 'cuda', offsetOf, persistentBytes })).filter((op) =>
        op.startsWith('dense'),
      );
    }

    const neg = (v: Value): Value => elementwise('neg', v);
    const steps: [what: string, ops: string[], build: (get: Get, set: Set) => void][] = [
      [
        'both gradients, of what changes only afterwards',
        ['denseDw'],
        (get, set) => {
          set('dw', matmul(get('x'), get('dy'), true));
          set('x', neg(get('x')));
          set('db', sum(get('dy'), [0]));
        },
      ],
      [
        'none where dy changes between them',
        [],
        (get, set) => {
          set('dw', matmul(get('x'), get('dy'), true));
          set('dy', neg(get('was')));
          set('db', sum(get('dy'), [0]));
        },
      ],
      [
        'none where x changes before its product',
        [],
        (get, set) => {
          set('db', sum(get('dy'), [0]));
          set('x', neg(get('x')));
          set('dw', matmul(get('x'), get('dy'), true));
        },
      ],
      [
        "none where the bias's gradient of before is still read",
        [],
        (get, set) => {
          set('dw', matmul(get('x'), get('dy'), true));
          set('was', elementwise('add', get('was'), get('db')));
          set('db', sum(get('dy'), [0]));
        },
      ],
      [
        "none where the weight's gradient of before is still read",
        [],
        (get, set) => {
          set('db', sum(get('dy'), [0]));
          set('w', elementwise('add', get('w'), get('dw')));
          set('dw', matmul(get('x'), get('dy'), true));
        },
      ],
      [
        'none where the product reads what the sums have been written to',
        [],
        (get, set) => {
          set('db', sum(get('two'), [0]));
          set('dw', matmul(reshape(get('db'), [2, 4]), get('two'), true));
        },
      ],
      [
        'none where the product is more than a gradient',
        [],
        (get, set) => {
          set('dw', elementwise('relu', matmul(get('x'), get('dy'), true)));
          set('db', sum(get('dy'), [0]));
          set('square', matmul(get('dy'), get('was'), true, false, get('db')));
          set('db', sum(get('was'), [0]));
        },
      ],
      ['gelu into a variable', ['dense'], (get, set) => set('h', elementwise('gelu', matmul(get('x'), get('w'))))],
      [
        'no gelu where what it goes to is still read',
        [],
        (get, set) => {
          const z = matmul(get('x'), get('w'));
          set('was', neg(get('h')));
          set('h', elementwise('gelu', z));
        },
      ],
      [
        'no gelu that goes to what the product reads',
        [],
        (get, set) => set('h', elementwise('gelu', matmul(get('h'), get('square')))),
      ],
    ];
    for (const [what, ops, build] of steps) it(what, () => expect(denseOps(build)).to.deep.equal(ops));
  });

  it('a model has them between its layers, and gelu has tanh or stays a map', () => {
    const ops = (activation: gs.layers.DenseOptions['activation']): string[] => {
      const { layers } = gs;
      using model = gs.sequential([
        layers.dense({ units: 160, activation, inputShape: [20] }),
        layers.dense({ units: 160, activation }),
        layers.dense({ units: 3 }),
      ]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
      return opsOf(programOf(model, { kind: 'train', rows: 16 }, 'cuda').program).filter((op) => /^dense(Dx)?$/.test(op));
    };
    expect(ops('relu')).to.deep.equal(['dense', 'dense', 'denseDx', 'denseDx']);
    expect(ops((x) => gs.activations.gelu(x, { approximate: true }))).to.deep.equal(['dense', 'dense', 'denseDx', 'denseDx']);
    expect(ops('gelu')).to.deep.equal([]);
  });
});
