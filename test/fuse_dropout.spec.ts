/** The way back through dropout of a relu: when it becomes a mask by the result (numbers: test/cases/dropout.ts), and when not. */
import { expect } from 'chai';
import { assign, lower } from '../lib/compile/lower.js';
import { printProgram, type Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { dropout, dropoutOp, dropTo } from '../lib/ops/dropout.js';
import { elementwise } from '../lib/ops/map.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { lowerOn, named } from './helpers/lowered.js';

const RATE = 0.25;

/** A weighted sum of what `drop` makes of relu(x), and its gradient by x. */
function lowered(drop: (relu: Value, state: Value) => Value): Program {
  return lowerOn('cpu', (read) => {
    const [x, weights, state] = [read('x', [4, 6]), read('weights', [4, 6]), read('state', [4], 'int32')];
    const y = drop(elementwise('relu', x), state);
    return [y, ...gradients(sum(elementwise('mul', y, weights)), [x])];
  });
}

describe('the way back through dropout of a relu', () => {
  it('masks by what dropout has yielded, and draws nothing again', () => {
    const program = lowered((relu, state) => dropout(relu, state, RATE, 3));
    const drops = named(program, 'dropout');
    expect(drops).to.have.length(1);
    const mask = program.instructions.filter((i) => i !== drops[0] && i.inputs.in0?.buffer === drops[0]!.outputs.y!.buffer);
    expect(mask.length, printProgram(program)).to.be.at.least(1);
    expect(printProgram(program)).to.match(/step\(in\d\)/);
  });

  const left: [why: string, drop: (relu: Value, state: Value) => Value][] = [
    [
      'drops to another number than 0',
      (relu, state) => dropTo(relu, state, { rate: RATE, factor: 2, offset: 0, dropped: 1, stream: 3 }),
    ],
    ['adds an offset', (relu, state) => dropTo(relu, state, { rate: RATE, factor: 2, offset: 1, dropped: 0, stream: 3 })],
    [
      'makes numbers smaller',
      (relu, state) => dropTo(relu, state, { rate: RATE, factor: 0.5, offset: 0, dropped: 0, stream: 3 }),
    ],
    ['comes behind something else', (relu, state) => dropout(elementwise('neg', relu), state, RATE, 3)],
  ];
  for (const [why, drop] of left) {
    it(`stays as it is where dropout ${why}`, () => {
      expect(named(lowered(drop), 'dropout')).to.have.length(2);
    });
  }

  for (const changed of [undefined, 'x']) {
    it(changed ? 'stays as it is where what it dropped has changed by then' : 'masks by a variable that does not change', () => {
      const graph = new Graph();
      const variables = new Map<string, Variable>();
      const offsets = new Map<Variable, number>();
      for (const [name, shape] of Object.entries({ x: [4, 6], g: [4, 6], y: [4, 6], dx: [4, 6], state: [4] })) {
        const variable: Variable = { name, shape, dtype: name === 'state' ? 'int32' : 'float32' };
        variables.set(name, variable);
        offsets.set(variable, 128 * offsets.size);
      }
      const read = (name: string): Value => graph.read(variables.get(name)!);
      const state = read('state');
      assign(variables.get('y')!, dropout(read('x'), state, RATE, 3));
      if (changed) assign(variables.get(changed)!, elementwise('neg', read('g')));
      const slope = elementwise('step', read('x'));
      assign(variables.get('dx')!, elementwise('mul', dropout(read('g'), state, RATE, 3), slope));
      const program = lower(graph, { name: 't', backend: 'cpu', offsetOf: (v) => offsets.get(v)!, persistentBytes: () => 640 });
      expect(named(program, 'dropout')).to.have.length(changed ? 2 : 1);
    });
  }

  it('stays as it is where another dropout has read the relu', () => {
    const program = lowerOn('cpu', (read) => {
      const [x, g, state] = [read('x', [4, 6]), read('g', [4, 6]), read('state', [4], 'int32')];
      const relu = elementwise('relu', x);
      const other = g.graph.add(dropoutOp, { x: g, state }, { rate: RATE, factor: 2, offset: 0, dropped: 0, stream: 4 }).outputs
        .y!;
      return [dropout(relu, state, RATE, 3), elementwise('mul', other, elementwise('step', relu))];
    });
    expect(named(program, 'dropout')).to.have.length(2);
  });
});
