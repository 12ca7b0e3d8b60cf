/** A loss and its gradient in one kernel: when fusion makes one of them, and when it must not. */
import { expect } from 'chai';
import { assign } from '../lib/compile/lower.js';
import type { Program } from '../lib/compile/program.js';
import type { Value } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { argmax } from '../lib/ops/argmax.js';
import { elementwise } from '../lib/ops/map.js';
import { extremum } from '../lib/ops/reduce_max.js';
import { sum } from '../lib/ops/reduce_sum.js';
import { softmaxCrossEntropyDxOp, softmaxCrossEntropyOp } from '../lib/ops/softmax_cross_entropy.js';
import { lowerOn, named } from './helpers/lowered.js';

interface Inputs {
  x: Value;
  labels: Value;
  weights: Value;
  state: Value;
  flag: Value;
}

const lowered = (build: (inputs: Inputs) => Value[]): Program =>
  lowerOn('cpu', (read) =>
    build({
      x: read('x', [4, 6]),
      labels: read('labels', [4], 'int32'),
      weights: read('weights', [4]),
      state: read('state', [4], 'int32'),
      flag: read('flag', [4], 'int32'),
    }),
  );
const neg = (x: Value): Value => elementwise('neg', x);

/** loss, p and, once `dloss` is known, dx. */
function crossEntropy({ x, labels, state, flag }: Inputs) {
  const { loss, probabilities } = x.graph.add(softmaxCrossEntropyOp, { x, labels, state, flag }).outputs;
  const gradient = (dloss: Value): Value =>
    x.graph.add(softmaxCrossEntropyDxOp, { probabilities: probabilities!, labels, dloss }).outputs.dx!;
  return { loss: loss!, probabilities: probabilities!, gradient };
}

describe('a loss and its gradient', () => {
  it('are one kernel, without the probabilities; what the gradient by the loss is made of comes before it', () => {
    const program = lowered((inputs) => {
      const { loss } = crossEntropy(inputs);
      const total = sum(elementwise('mul', loss, inputs.weights));
      return [loss, neg(gradients(total, [inputs.x])[0]!)];
    });
    expect(named(program, 'softmaxCrossEntropyDx')).to.deep.equal([]);
    const [both] = named(program, 'softmaxCrossEntropy');
    expect(Object.keys(both!.outputs)).to.have.members(['loss', 'dx']);
    const dloss = both!.inputs.dloss!.buffer;
    const maker = program.instructions.findIndex((i) => Object.values(i.outputs).some((o) => o.buffer === dloss));
    expect(maker).to.be.within(0, program.instructions.indexOf(both!) - 1);
  });

  it('are one kernel that keeps the probabilities where somebody else reads them', () => {
    const program = lowered((inputs) => {
      const { loss, probabilities, gradient } = crossEntropy(inputs);
      return [loss, neg(probabilities), neg(gradient(neg(inputs.weights)))];
    });
    expect(named(program, 'softmaxCrossEntropyDx')).to.deep.equal([]);
    expect(Object.keys(named(program, 'softmaxCrossEntropy')[0]!.outputs)).to.have.members(['loss', 'probabilities', 'dx']);
  });

  it('are one kernel where samples are weighted by their share of all weights', () => {
    const program = lowered((inputs) => {
      const { loss, gradient } = crossEntropy(inputs);
      const total = sum(inputs.weights, [0]);
      return [loss, neg(gradient(elementwise('div', inputs.weights, total)))];
    });
    expect(named(program, 'softmaxCrossEntropyDx')).to.deep.equal([]);
    expect(program.instructions.map((i) => i.op.name).indexOf('reduceSum')).to.be.below(
      program.instructions.map((i) => i.op.name).indexOf('softmaxCrossEntropy'),
    );
  });

  it('without a gradient the probabilities are not made', () => {
    const program = lowered((inputs) => [crossEntropy(inputs).loss]);
    expect(Object.keys(named(program, 'softmaxCrossEntropy')[0]!.outputs)).to.deep.equal(['loss']);
  });

  const apart: [why: string, build: (inputs: Inputs) => Value[]][] = [
    [
      'the gradient by the loss follows from the loss',
      (inputs) => {
        const { loss, gradient } = crossEntropy(inputs);
        return [neg(gradient(neg(loss)))];
      },
    ],
    [
      'the gradient by the loss is made by more than maps and sums',
      (inputs) => {
        const { loss, gradient } = crossEntropy(inputs);
        return [loss, neg(gradient(extremum(inputs.x, 'max', [1])))];
      },
    ],
    [
      'the labels change in between',
      (inputs) => {
        const { loss, gradient } = crossEntropy(inputs);
        assign(inputs.labels.variable!, argmax(inputs.x));
        return [loss, neg(gradient(neg(inputs.weights)))];
      },
    ],
    [
      'what the gradient by the loss is made of changes in between',
      (inputs) => {
        const { loss, gradient } = crossEntropy(inputs);
        assign(inputs.weights.variable!, sum(inputs.x, [1]));
        return [loss, neg(gradient(neg(inputs.weights)))];
      },
    ],
    [
      'the gradient goes to a variable, which others may read before',
      (inputs) => {
        const { loss, gradient } = crossEntropy(inputs);
        return [loss, gradient(neg(inputs.weights))];
      },
    ],
  ];
  for (const [why, build] of apart) {
    it(`stay apart where ${why}`, () => {
      const program = lowered(build);
      expect(named(program, 'softmaxCrossEntropyDx')).to.have.length(1);
      expect(named(program, 'softmaxCrossEntropy')[0]!.inputs).to.not.have.property('dloss');
    });
  }
});
