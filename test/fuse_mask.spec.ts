/** relu's backward, and the bias gradient below it, in the product before them: when fusion puts them there, and when not. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { assign, lower } from '../lib/compile/lower.js';
import { align, bytesOf, type Program } from '../lib/compile/program.js';
import { Graph, type Value, type Variable } from '../lib/graph/graph.js';
import { gradients } from '../lib/ops/autodiff.js';
import { convDxOp } from '../lib/ops/conv.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul, matmulOp } from '../lib/ops/matmul.js';
import { mean, sum } from '../lib/ops/reduce_sum.js';
import { describeProgram } from '../lib/train/inspect.js';
import { lowerOn, named } from './helpers/lowered.js';

interface Inputs {
  x: Value;
  w1: Value;
  b1: Value;
  w2: Value;
  dy: Value;
  /** [6, 5], as large as the value between the layers. */
  y: Value;
}

const lowered = (build: (inputs: Inputs) => Value[]): Program =>
  lowerOn('cpu', (read) =>
    build({
      x: read('x', [6, 4]),
      w1: read('w1', [4, 5]),
      b1: read('b1', [5]),
      w2: read('w2', [5, 3]),
      dy: read('dy', [6, 3]),
      y: read('y', [6, 5]),
    }),
  );
const neg = (x: Value): Value => elementwise('neg', x);
const add = (a: Value, b: Value): Value => elementwise('add', a, b);
const mul = (a: Value, b: Value): Value => elementwise('mul', a, b);
const step = (x: Value): Value => elementwise('step', x);
const back = ({ dy, w2 }: Inputs): Value => matmul(dy, w2, false, true);

const masking = (program: Program) => named(program, 'matmul').filter((i) => i.inputs.mask);
const nameOf = (program: Program, output: string) => masking(program)[0]!.outputs[output]!.buffer.variable?.name;

