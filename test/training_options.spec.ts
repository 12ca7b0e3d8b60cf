/**
 * What stands around an optimizer's update, in whole trainings on every backend: cuts of gradients, decay of weights,
 * schedules, regularizers with their part of the reported loss, constraints. A linear model with a squared error is trained
 * on all rows at once, and by its formulas in float64; weights and losses must agree step by step.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { failure } from './helpers/failure.js';
import { random } from './helpers/op_run.js';

const [ROWS, INPUTS, UNITS, STEPS] = [8, 3, 2, 6];

const next = random(7);
const draw = (n: number, spread: number): number[] => Array.from({ length: n }, () => Math.fround((2 * next() - 1) * spread));
const [X, Y, KERNEL, BIAS] = [draw(ROWS * INPUTS, 1), draw(ROWS * UNITS, 2), draw(INPUTS * UNITS, 1), draw(UNITS, 1)];

interface Weights {
  kernel: number[];
  bias: number[];
}

/** One training in float64: what is done to gradients and weights, besides w ← w − rate·g. */
interface Formulas {
  rate?: (step: number) => number;
  penalty?: (w: Weights) => number;
  /** Gradient of the penalty. */
  pull?: (w: Weights) => Weights;
  cut?: (g: Weights) => Weights;
  decay?: number;
  hold?: (w: Weights) => Weights;
}

const each = (a: Weights, f: (part: number[], name: keyof Weights) => number[]): Weights => ({
  kernel: f(a.kernel, 'kernel'),
  bias: f(a.bias, 'bias'),
});

/** Mean squared error and its gradient. */
function slope({ kernel, bias }: Weights): { loss: number; gradient: Weights } {
  const gradient: Weights = { kernel: KERNEL.map(() => 0), bias: BIAS.map(() => 0) };
  let loss = 0;
  for (let r = 0; r < ROWS; r++) {
    for (let u = 0; u < UNITS; u++) {
      let error = bias[u]! - Y[r * UNITS + u]!;
      for (let i = 0; i < INPUTS; i++) error += X[r * INPUTS + i]! * kernel[i * UNITS + u]!;
      loss += error ** 2 / (ROWS * UNITS);
      const share = (2 * error) / (ROWS * UNITS);
      gradient.bias[u]! += share;
      for (let i = 0; i < INPUTS; i++) gradient.kernel[i * UNITS + u]! += share * X[r * INPUTS + i]!;
    }
  }
  return { loss, gradient };
}

function train(f: Formulas): { losses: number[]; weights: Weights } {
  let w: Weights = { kernel: KERNEL, bias: BIAS };
  const losses: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    const rate = f.rate?.(step) ?? 0.25;
    const { loss, gradient } = slope(w);
    losses.push(loss + (f.penalty?.(w) ?? 0));
    const pull = f.pull?.(w);
    const whole = each(gradient, (g, name) => g.map((v, i) => v + (pull?.[name][i] ?? 0)));
    const g = f.cut?.(whole) ?? whole;
    w = each(w, (part, name) => part.map((v, i) => v - rate * (f.decay ?? 0) * v - rate * g[name][i]!));
    w = f.hold?.(w) ?? w;
  }
  return { losses, weights: w };
}

const normOf = (v: readonly number[]): number => Math.sqrt(v.reduce((s, e) => s + e * e, 0));
const shrunk = (v: readonly number[], norm: number, limit: number): number[] => v.map((e) => e * Math.min(1, limit / norm));

/** Columns of the kernel held to lengths between two numbers. */
function columns(kernel: readonly number[], least: number, most: number): number[] {
  const lengths = Array.from({ length: UNITS }, (_, u) => normOf(kernel.filter((_v, i) => i % UNITS === u)));
  return kernel.map((v, i) => {
    const length = lengths[i % UNITS]!;
    return (v * Math.min(Math.max(length, least), most)) / (1e-7 + length);
  });
}

const { optimizers, regularizers, constraints, schedules } = gs;
const sgd = (options: gs.optimizers.SgdOptions = {}): gs.Optimizer => optimizers.sgd({ learningRate: 0.25, ...options });

