/** Residual blocks: what fusion makes of their addition, relu and masked gradient, and what it must leave alone. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import type { Program } from '../lib/compile/program.js';
import type { Value } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { batchNorm, channelNormGradOp } from '../lib/ops/channel_norm.js';
import { elementwise } from '../lib/ops/map.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { describeProgram } from '../lib/train/inspect.js';
import { backends, openSession } from './helpers/backends.js';
import { lowerOn, named } from './helpers/lowered.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import type { OpCase } from './cases/op_case.js';

/** Lowers what `build` makes of variables x, r and w of one shape. */
const lowered = (build: (inputs: { x: Value; r: Value; w: Value }) => Value[]): Program =>
  lowerOn('cpu', (read) => build({ x: read('x', [6, 4]), r: read('r', [6, 4]), w: read('w', [6, 4]) }));

const norm = (x: Value): Value => batchNorm(x, undefined, undefined, 1e-3).y;
const add = (a: Value, b: Value): Value => elementwise('add', a, b);
const relu = (x: Value): Value => elementwise('relu', x);
const neg = (x: Value): Value => elementwise('neg', x);

describe('residual blocks', () => {
  describe('forward', () => {
    it('the addition and the relu behind a normalisation are its own, whichever operand it is', () => {
      for (const swapped of [false, true]) {
        const program = lowered(({ x, r }) => [relu(swapped ? add(r, norm(x)) : add(norm(x), r))]);
        expect(program.instructions.map((i) => i.op.name)).to.deep.equal(['channelNorm']);
        expect(program.instructions[0]!.inputs.residual!.buffer.variable!.name).to.equal('r');
        expect(program.instructions[0]!.attrs.activation).to.equal('relu');
      }
    });

    it('without a relu too', () => {
      const [only, ...rest] = lowered(({ x, r }) => [add(norm(x), r)]).instructions;
      expect(rest).to.deep.equal([]);
      expect(only!.inputs).to.have.property('residual');
      expect(only!.attrs.activation).to.equal('linear');
    });

    it('of two normalisations the later takes the earlier as its residual', () => {
      const program = lowered(({ x, r }) => {
        const [main, shortcut] = [norm(x), norm(r)];
        return [relu(add(main, shortcut))];
      });
      const [first, second, ...rest] = program.instructions;
      expect(rest).to.deep.equal([]);
      expect(first!.inputs).to.not.have.property('residual');
      expect(second!.inputs.residual!.buffer).to.equal(first!.outputs.y!.buffer);
    });

    const left: [why: string, build: (inputs: { x: Value; r: Value; w: Value }) => Value[]][] = [
      [
        'is read by others too',
        ({ x, r }) => {
          const y = norm(x);
          return [relu(add(y, r)), neg(y)];
        },
      ],
      [
        'comes before the shortcut',
        ({ x, r }) => {
          const y = norm(x);
          return [relu(add(y, neg(r)))];
        },
      ],
      [
        'is added to itself',
        ({ x }) => {
          const y = norm(x);
          return [relu(add(y, y))];
        },
      ],
      ['is added to less than its size', ({ x, r }) => [relu(add(norm(x), sum(r, [0])))]],
    ];
    for (const [why, build] of left) {
      it(`leaves the addition alone where the normalised value ${why}`, () => {
        expect(named(lowered(build), 'channelNorm')[0]!.inputs).to.not.have.property('residual');
      });
    }
  });

  describe('backward', () => {
    const slopes = (y: Value, w: Value, wrt: Value[]): Value[] => gradients(sum(elementwise('mul', y, w)), wrt);

    it('the normalisation masks the gradient, and yields what the shortcut reads', () => {
      const program = lowered(({ x, r, w }) => {
        const y = relu(add(neg(r), norm(x)));
        return [y, ...slopes(y, w, [x, r])];
      });
      const [grad] = named(program, 'channelNormGrad');
      expect(grad!.attrs.activation).to.equal('relu');
      expect(grad!.inputs.y!.buffer.variable!.name).to.equal('out0');
      const masked = grad!.outputs.dresidual!.buffer;
      const readers = program.instructions.filter((i) => Object.values(i.inputs).some((o) => o.buffer === masked));
      expect(readers.map((i) => Object.values(i.outputs)[0]!.buffer.variable!.name)).to.deep.equal(['out2']);
      expect(named(program, 'map'), '−r, dy and −dresidual').to.have.length(3);
    });

    it('yields no gradient by a shortcut that needs none', () => {
      const program = lowered(({ x, r, w }) => {
        const y = relu(add(norm(x), r));
        return [y, ...slopes(y, w, [x])];
      });
      const [grad] = named(program, 'channelNormGrad');
      expect(grad!.inputs).to.have.property('y');
      expect(grad!.outputs).to.not.have.property('dresidual');
    });

    it('leaves the mask alone where somebody reads its result before the normalisation does', () => {
      const program = lowered(({ x, r, w }) => {
        const { y, mean, variance } = batchNorm(x, undefined, undefined, 1e-3);
        const block = relu(add(y, r));
        const masked = elementwise('mul', w, elementwise('step', block));
        const before = neg(sum(masked, [0]));
        const attrs = { samples: 1, groups: 4, epsilon: 1e-3 };
        const { dx } = x.graph.add(channelNormGradOp, { x, dy: masked, mean, variance }, attrs).outputs;
        return [block, before, dx!];
      });
      const [grad] = named(program, 'channelNormGrad');
      expect(grad!.attrs.activation).to.equal('linear');
      expect(grad!.inputs).to.not.have.property('y');
    });
  });

  it('a network of an identity block and a projection block has no map of a block left, and its sums accumulate', () => {
    const { layers } = gs;
    const norm = (x: gs.SymbolicTensor, filters: number, strides: number): gs.SymbolicTensor =>
      layers
        .batchNormalization()
        .apply(layers.conv2d({ filters, kernelSize: 3, strides, padding: 'same', useBias: false }).apply(x));
    const relu = (x: gs.SymbolicTensor): gs.SymbolicTensor => layers.reLU().apply(x);
    const block = (x: gs.SymbolicTensor, filters: number, strides: number): gs.SymbolicTensor => {
      const main = norm(relu(norm(x, filters, strides)), filters, 1);
      return relu(layers.add().apply([main, strides > 1 ? norm(x, filters, strides) : x]));
    };
    const image = gs.input({ shape: [8, 8, 3] });
    const x = block(block(relu(norm(image, 4, 1)), 4, 1), 6, 2);
    const outputs = layers.dense({ units: 2 }).apply(layers.flatten().apply(x));
    using model = gs.model({ inputs: image, outputs });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const lines = describeProgram(model, { kind: 'train', rows: 4 }).split('\n');
    const count = (pattern: RegExp): number => lines.filter((line) => pattern.test(line)).length;
    expect(count(/ channelNorm .* residual:.* activation=relu/)).to.equal(2);
    expect(count(/ channelNormGrad .* dresidual:.* activation=relu/)).to.equal(2);
    // Into each block's input its two paths' gradients: the masked one of an identity, or the other convolution's.
    expect(count(/ convDx .*\+=/)).to.equal(2);
    expect(lines.filter((line) => / map /.test(line) && /step|add|relu/.test(line))).to.deep.equal([]);
  });

  const test: OpCase = {
    name: 'two blocks',
    inputs: { x: { shape: [70, 9], range: [-2, 3] }, r: { shape: [70, 9] } },
    build: ({ x, r }) => {
      const first = relu(add(neg(r!), norm(x!)));
      return { y: relu(add(norm(neg(first)), first)) };
    },
    reference: () => ({}),
  };
  for (const backend of backends()) {
    it(`the same bits with and without fusion on ${backend.name}`, async () => {
      const session = openSession(backend);
      try {
        const numbers = inputNumbers(test.inputs);
        const run = async (fusion: boolean) => {
          const {
            outputs,
            gradients: found,
            program,
          } = await runCase(session, backend.kind, test, numbers, {
            guardBytes: 0,
            fusion,
          });
          // A product with 0 may be −0.
          const plain = (values: number[]): number[] => values.map((v) => v + 0);
          return { program, numbers: [outputs.y!, found.x!, found.r!].map(plain) };
        };
        const [fused, unfused] = [await run(true), await run(false)];
        expect(named(fused.program, 'channelNormGrad').filter((i) => i.outputs.dresidual)).to.have.length(2);
        expect(fused.numbers).to.deep.equal(unfused.numbers);
      } finally {
        await session.dispose();
      }
    });
  }
});
