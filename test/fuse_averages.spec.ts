/** Moving averages in one instruction: when lowering joins them (numbers: test/cases/moving_average.ts), and when not. */
import { expect } from 'chai';
import type { Program } from '../lib/compile/program.js';
import { movingAverage } from '../lib/ops/moving_average.js';
import * as gs from '../lib/index.js';
import { programOf } from '../lib/train/inspect.js';
import { lowerOn, named, type ReadVariable } from './helpers/lowered.js';

/** How many averages each instruction moves. */
function counts(program: Program): number[] {
  return named(program, 'movingAverage').map(({ inputs }) => Object.keys(inputs).filter((n) => n.startsWith('average')).length);
}

function lowered(
  build: (read: ReadVariable, move: (average: string, value: string, momentum?: number) => void) => void,
): Program {
  return lowerOn('cpu', (read) => {
    const flag = read('flag', [4], 'int32');
    const values = new Map<string, ReturnType<ReadVariable>>();
    const known: ReadVariable = (name, shape) => {
      if (!values.has(name)) values.set(name, read(name, shape));
      return values.get(name)!;
    };
    build(known, (average, value, momentum = 0.9) => movingAverage(known(average, [3]), known(value, [3]), momentum, flag));
    return [];
  });
}

describe('moving averages', () => {
  it('of one momentum are one instruction, of at most sixteen', () => {
    const program = lowered((_, move) => {
      for (let i = 0; i < 35; i++) move(`a${i}`, `v${i}`);
    });
    expect(counts(program)).to.deep.equal([16, 16, 3]);
  });

  it('of other momenta are others', () => {
    const program = lowered((_, move) => {
      move('a', 'v');
      move('b', 'w', 0.5);
      move('c', 'x', 0.5);
    });
    expect(counts(program)).to.deep.equal([1, 2]);
  });

  it('of which one is the value of another stay apart, in their order', () => {
    const read = lowered((_, move) => (move('a', 'v'), move('b', 'a')));
    const written = lowered((_, move) => (move('a', 'v'), move('v', 'w')));
    const twice = lowered((_, move) => (move('a', 'v'), move('a', 'w')));
    expect([read, written, twice].map(counts)).to.deep.equal([
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
  });

  it('may share a value', () => {
    expect(counts(lowered((_, move) => (move('a', 'v'), move('b', 'v'))))).to.deep.equal([2]);
  });

  it('of a model with nine normalisations take two instructions, which name the layers', () => {
    const block = (): gs.Layer[] => [gs.layers.dense({ units: 3 }), gs.layers.batchNormalization()];
    using model = gs.sequential([gs.layers.dense({ units: 3, inputShape: [2] }), ...Array.from({ length: 9 }, block).flat()]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const { program } = programOf(model, { kind: 'train', rows: 4 }, 'cpu');
    expect(counts(program)).to.deep.equal([16, 2]);
    expect(named(program, 'movingAverage').map(({ scope }) => scope)).to.deep.equal([
      'batch_normalization+…+batch_normalization_7',
      'batch_normalization_8',
    ]);
  });
});