const CASES: [string, gs.Optimizer, Partial<gs.layers.DenseOptions>, Formulas][] = [
  ['plain', sgd(), {}, {}],
  ['clipValue', sgd({ clipValue: 0.2 }), {}, { cut: (g) => each(g, (p) => p.map((v) => Math.min(Math.max(v, -0.2), 0.2))) }],
  ['clipNorm', sgd({ clipNorm: 0.3 }), {}, { cut: (g) => each(g, (p) => shrunk(p, normOf(p), 0.3)) }],
  [
    'globalClipNorm',
    sgd({ globalClipNorm: 0.4 }),
    {},
    { cut: (g) => each(g, (p) => shrunk(p, normOf([...g.kernel, ...g.bias]), 0.4)) },
  ],
  ['weightDecay', sgd({ weightDecay: 0.3 }), {}, { decay: 0.3 }],
  [
    'a schedule',
    sgd({ learningRate: schedules.inverseTimeDecay({ initialLearningRate: 0.5, decaySteps: 2, decayRate: 0.75 }) }),
    {},
    { rate: (step) => 0.5 / (1 + (0.75 * step) / 2) },
  ],
  [
    'a schedule and weightDecay',
    sgd({ learningRate: schedules.stepDecay({ initialLearningRate: 0.5, decaySteps: 2, factor: 0.5 }), weightDecay: 0.2 }),
    {},
    { rate: (step) => 0.5 * 0.5 ** Math.floor(step / 2), decay: 0.2 },
  ],
  [
    'regularizers',
    sgd(),
    { kernelRegularizer: regularizers.l1l2({ l1: 0.1, l2: 0.2 }), biasRegularizer: regularizers.l2({ l2: 0.3 }) },
    {
      penalty: (w) => w.kernel.reduce((s, v) => s + 0.1 * Math.abs(v) + 0.2 * v * v, 0) + 0.3 * normOf(w.bias) ** 2,
      pull: (w) => ({ kernel: w.kernel.map((v) => 0.1 * Math.sign(v) + 0.4 * v), bias: w.bias.map((v) => 0.6 * v) }),
    },
  ],
  [
    'a regularizer of one’s own, its gradient cut',
    sgd({ globalClipNorm: 0.5 }),
    { biasRegularizer: (w) => gs.ops.sum(gs.ops.exp(w)) },
    {
      penalty: (w) => w.bias.reduce((s, v) => s + Math.exp(v), 0),
      pull: (w) => ({ kernel: w.kernel.map(() => 0), bias: w.bias.map(Math.exp) }),
      cut: (g) => each(g, (p) => shrunk(p, normOf([...g.kernel, ...g.bias]), 0.5)),
    },
  ],
  [
    'constraints',
    sgd(),
    { kernelConstraint: constraints.maxNorm({ maxValue: 0.8 }), biasConstraint: 'nonNeg' },
    { hold: (w) => ({ kernel: columns(w.kernel, 0, 0.8), bias: w.bias.map((v) => Math.max(v, 0)) }) },
  ],
  [
    'constraints on both sides, with decay',
    sgd({ weightDecay: 0.1 }),
    { kernelConstraint: constraints.minMaxNorm({ minValue: 0.9, maxValue: 0.95 }), biasConstraint: (w) => gs.ops.mul(w, 0.5) },
    { decay: 0.1, hold: (w) => ({ kernel: columns(w.kernel, 0.9, 0.95), bias: w.bias.map((v) => v * 0.5) }) },
  ],
];

for (const { device, name: on } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`options around the update on ${on}`, () => {
    for (const [name, optimizer, options, formulas] of CASES) {
      it(name, async () => {
        using model = gs.sequential([gs.layers.dense({ units: UNITS, inputShape: [INPUTS], ...options })]);
        await model.setWeights([
          gs.tensor(Float32Array.from(KERNEL), [INPUTS, UNITS]),
          gs.tensor(Float32Array.from(BIAS), [UNITS]),
        ]);
        model.compile({ optimizer, loss: 'meanSquaredError', device });
        const x = gs.tensor(Float32Array.from(X), [ROWS, INPUTS]);
        const y = gs.tensor(Float32Array.from(Y), [ROWS, UNITS]);
        const { loss } = await model.fit(x, y, { epochs: STEPS, batchSize: ROWS });
        const expected = train(formulas);
        expected.losses.forEach((v, i) => expect(loss[i], `loss of step ${i}`).to.be.closeTo(v, 2e-6 * Math.max(1, v)));
        const [kernel, bias] = await model.getWeights();
        expected.weights.kernel.forEach((v, i) => expect(kernel!.data[i], `kernel ${i}`).to.be.closeTo(v, 2e-6));
        expected.weights.bias.forEach((v, i) => expect(bias!.data[i], `bias ${i}`).to.be.closeTo(v, 2e-6));
        const { loss: after } = await model.evaluate(x, y, { batchSize: ROWS });
        const { loss: error } = slope(expected.weights);
        expect(after, 'loss of evaluate').to.be.closeTo(
          error + (formulas.penalty?.(expected.weights) ?? 0),
          2e-6 * Math.max(1, after),
        );
      });
    }

    it('nothing moves once the loss is not finite', async () => {
      const options = { kernelConstraint: 'unitNorm', biasConstraint: constraints.minMaxNorm({ rate: 0.5 }) } as const;
      const optimizer = sgd({ weightDecay: 0.5, globalClipNorm: 1 });
      using model = gs.sequential([gs.layers.dense({ units: UNITS, inputShape: [INPUTS], ...options })]);
      const before = [gs.tensor(Float32Array.from(KERNEL), [INPUTS, UNITS]), gs.tensor(Float32Array.from(BIAS), [UNITS])];
      await model.setWeights(before);
      model.compile({ optimizer, loss: 'meanSquaredError', device });
      const x = gs.tensor(new Float32Array(ROWS * INPUTS).fill(NaN), [ROWS, INPUTS]);
      const y = gs.tensor(Float32Array.from(Y), [ROWS, UNITS]);
      expect((await failure(model.fit(x, y, { epochs: 1, batchSize: 2 }))).code).to.equal('ERR_NAN');
      (await model.getWeights()).forEach((w, i) => expect(w.data).to.deep.equal(before[i]!.data));
    });

    it('every case differs from plain training', () => {
      const plain = JSON.stringify(train({}));
      for (const [name, , , formulas] of CASES.slice(1)) expect(JSON.stringify(train(formulas)), name).not.to.equal(plain);
    });
  });
}
