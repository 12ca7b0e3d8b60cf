/** Lowering, fusion, liveness and the arena, on graphs small enough to check by hand. */
import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { assign, lower, type LowerOptions } from '../lib/compile/lower.js';
import { align, printProgram, type Program } from '../lib/compile/program.js';
import { encodeProgram, opTableHash } from '../lib/compile/encode.js';
import { defineOp } from '../lib/graph/define_op.js';
import { Graph, type Variable } from '../lib/graph/graph.js';
import { GradstepError } from '../lib/errors.js';
import { gradients } from '../lib/ops/autodiff.js';
import { advance, gather } from '../lib/ops/gather.js';
import { constant, elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { metricSum } from '../lib/ops/metric_sum.js';
import { mean } from '../lib/ops/reduce_sum.js';
import { reshape } from '../lib/ops/reshape.js';
import { sgdOp } from '../lib/ops/sgd.js';
import { softmaxCrossEntropy } from '../lib/ops/softmax_cross_entropy.js';

/** Places variables one after another, each at a multiple of 64 bytes. */
function options(overrides: Partial<LowerOptions> = {}): LowerOptions {
  const offsets = new Map<Variable, number>();
  let end = 0;
  return {
    name: 'test',
    backend: 'cpu',
    offsetOf(v) {
      if (!offsets.has(v)) {
        offsets.set(v, end);
        end += align(4 * v.shape.reduce((n, d) => n * d, 1));
      }
      return offsets.get(v)!;
    },
    persistentBytes: () => end,
    ...overrides,
  };
}

const f32 = (name: string, shape: number[]): Variable => ({ name, shape, dtype: 'float32' });
const i32 = (name: string, shape: number[]): Variable => ({ name, shape, dtype: 'int32' });

/** A whole training step of a two-layer classifier, written with ops alone. */
function trainingStep(): Graph {
  const graph = new Graph();
  const state = graph.read(i32('state', [4]));
  const flag = graph.read(i32('flag', [4]));
  const total = graph.read({ name: 'loss/total', shape: [2], dtype: 'float64' });
  const params = { w1: f32('dense/kernel', [6, 8]), b1: f32('dense/bias', [8]), w2: f32('dense_1/kernel', [8, 3]) };
  const x = graph.inScope('batch', () =>
    gather(graph, { slot: 0, indexSlot: 2, source: 'uint8', dtype: 'float32', shape: [4, 2, 3] }, state, flag),
  );
  const y = graph.inScope('batch', () =>
    gather(graph, { slot: 1, indexSlot: 2, source: 'uint8', dtype: 'int32', shape: [4] }, state, flag),
  );
  const [w1, b1, w2] = [graph.read(params.w1), graph.read(params.b1), graph.read(params.w2)];
  const hidden = graph.inScope('dense', () => elementwise('relu', matmul(reshape(x, [4, 6]), w1, false, false, b1)));
  const logits = graph.inScope('dense_1', () => matmul(hidden, w2));
  const losses = graph.inScope('loss', () => softmaxCrossEntropy(logits, y, state, flag));
  graph.inScope('loss', () => metricSum(losses, total, state, flag, true));
  const grads = gradients(
    graph.inScope('loss', () => mean(losses)),
    [w1, b1, w2],
  );
  Object.values(params).forEach((p, i) => assign(f32(`grad/${p.name}`, [...p.shape]), grads[i]!));
  const block = graph.read(f32('parameters', [80]));
  const gradBlock = graph.read(f32('gradients', [80]));
  const rate = graph.read(f32('learningRate', [1]));
  graph.inScope('optimizer', () => graph.add(sgdOp, { params: block, grads: gradBlock, learningRate: rate, flag }));
  advance(state, 1, 4);
  return graph;
}

/** Every pair of scratch buffers that are alive at the same time lies apart, unless one took over the other. */
function expectNoOverlap(program: Program): void {
  const lives = new Map<string, { offset: number; bytes: number; first: number; last: number }>();
  program.instructions.forEach(({ inputs, outputs }, i) => {
    for (const { buffer } of [...Object.values(inputs), ...Object.values(outputs)]) {
      if (buffer.region !== 'scratch') continue;
      expect(buffer.offset % 64).to.equal(0);
      expect(buffer.offset + buffer.bytes).to.be.at.most(program.scratchBytes);
      const key = `${buffer.offset}+${buffer.bytes}`;
      const life = lives.get(key);
      // The same address and size again: a later life of it counts on its own unless it touches the earlier one.
      if (life && i - life.last <= 1) life.last = i;
      else lives.set(life ? `${key}#${i}` : key, { offset: buffer.offset, bytes: buffer.bytes, first: i, last: i });
    }
  });
  const all = [...lives.values()];
  for (const a of all)
    for (const b of all) {
      if (a === b || (a.offset === b.offset && a.bytes === b.bytes)) continue;
      const together = a.first <= b.last && b.first <= a.last;
      const apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
      if (together) expect(apart, `buffers at ${a.offset} and ${b.offset}`).to.equal(true);
    }
}

describe('compile', () => {
  it('prints the program of a training step as the snapshot has it', () => {
    const text = printProgram(lower(trainingStep(), options({ name: 'train' })));
    const snapshot = new URL('./golden/train_program.txt', import.meta.url);
    expect(`${text}\n`).to.equal(readFileSync(snapshot, 'utf8'));
  });

  it('a training step of a dense classifier takes no more instructions than it must', () => {
    const names = lower(trainingStep(), options()).instructions.map((i) => i.op.name);
    // Two gathers; forward: two products (relu fused), the loss with its gradient; its sum; backward: two weight gradients,
    // one input gradient, with relu's mask and the bias gradient; the seed 1/n; update; advance.
    expect(names.filter((n) => n === 'matmul')).to.have.length(5);
    expect(names.filter((n) => n === 'map')).to.have.length(1);
    expect(names).to.include.members(['gather', 'softmaxCrossEntropy', 'metricSum', 'sgd', 'advance']);
    expect(names).to.not.include('softmaxCrossEntropyDx');
    expect(names).to.have.length.at.most(12);
  });

  it('gradients are written straight into the gradient variables', () => {
    const program = lower(trainingStep(), options());
    const written = program.instructions.flatMap((i) => Object.values(i.outputs).map((o) => o.buffer.variable?.name));
    expect(written).to.include.members(['grad/dense/kernel', 'grad/dense/bias', 'grad/dense_1/kernel']);
  });

  it('never builds the gradient of the input', () => {
    const graph = trainingStep();
    const shapes = graph.nodes.filter((n) => n.op.name === 'matmul').map((n) => n.outputs.y!.shape.join('x'));
    expect(shapes).to.not.include('4x6');
  });

  it('buffers that live at the same time never overlap, fused or not, guarded or not', () => {
    for (const fusion of [true, false]) {
      for (const guardBytes of [0, 64]) expectNoOverlap(lower(trainingStep(), options({ fusion, guardBytes })));
    }
  });

  it('a chain of n elementwise steps needs two buffers, not n', () => {
    const graph = new Graph();
    let y = graph.read(f32('x', [1024]));
    for (let i = 0; i < 20; i++) y = elementwise('exp', y);
    assign(f32('out', [1024]), y);
    const unfused = lower(graph, options({ fusion: false, guardBytes: 64 }));
    expect(unfused.scratchBytes).to.be.at.most(2 * (4096 + 64) + 64);
  });

  it('on CUDA, what fits 16 MiB shares no memory, so that instructions may run side by side; what does not, shares', () => {
    const chain = (floats: number): Program => {
      const graph = new Graph();
      let y = graph.read(f32('x', [floats]));
      for (let i = 0; i < 4; i++) y = elementwise('exp', y);
      assign(f32('out', [floats]), y);
      return lower(graph, options({ backend: 'cuda', fusion: false, guardBytes: 64 }));
    };
    // Three values lie in scratch, the last one in its variable.
    expect(chain(1 << 10).scratchBytes).to.equal(64 + 3 * (4096 + 64));
    expect(chain(1 << 22).scratchBytes).to.equal(64 + 2 * ((4 << 22) + 64));
  });

  it('works out constants: x · (2 · 0.25) · 1 is one multiplication', () => {
    const graph = new Graph();
    const half = elementwise('mul', constant(graph, 2, [4]), 0.25);
    const y = elementwise('mul', elementwise('mul', graph.read(f32('x', [4])), half), 1);
    assign(f32('out', [4]), y);
    const text = printProgram(lower(graph, options()));
    expect(text).to.contain('{r0=mul(in0,0.5); out0=r0}').and.to.contain('1 instructions');
  });

  it('drops what no effect needs', () => {
    const graph = new Graph();
    const x = graph.read(f32('x', [4]));
    elementwise('exp', x);
    assign(f32('out', [4]), elementwise('neg', x));
    const program = lower(graph, options());
    expect(program.instructions).to.have.length(1);
  });

  it('encodes to the same bytes for the same graph', () => {
    const [a, b] = [encodeProgram(lower(trainingStep(), options())), encodeProgram(lower(trainingStep(), options()))];
    expect(Buffer.from(a).equals(Buffer.from(b))).to.equal(true);
    expect(opTableHash()).to.match(/^[0-9a-f]{16}$/);
  });

  it('an op without a derivative on the way to the loss is an error that names it and its layer', () => {
    const graph = new Graph();
    const x = graph.read(f32('x', [2, 3]));
    const float = { dtypes: ['float32'] } as const;
    const rounding = defineOp({
      name: 'rounding',
      inputs: { x: float },
      outputs: { y: float },
      infer: (given) => ({ y: { dtype: 'float32', shape: given.x!.shape } }),
    });
    const y = graph.inScope('head', () => graph.add(rounding, { x }).outputs.y!);
    expect(() => gradients(elementwise('square', y), [x]))
      .to.throw(GradstepError, /rounding in head cannot be differentiated/)
      .with.property('code', 'ERR_NOT_DIFFERENTIABLE');
  });
});
