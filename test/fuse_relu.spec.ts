/**
 * Relu before max-pooling, where the layers in between see another shape than the pool: the gradients of networks of one axis, and
 * of frames in a sequence, against differences of the same networks in float64.
 */
import { expect } from 'chai';
import { checkOperands } from '../lib/compile/check_operands.js';
import { assign, lower } from '../lib/compile/lower.js';
import { GradstepError } from '../lib/errors.js';
import { Graph } from '../lib/graph/graph.js';
import * as gs from '../lib/index.js';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { maxPool } from '../lib/ops/max_pool.js';
import { reshape } from '../lib/ops/reshape.js';
import { computeGradients } from '../lib/train/gradients.js';
import { backends } from './helpers/backends.js';
import { random } from './helpers/op_run.js';

type Numbers = readonly number[];

const ROWS = 3;

interface Network {
  name: string;
  /** Of a sample. */
  shape: number[];
  layers(): gs.Layer[];
  /** One sample's output, by weights in the model's order. */
  output(x: Numbers, weights: readonly Numbers[]): number;
}

/** x [rows, in] times w [in, out], plus b, not below 0. */
function relu(x: Numbers, w: Numbers, b: Numbers): number[][] {
  const inputs = w.length / b.length;
  return Array.from({ length: x.length / inputs }, (_, row) =>
    b.map((bias, o) => {
      let sum = bias;
      for (let i = 0; i < inputs; i++) sum += x[row * inputs + i]! * w[i * b.length + o]!;
      return Math.max(0, sum);
    }),
  );
}

const largest = (rows: readonly Numbers[]): number[] => rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!)));
const dot = (x: Numbers, [w, b]: readonly Numbers[]): number => x.reduce((sum, v, i) => sum + v * w![i]!, b![0]!);

const { layers } = gs;
const head = () => [layers.flatten(), layers.dense({ units: 1 })];

const NETWORKS: Network[] = [
  {
    name: 'dense with relu, maxPooling1d',
    shape: [6, 2],
    layers: () => [
      layers.dense({ units: 5, activation: 'relu', inputShape: [6, 2] }),
      layers.maxPooling1d({ poolSize: 2 }),
      ...head(),
    ],
    output(x, [w, b, ...rest]) {
      const y = relu(x, w!, b!);
      return dot(
        [0, 2, 4].flatMap((t) => largest(y.slice(t, t + 2))),
        rest,
      );
    },
  },
  {
    name: 'conv1d with relu, maxPooling1d with padding, an odd length',
    shape: [7, 2],
    layers: () => [
      layers.conv1d({ filters: 4, kernelSize: 1, activation: 'relu', inputShape: [7, 2] }),
      layers.maxPooling1d({ poolSize: 3, strides: 2, padding: 'same' }),
      ...head(),
    ],
    output(x, [w, b, ...rest]) {
      const y = relu(x, w!, b!);
      return dot(
        [-1, 1, 3, 5].flatMap((t) => largest(y.slice(Math.max(t, 0), t + 3))),
        rest,
      );
    },
  },
  {
    name: 'relu between layers of frames',
    shape: [2, 2, 4, 2],
    layers: () => [
      layers.timeDistributed({ layer: layers.conv2d({ filters: 3, kernelSize: 1 }), inputShape: [2, 2, 4, 2] }),
      layers.reLU(),
      layers.timeDistributed({ layer: layers.maxPooling2d({ poolSize: 2 }) }),
      ...head(),
    ],
    output(x, [w, b, ...rest]) {
      const y = relu(x, w!, b!);
      const windows = [0, 8].flatMap((frame) => [0, 2].map((q) => [0, 1, 4, 5].map((at) => y[frame + q + at]!)));
      return dot(windows.flatMap(largest), rest);
    },
  },
];

