/** Weights that products read beside activations in bfloat16, on CUDA: which of them a step rounds, how often, and when not. */
import { expect } from 'chai';
import { assign, lower } from '../lib/compile/lower.js';
import type { Instruction, Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { movingAverage } from '../lib/ops/moving_average.js';
import type { Precision } from '../lib/ops/precision.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { lowerOn, named, type ReadVariable } from './helpers/lowered.js';

/** More rows than a stack of layers in one launch takes. */
const ROWS = 300;

const lowered = (build: (read: ReadVariable) => Value[], backend: 'cpu' | 'cuda' = 'cuda', precision: Precision = 'bfloat16') =>
  lowerOn(backend, build, precision);

/** What a relu yields: stored in bfloat16 where products alone read it. */
const hidden = (read: ReadVariable, name = 'w1'): Value => elementwise('relu', matmul(read('x', [ROWS, 4]), read(name, [4, 8])));

const roundings = (program: Program): Instruction[] => named(program, 'toBfloat16');
const variablesOf = ({ inputs }: Instruction): string[] => Object.values(inputs).map(({ buffer }) => buffer.variable!.name);
/** The second operand of each product: in what it is stored, and of which variable, where it is one. */
const factors = (program: Program): [string, string | undefined][] =>
  named(program, 'matmul').map(({ inputs }) => [inputs.b!.dtype, inputs.b!.buffer.variable?.name]);

describe('weights in bfloat16', () => {
  it('are rounded at the beginning where the other operand is stored so, and the copy is read', () => {
    const program = lowered((read) => [matmul(hidden(read), read('w2', [8, 3]))]);
    expect(program.instructions.map((i) => i.op.name)).to.deep.equal(['toBfloat16', 'matmul', 'matmul']);
    expect(variablesOf(roundings(program)[0]!)).to.deep.equal(['w2']);
    expect(factors(program)).to.deep.equal([
      ['float32', 'w1'],
      ['bfloat16', undefined],
    ]);
    const copy = roundings(program)[0]!.outputs.y1!;
    expect(copy.shape).to.deep.equal([8, 3]);
    expect(copy.buffer.bytes).to.equal(48);
    expect(named(program, 'matmul')[1]!.inputs.b!.buffer).to.equal(copy.buffer);
    expect(named(program, 'matmul')[1]!.inputs.a!.dtype).to.equal('bfloat16');
  });

  it('are not copied on the CPU, nor in float32', () => {
    const build = (read: ReadVariable): Value[] => [matmul(hidden(read), read('w2', [8, 3]))];
    expect(roundings(lowered(build, 'cpu'))).to.deep.equal([]);
    for (const precision of ['float32', 'tf32'] as const) {
      expect(roundings(lowered(build, 'cuda', precision))).to.deep.equal([]);
    }
  });

  it('have one copy for all products', () => {
    const program = lowered((read) => {
      const w2 = read('w2', [8, 3]);
      return [matmul(hidden(read), w2), matmul(hidden(read, 'v1'), w2)];
    });
    expect(roundings(program).map(variablesOf)).to.deep.equal([['w2']]);
    const read = named(program, 'matmul').filter((i) => i.inputs.b!.dtype === 'bfloat16');
    expect(new Set(read.map((i) => i.inputs.b!.buffer)).size).to.equal(1);
    expect(read).to.have.length(2);
  });

  it('are rounded sixteen at a time', () => {
    const program = lowered((read) => {
      const h = hidden(read);
      return Array.from({ length: 35 }, (_, i) => matmul(h, read(`v${i}`, [8, 3])));
    });
    expect(program.instructions.slice(0, 3)).to.deep.equal(roundings(program));
    expect(roundings(program).map((i) => variablesOf(i).length)).to.deep.equal([16, 16, 3]);
  });

  it('are what the way back reads, too: no product reads a variable in float32 beside bfloat16', () => {
    const program = lowered((read) => {
      const [x, w1, w2, w3] = [read('x', [ROWS, 4]), read('w1', [4, 8]), read('w2', [8, 16]), read('w3', [16, 2])];
      const h = elementwise('relu', matmul(x, w1));
      const y = matmul(elementwise('relu', matmul(h, w2)), w3);
      return gradients(sum(elementwise('mul', y, read('dy', [ROWS, 2]))), [w1, w2, w3]);
    });
    const back = named(program, 'denseDx');
    expect(back, 'through both relus').to.have.length(2);
    expect(back[1]!.inputs.dy!.dtype).to.equal('bfloat16');
    expect(back[1]!.inputs.w!.buffer).to.equal(named(program, 'dense')[1]!.inputs.w!.buffer);
    const variables = roundings(program).flatMap(variablesOf);
    expect(new Set(variables).size).to.equal(variables.length);
    expect(variables).to.include.members(['w2', 'x']);
    for (const { op, inputs } of program.instructions) {
      if (op.name === 'toBfloat16') continue;
      const operands = Object.values(inputs).filter((o) => o.shape.length === 2);
      if (!operands.some((o) => o.dtype === 'bfloat16')) continue;
      expect(operands.filter((o) => o.dtype === 'float32' && o.buffer.variable)).to.deep.equal([]);
    }
  });

  describe('and biases', () => {
    /** Gradients of two layers, with relu or gelu, whose x is stored so, too. */
    const trained = (activation: 'relu' | 'gelu'): Program =>
      lowered((read) => {
        const [w2, b2, w3] = [read('w2', [8, 16]), read('b2', [16]), read('w3', [16, 2])];
        const y = matmul(elementwise(activation, matmul(hidden(read), w2, false, false, b2)), w3, false, false, read('b3', [2]));
        return gradients(sum(elementwise('mul', y, read('dy', [ROWS, 2]))), [w2, b2, w3]);
      });

    it('of a layer whose result is stored so are rounded along with the weights', () => {
      const program = trained('relu');
      expect(roundings(program)).to.have.length(1);
      expect(variablesOf(roundings(program)[0]!)).to.deep.equal(['w2', 'b2', 'w3']);
      const [layer] = named(program, 'dense');
      expect(layer!.inputs.bias!.dtype).to.equal('bfloat16');
      expect(layer!.inputs.bias!.shape).to.deep.equal([16]);
      expect(layer!.inputs.bias!.buffer).to.equal(roundings(program)[0]!.outputs.y2!.buffer);
    });

    it('of layers without an activation, and with a relu whose slope nobody wants', () => {
      const program = lowered((read) => {
        const z = matmul(hidden(read), read('w2', [8, 16]), false, false, read('b2', [16]));
        const h = elementwise('relu', matmul(z, read('w3', [16, 8]), false, false, read('b3', [8])));
        return [matmul(h, read('w4', [8, 2]))];
      });
      expect(roundings(program).map(variablesOf)).to.deep.equal([['w2', 'b2', 'w3', 'b3', 'w4']]);
      const layers = named(program, 'dense');
      expect(layers.map(({ attrs }) => attrs.activation)).to.deep.equal(['linear', 'relu']);
      for (const { inputs, outputs } of layers) {
        expect([inputs.bias!.dtype, outputs.y!.dtype]).to.deep.equal(['bfloat16', 'bfloat16']);
        expect(Object.keys(outputs)).to.deep.equal(['y']);
      }
    });

    it('of a layer that keeps the sums before gelu are not, nor those of a layer that reads float32', () => {
      expect(roundings(trained('gelu')).flatMap(variablesOf)).to.not.include('b2');
      const program = lowered((read) => {
        const z = matmul(read('x', [ROWS, 4]), read('w1', [4, 8]), false, false, read('b1', [8]));
        return [matmul(elementwise('gelu', z), read('w2', [8, 3]))];
      });
      expect(named(program, 'dense')[0]!.outputs.y!.dtype).to.equal('bfloat16');
      expect(roundings(program).map(variablesOf)).to.deep.equal([['w2']]);
    });
  });

  it('that change before they are read are not copied; after it they may change', () => {
    const build =
      (first: boolean) =>
      (read: ReadVariable): Value[] => {
        const [w2, flag] = [read('w2', [8, 3]), read('flag', [4], 'int32')];
        const change = (): void => movingAverage(w2, read('v', [8, 3]), 0.9, flag);
        if (first) change();
        const y = matmul(hidden(read), w2);
        if (!first) change();
        return [y];
      };
    expect(roundings(lowered(build(true)))).to.deep.equal([]);
    expect(factors(lowered(build(true)))[1]).to.deep.equal(['float32', 'w2']);
    expect(roundings(lowered(build(false))).map(variablesOf)).to.deep.equal([['w2']]);
  });

  it('that lie in a block which changes before they are read are not copied', () => {
    const program = (change: 'before' | 'after'): Program => {
      const graph = new Graph();
      const offsets = { block: 0, w2: 32, x: 4096, w1: 65536, v: 131072, flag: 196608, y: 200000 };
      const read = (name: keyof typeof offsets, shape: readonly number[], dtype: 'float32' | 'int32' = 'float32'): Value =>
        graph.read({ name, shape, dtype });
      const h = elementwise('relu', matmul(read('x', [ROWS, 4]), read('w1', [4, 8])));
      const update = (): void => movingAverage(read('block', [64]), read('v', [64]), 0.9, read('flag', [4], 'int32'));
      if (change === 'before') update();
      const y = matmul(h, read('w2', [8, 3]));
      if (change === 'after') update();
      assign({ name: 'y', shape: y.shape, dtype: 'float32' }, y);
      const offsetOf = ({ name }: Variable): number => offsets[name as keyof typeof offsets];
      return lower(graph, { name: 'test', backend: 'cuda', offsetOf, persistentBytes: () => 400000, precision: 'bfloat16' });
    };
    expect(roundings(program('before'))).to.deep.equal([]);
    expect(roundings(program('after')).map(variablesOf)).to.deep.equal([['w2']]);
  });
});