describe('the mask of relu in the product before it', () => {
  it('the gradients of two layers are three products: one masks, and makes the gradient of the bias', () => {
    const program = lowered(({ x, w1, b1, w2, dy }) => {
      const hidden = elementwise('relu', matmul(x, w1, false, false, b1));
      return gradients(sum(mul(matmul(hidden, w2), dy)), [w1, b1, w2]);
    });
    const [only, ...rest] = masking(program);
    expect(rest).to.deep.equal([]);
    const hidden = named(program, 'matmul').find((i) => i.attrs.activation === 'relu')!.outputs.y!;
    expect(only!.inputs.mask!.buffer).to.equal(hidden.buffer);
    expect(nameOf(program, 'sums')).to.equal('out1');
    expect(only!.outputs.sums!.shape).to.deep.equal([5]);
    expect(program.instructions.filter((i) => i.op.name === 'reduceSum')).to.deep.equal([]);
    expect(named(program, 'matmul'), 'one forward, three back').to.have.length(4);
    expect(named(program, 'map').filter((i) => Object.keys(i.inputs).length > 1)).to.deep.equal([]);
  });

  it('makes no sums where there is no bias', () => {
    const program = lowered(({ x, w1, w2, dy }) => {
      const hidden = elementwise('relu', matmul(x, w1));
      return gradients(sum(mul(matmul(hidden, w2), dy)), [w1, w2]);
    });
    expect(Object.keys(masking(program)[0]!.outputs)).to.deep.equal(['y']);
  });

  it('writes to where the masked gradient and its sums belong', () => {
    const program = lowered((inputs) => {
      const masked = mul(back(inputs), step(inputs.y));
      return [masked, sum(masked, [0])];
    });
    expect(program.instructions).to.have.length(1);
    expect([nameOf(program, 'y'), nameOf(program, 'sums')]).to.deep.equal(['out0', 'out1']);
  });

  it('masks what comes from behind flattened images, too', () => {
    const { layers } = gs;
    using model = gs.sequential([
      layers.conv2d({ filters: 3, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 2] }),
      layers.flatten(),
      layers.dense({ units: 2 }),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const lines = describeProgram(model, { kind: 'train', rows: 4 }).split('\n');
    expect(lines.filter((line) => / matmul .* mask:f32\[4,48\]/.test(line))).to.have.length(1);
    expect(lines.filter((line) => /step\(/.test(line))).to.deep.equal([]);
  });

  it('is in the input gradient of a convolution, too, on the smaller side of max-pooling', () => {
    const { layers } = gs;
    const conv = (filters: number): gs.Layer => layers.conv2d({ filters, kernelSize: 3, activation: 'relu' });
    using model = gs.sequential([
      layers.conv2d({ filters: 3, kernelSize: 3, activation: 'relu', inputShape: [16, 16, 2] }),
      conv(4),
      layers.maxPooling2d({ poolSize: 2 }),
      conv(5),
      layers.globalAveragePooling2d(),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const lines = describeProgram(model, { kind: 'train', rows: 2 }).split('\n');
    const masks = lines.filter((line) => line.includes(' convDx ')).map((line) => /mask:f32(\[[\d,]+\])/.exec(line)?.[1]);
    expect(masks).to.deep.equal(['[2,6,6,4]', '[2,14,14,3]']);
  });

  const left: [why: string, build: (inputs: Inputs) => Value[]][] = [
    [
      'others read the product',
      (inputs) => {
        const dx = back(inputs);
        return [mul(dx, step(inputs.y)), sum(dx, [0])];
      },
    ],
    [
      'others read the slope',
      (inputs) => {
        const slope = step(inputs.y);
        return [mul(back(inputs), slope), sum(slope, [0])];
      },
    ],
    ['the slope is one for all rows', (inputs) => [mul(back(inputs), step(sum(inputs.y, [0])))]],
    ['the product is added to another', (inputs) => [mul(add(inputs.y, back(inputs)), step(inputs.y))]],
    ['the product adds to another', (inputs) => [mul(add(matmul(inputs.x, inputs.w1), back(inputs)), step(inputs.y))]],
    ['it is no step', (inputs) => [mul(back(inputs), elementwise('sign', inputs.y))]],
  ];
  for (const [why, build] of left) {
    it(`leaves it alone where ${why}`, () => {
      const program = lowered(build);
      expect(named(program, 'matmul').length).to.be.at.least(1);
      expect(masking(program)).to.deep.equal([]);
    });
  }

  it('a convolution refuses a mask of another shape', () => {
    expect(() =>
      lowerOn('cpu', (read) => {
        const [dy, w, mask] = [read('dy', [1, 2, 2, 3]), read('w', [3, 3, 2, 3]), read('mask', [1, 4, 4, 3])];
        return [dy.graph.add(convDxOp, { dy, w, mask }, { shape: [1, 4, 4, 2] }).outputs.dx!];
      }),
    ).to.throw(gs.GradstepError, 'Expected a mask of shape [1, 4, 4, 2] but received [1, 4, 4, 3]');
  });

  describe('a product that masks', () => {
    const maskedBack = ({ dy, w2, y }: Inputs): Value =>
      dy.graph.add(matmulOp, { a: dy, b: w2, mask: y }, { transposeB: 'yes' }).outputs.y!;

    it('takes no relu: its sums would be those of what it is applied to', () => {
      const program = lowered((inputs) => [elementwise('relu', maskedBack(inputs))]);
      expect(masking(program)[0]!.attrs.activation).to.equal('linear');
    });

    it('does not add to what is there', () => {
      const program = lowered((inputs) => [add(matmul(inputs.x, inputs.w1), maskedBack(inputs))]);
      expect(masking(program)[0]!.accumulate).to.deep.equal([]);
    });

    it('takes no second mask', () => {
      const program = lowered((inputs) => [mul(maskedBack(inputs), step(matmul(inputs.x, inputs.w1)))]);
      expect(masking(program)[0]!.inputs.mask!.buffer.variable!.name).to.equal('y');
    });

    it('refuses a mask of another shape', () => {
      expect(() => lowered(({ x, w1, dy }) => [x.graph.add(matmulOp, { a: x, b: w1, mask: dy }).outputs.y!])).to.throw(
        gs.GradstepError,
        'Expected a mask of shape [6, 5] but received [6, 3]',
      );
    });
  });

  const apart: [why: string, sums: (masked: Value) => Value][] = [
    ['are a mean', (masked) => mean(masked, [0])],
    ['are those of rows', (masked) => sum(masked, [1])],
    ['are those of all', (masked) => sum(masked)],
  ];
  for (const [why, sums] of apart) {
    it(`leaves sums alone that ${why}`, () => {
      const program = lowered((inputs) => {
        const masked = mul(back(inputs), step(inputs.y));
        return [masked, sums(masked)];
      });
      expect(Object.keys(masking(program)[0]!.outputs)).to.deep.equal(['y']);
      expect(named(program, 'reduceSum')).to.have.length.at.least(1);
    });
  }

  describe('between variables that change', () => {
    /** Lowers a step over variables that it may also assign to. */
    const changing = (build: (read: (name: string) => Value, set: (name: string, value: Value) => void) => void): Program => {
      const shapes: Record<string, number[]> = {
        dy: [6, 3],
        w: [5, 3],
        y: [6, 5],
        dz: [6, 5],
        sums: [5],
        was: [5],
        other: [5, 3],
      };
      const graph = new Graph();
      const variables = new Map<string, Variable>();
      let end = 0;
      const offsets = new Map<Variable, number>();
      for (const [name, shape] of Object.entries(shapes)) {
        const variable: Variable = { name, shape, dtype: 'float32' };
        variables.set(name, variable);
        offsets.set(variable, end);
        end += align(bytesOf('float32', shape));
      }
      build(
        (name) => graph.read(variables.get(name)!),
        (name, value) => assign(variables.get(name)!, value),
      );
      return lower(graph, { name: 'test', backend: 'cpu', offsetOf: (v) => offsets.get(v)!, persistentBytes: () => end });
    };

    for (const changed of ['w', 'y', undefined]) {
      it(changed ? `leaves the mask alone where ${changed} changes before it is applied` : 'masks where nothing changes', () => {
        const program = changing((read, set) => {
          const dx = matmul(read('dy'), read('w'), false, true);
          const slope = step(read('y'));
          if (changed) set(changed, neg(read(changed === 'w' ? 'other' : 'dz')));
          set('dz', mul(dx, slope));
        });
        expect(masking(program)).to.have.length(changed ? 0 : 1);
      });
    }

    it('leaves the mask alone where its result goes to where the mask is', () => {
      const program = changing((read, set) => set('y', mul(matmul(read('dy'), read('w'), false, true), step(read('y')))));
      expect(masking(program)).to.deep.equal([]);
    });

    it('leaves sums alone that go to what the product reads', () => {
      const program = changing((read, set) => {
        const masked = mul(matmul(read('dy'), read('w'), false, true, read('sums')), step(read('y')));
        set('dz', masked);
        set('sums', sum(masked, [0]));
      });
      expect(Object.keys(masking(program)[0]!.outputs)).to.deep.equal(['y']);
    });

    for (const isRead of [true, false]) {
      it(`${isRead ? 'leaves sums alone' : 'makes sums'} where what they replace is ${isRead ? 'still' : 'not'} read`, () => {
        const program = changing((read, set) => {
          const masked = mul(matmul(read('dy'), read('w'), false, true), step(read('y')));
          set('dz', masked);
          if (isRead) set('was', neg(read('sums')));
          set('sums', sum(masked, [0]));
        });
        expect(Object.keys(masking(program)[0]!.outputs)).to.have.length(isRead ? 1 : 2);
        expect(named(program, 'reduceSum')).to.have.length(isRead ? 1 : 0);
      });
    }
  });
});