/** Mean of (output − wanted)² over the rows, differentiated by each weight. */
function differences({ output }: Network, xs: readonly Numbers[], wanted: Numbers, weights: readonly Numbers[]): number[][] {
  const loss = (w: readonly Numbers[]): number => xs.reduce((sum, x, n) => sum + (output(x, w) - wanted[n]!) ** 2, 0) / xs.length;
  const h = 1e-6;
  return weights.map((numbers, at) =>
    numbers.map((_, i) => {
      const moved = (d: number) => weights.map((w, j) => (j === at ? w.map((v, k) => (k === i ? v + d : v)) : w));
      return (loss(moved(h)) - loss(moved(-h))) / (2 * h);
    }),
  );
}

for (const { device, name: backend } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`relu before max-pooling of another shape on ${backend}`, () => {
    for (const network of NETWORKS) {
      it(network.name, async () => {
        const next = random(network.name.length);
        const draw = (n: number): number[] => Array.from({ length: n }, () => Math.fround(2 * next() - 1));
        using model = gs.sequential(network.layers());
        model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 1 });
        const size = network.shape.reduce((n, d) => n * d, 1);
        const [xs, wanted] = [Array.from({ length: ROWS }, () => draw(size)), draw(ROWS)];
        const x = gs.tensor(Float32Array.from(xs.flat()), [ROWS, ...network.shape]);
        const weights = (await model.getWeights()).map(({ shape }) => draw(shape.reduce((n, d) => n * d, 1)));
        const given = (await model.getWeights()).map(({ shape }, i) => gs.tensor(Float32Array.from(weights[i]!), [...shape]));
        await model.setWeights(given);
        const found = await computeGradients(model, x, gs.tensor(Float32Array.from(wanted), [ROWS, 1]));
        differences(network, xs, wanted, weights).forEach((expected, at) =>
          expected.forEach((e, i) => expect(found[at]!.data[i], `weight ${at}, ${i}`).to.be.closeTo(e, 1e-5)),
        );
      });
    }
  });
}

describe('shapes that a rewrite mistook', () => {
  const poolOf = (shape: number[]) => {
    const graph = new Graph();
    const variable = (name: string, of: number[]) => ({ name, shape: of, dtype: 'float32' as const });
    const x = graph.read(variable('x', [2, 8, 3]));
    const y = maxPool(reshape(elementwise('relu', x), shape), { poolW: 2, strideW: 2 });
    assign(variable('g', [2, 8, 3]), gradients(y, [x])[0]!);
    const offsets = { offsetOf: () => 0, persistentBytes: () => 1024 };
    return lower(graph, { name: 'test', backend: 'cpu', ...offsets }).instructions;
  };

  it('the gradient of a pool has the shape of what it pools', () => {
    const made = poolOf([2, 1, 8, 3]).find(({ op }) => op.name === 'maxPoolDx')!;
    expect(made.outputs.dx!.shape).to.deep.equal([2, 1, 8, 3]);
  });

  it('are found before they run', () => {
    const list = poolOf([2, 1, 8, 3]);
    const wrong = list.map((i) => {
      if (i.op.name !== 'maxPoolDx') return i;
      return { ...i, outputs: { dx: { ...i.outputs.dx!, shape: [2, 8, 3] } } };
    });
    expect(() => checkOperands(list)).not.to.throw();
    expect(() => checkOperands(wrong))
      .to.throw(
        GradstepError,
        /maxPoolDx in the graph was compiled to make dx float32 \[2, 8, 3\] where it is float32 \[2, 1, 8, 3\]/,
      )
      .with.property('code', 'ERR_INTERNAL');
  });

  it('of what goes in too', () => {
    const wrong = poolOf([2, 1, 8, 3]).map((i) => {
      if (i.op.name !== 'maxPool') return i;
      return { ...i, inputs: { x: { ...i.inputs.x!, shape: [16, 3] } } };
    });
    expect(() => checkOperands(wrong)).to.throw(GradstepError, /maxPool in the graph .* does not fit together/);
  });
});
