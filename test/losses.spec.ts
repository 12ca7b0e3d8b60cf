/**
 * The losses, forward and backward, on every backend: values against float64 formulas written out here and gradients
 * against their central differences; where PyTorch has the same loss, its float64 numbers too. Then names, options,
 * saving.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { perSample } from '../lib/losses/loss.js';
import type { NativeSession } from '../binding.js';
import { FLAG, STATE, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { inputNumbers, lossWeights, runCase } from './helpers/op_run.js';

type Rows = readonly (readonly number[])[];
type Formula = (y: readonly number[], p: readonly number[]) => number;

const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b) / v.length;
const sum = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0);
const each =
  (f: (y: number, p: number) => number): Formula =>
  (y, p) =>
    mean(y.map((v, i) => f(v, p[i]!)));
const clip = (p: number, high = 1 - 1e-7): number => Math.min(Math.max(p, 1e-7), high);
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const softmax = (z: readonly number[]): number[] => {
  const e = z.map((v) => Math.exp(v - Math.max(...z)));
  return e.map((v) => v / sum(e));
};
const overSum = (p: readonly number[]): number[] => p.map((v) => v / sum(p));
const smooth = (y: number, part: number, classes: number): number => y * (1 - part) + part / classes;

const binary = (y: number, p: number): number => -y * Math.log(clip(p)) - (1 - y) * Math.log(1 - clip(p));
const binaryFocal = (y: number, p: number, gamma: number): number =>
  (1 - (y * clip(p) + (1 - y) * (1 - clip(p)))) ** gamma * binary(y, p);
const categorical: Formula = (y, p) => -sum(y.map((v, c) => v * Math.log(clip(p[c]!))));
const categoricalFocal =
  (alpha: number, gamma: number): Formula =>
  (y, p) =>
    -sum(y.map((v, c) => alpha * (1 - clip(p[c]!)) ** gamma * v * Math.log(clip(p[c]!))));
const huber =
  (delta: number): Formula =>
  (y, p) =>
    each((a, b) => (Math.abs(a - b) <= delta ? (a - b) ** 2 / 2 : delta * (Math.abs(a - b) - delta / 2)))(y, p);
const divergence: Formula = (y, p) => sum(y.map((v, c) => clip(v, 1) * Math.log(clip(v, 1) / clip(p[c]!, 1))));
const hinge: Formula = each((y, p) => Math.max(1 - (y === 0 ? -1 : y) * p, 0));
const log1pSquare = (y: number, p: number): number => (Math.log(1 + clip(p, Infinity)) - Math.log(1 + clip(y, Infinity))) ** 2;

const cosine: Formula = (y, p) => -sum(y.map((v, i) => v * p[i]!)) / Math.hypot(...y) / Math.hypot(...p);

const OUTPUTS: Rows = [
  [0.3, -1.2, 2.5],
  [0.8, 0.05, -0.4],
];
const TARGETS: Rows = [
  [1, 0.4, -0.5],
  [0.75, -2, 0.1],
];
const RATES: Rows = [
  [0.3, 1.2, 2.5],
  [0.8, 0.05, 4],
];
const COUNTS: Rows = [
  [1, 0, 3],
  [0, 2, 5],
];
const PROBABILITIES: Rows = [
  [0.15, 0.7, 0.4],
  [0.9, 0.2, 0.55],
];
const BITS: Rows = [
  [1, 0, 1],
  [0, 1, 0],
];
const SIDES: Rows = [
  [1, -1, 1],
  [-1, 1, -1],
];
const ONE_HOT: Rows = [
  [0, 1, 0],
  [1, 0, 0],
];
const SHARES: Rows = [
  [0.2, 0.5, 0.3],
  [0.6, 0.1, 0.3],
];

interface Case {
  name: string;
  loss: gs.Loss;
  yTrue: Rows;
  yPred: Rows;
  formula: Formula;
  /** Applied to the outputs before the loss, as a model's last layer would. */
  activation?: (x: gs.Value) => gs.Value;
}

const { losses } = gs;
const cases: Case[] = [
  ...(
    [
      ['meanSquaredError', each((y, p) => (y - p) ** 2)],
      ['meanAbsoluteError', each((y, p) => Math.abs(y - p))],
      ['meanAbsolutePercentageError', each((y, p) => (100 * Math.abs(y - p)) / Math.max(Math.abs(y), 1e-7))],
      ['huber', huber(1)],
      ['logCosh', each((y, p) => Math.log(Math.cosh(y - p)))],
      ['cosineSimilarity', cosine],
    ] as const
  ).map(([name, formula]) => ({ name, loss: losses[name](), yTrue: TARGETS, yPred: OUTPUTS, formula })),
  { name: 'huber, delta 0.6', loss: losses.huber({ delta: 0.6 }), yTrue: TARGETS, yPred: OUTPUTS, formula: huber(0.6) },
  {
    name: 'meanSquaredLogarithmicError',
    loss: losses.meanSquaredLogarithmicError(),
    yTrue: COUNTS,
    yPred: RATES,
    formula: each(log1pSquare),
  },
  {
    name: 'poisson',
    loss: losses.poisson(),
    yTrue: COUNTS,
    yPred: RATES,
    formula: each((y, p) => p - y * Math.log(p + 1e-7)),
  },
  { name: 'hinge', loss: losses.hinge(), yTrue: SIDES, yPred: OUTPUTS, formula: hinge },
  { name: 'hinge, labels 0 and 1', loss: losses.hinge(), yTrue: BITS, yPred: OUTPUTS, formula: hinge },
  {
    name: 'squaredHinge',
    loss: losses.squaredHinge(),
    yTrue: SIDES,
    yPred: OUTPUTS,
    formula: each((y, p) => Math.max(1 - y * p, 0) ** 2),
  },
  {
    name: 'categoricalHinge',
    loss: losses.categoricalHinge(),
    yTrue: ONE_HOT,
    yPred: OUTPUTS,
    formula: (y, p) => Math.max(1 + Math.max(...y.map((v, c) => (1 - v) * p[c]!)) - sum(y.map((v, c) => v * p[c]!)), 0),
  },
  {
    name: 'kullbackLeiblerDivergence',
    loss: losses.kullbackLeiblerDivergence(),
    yTrue: SHARES,
    yPred: PROBABILITIES,
    formula: divergence,
  },
  {
    name: 'kullbackLeiblerDivergence after softmax',
    loss: losses.kullbackLeiblerDivergence(),
    yTrue: SHARES,
    yPred: OUTPUTS,
    activation: gs.activations.softmax,
    formula: (y, z) => divergence(y, softmax(z)),
  },
];

// The cross-entropies, each from probabilities, from logits, and after the activation that makes probabilities of logits.
function entropies(
  name: string,
  make: (fromLogits: boolean) => gs.Loss,
  yTrue: Rows,
  formula: Formula,
  kind: 'sigmoid' | 'softmax',
) {
  const chances = kind === 'sigmoid' ? (z: readonly number[]) => z.map(sigmoid) : softmax;
  const direct: Formula = (y, p) => formula(y, kind === 'sigmoid' ? p : overSum(p));
  const logits: Formula = (y, z) => formula(y, chances(z));
  cases.push(
    { name, loss: make(false), yTrue, yPred: PROBABILITIES, formula: direct },
    { name: `${name}, from logits`, loss: make(true), yTrue, yPred: OUTPUTS, formula: logits },
    {
      name: `${name}, after ${kind}`,
      loss: make(false),
      yTrue,
      yPred: OUTPUTS,
      formula: logits,
      activation: gs.activations[kind],
    },
  );
}
entropies('binaryCrossentropy', (fromLogits) => losses.binaryCrossentropy({ fromLogits }), BITS, each(binary), 'sigmoid');
entropies(
  'binaryCrossentropy, smoothed',
  (fromLogits) => losses.binaryCrossentropy({ fromLogits, labelSmoothing: 0.2 }),
  BITS,
  each((y, p) => binary(smooth(y, 0.2, 2), p)),
  'sigmoid',
);
entropies(
  'categoricalCrossentropy',
  (fromLogits) => losses.categoricalCrossentropy({ fromLogits }),
  SHARES,
  categorical,
  'softmax',
);
entropies(
  'categoricalCrossentropy, smoothed',
  (fromLogits) => losses.categoricalCrossentropy({ fromLogits, labelSmoothing: 0.3 }),
  ONE_HOT,
  (y, p) =>
    categorical(
      y.map((v) => smooth(v, 0.3, 3)),
      p,
    ),
  'softmax',
);
for (const gamma of [0, 1, 2, 3.5]) {
  entropies(
    `binaryFocalCrossentropy, gamma ${gamma}`,
    (fromLogits) => losses.binaryFocalCrossentropy({ fromLogits, gamma }),
    BITS,
    each((y, p) => binaryFocal(y, p, gamma)),
    'sigmoid',
  );
  entropies(
    `categoricalFocalCrossentropy, gamma ${gamma}`,
    (fromLogits) => losses.categoricalFocalCrossentropy({ fromLogits, gamma }),
    SHARES,
    categoricalFocal(0.25, gamma),
    'softmax',
  );
}
entropies(
  'binaryFocalCrossentropy, balanced and smoothed',
  (fromLogits) => losses.binaryFocalCrossentropy({ fromLogits, applyClassBalancing: true, alpha: 0.7, labelSmoothing: 0.1 }),
  BITS,
  each((y, p) => {
    const t = smooth(y, 0.1, 2);
    return (t * 0.7 + (1 - t) * 0.3) * binaryFocal(t, p, 2);
  }),
  'sigmoid',
);
entropies(
  'categoricalFocalCrossentropy, alpha 0.6, smoothed',
  (fromLogits) => losses.categoricalFocalCrossentropy({ fromLogits, alpha: 0.6, labelSmoothing: 0.3 }),
  ONE_HOT,
  (y, p) =>
    categoricalFocal(0.6, 2)(
      y.map((v) => smooth(v, 0.3, 3)),
      p,
    ),
  'softmax',
);

/**
 * Losses of the two rows and gradients of their sum, from PyTorch 2 in float64: l1_loss, huber_loss, poisson_nll_loss
 * (eps = 1e-7), kl_div of log_softmax, −cosine_similarity, and the cross-entropies from logits with smoothed labels.
 */
const PYTORCH: Record<string, { loss: number[]; gradient: number[] }> = {
  meanAbsoluteError: {
    loss: [1.766666667, 0.866666667],
    gradient: [-0.333333333, -0.333333333, 0.333333333, 0.333333333, 0.333333333, -0.333333333],
  },
  huber: {
    loss: [1.281666667, 0.55875],
    gradient: [-0.233333333, -0.333333333, 0.333333333, 0.016666667, 0.333333333, -0.166666667],
  },
  'huber, delta 0.6': {
    loss: [0.88, 0.392083333],
    gradient: [-0.2, -0.2, 0.2, 0.016666667, 0.2, -0.166666667],
  },
  poisson: {
    loss: [0.818366718, 1.303329539],
    gradient: [-0.777777407, 0.333333333, -0.066666651, 0.333333333, -12.999973333, -0.083333323],
  },
  'kullbackLeiblerDivergence after softmax': {
    loss: [1.387443569, 0.110043532],
    gradient: [-0.102421352, -0.478227261, 0.580648613, -0.036162538, 0.166337958, -0.13017542],
  },
  cosineSimilarity: {
    loss: [0.431754311, -0.240136653],
    gradient: [-0.318574715, -0.054175941, 0.012224514, -0.152138588, 1.059034192, -0.171897902],
  },
  'binaryCrossentropy, smoothed, from logits': {
    loss: [0.432175815, 0.772525189],
    gradient: [-0.108519161, 0.043825072, 0.008047273, 0.19665816, -0.129167535, 0.100437447],
  },
  'categoricalCrossentropy, smoothed, from logits': {
    loss: [3.307096583, 0.767989257],
    gradient: [-0.002421352, -0.778227261, 0.780648613, -0.236162538, 0.166337958, 0.06982458],
  },
};

function expectClose(actual: readonly number[], expected: readonly number[], what: string): void {
  expect(actual, what).to.have.length(expected.length);
  expected.forEach((e, i) => expect(actual[i], `${what} ${i}`).to.be.closeTo(e, 1e-6 + 4e-6 * Math.abs(e)));
}

/** The loss of each row, and the gradient of their weighted sum with respect to the outputs. */
async function run(
  session: NativeSession,
  kind: 'cpu' | 'cuda',
  loss: gs.Loss,
  yTrue: Rows,
  yPred: Rows,
  activation?: gs.Activation,
) {
  const shape = [yPred.length, yPred[0]!.length];
  const test: OpCase = {
    name: 'loss',
    inputs: { p: { shape, data: yPred.flat() }, y: { shape, data: yTrue.flat() }, state: STATE, flag: FLAG },
    build: ({ p, y, state, flag }) => ({
      loss: perSample(loss, y!, activation ? activation(p!) : p!, { state: state!, flag: flag! }),
    }),
    reference: () => ({}),
    gradients: ['p'],
  };
  const { outputs, gradients } = await runCase(session, kind, test, inputNumbers(test.inputs), { guardBytes: 64, fusion: true });
  return { loss: outputs.loss!, gradient: gradients.p!, weights: lossWeights('loss', yPred.length) };
}

for (const backend of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`losses on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    for (const { name, loss, yTrue, yPred, formula, activation } of cases) {
      it(`${name}: value and gradient`, async () => {
        const result = await run(session, backend.kind, loss, yTrue, yPred, activation);
        expectClose(
          result.loss,
          yPred.map((p, r) => formula(yTrue[r]!, p)),
          'loss',
        );
        const h = 1e-6;
        const slopes = yPred.flatMap((p, r) =>
          p.map((_, i) => {
            const moved = (d: number): number =>
              formula(
                yTrue[r]!,
                p.map((v, j) => (j === i ? v + d : v)),
              );
            return (result.weights[r]! * (moved(h) - moved(-h))) / (2 * h);
          }),
        );
        expectClose(result.gradient, slopes, 'gradient');
      });
    }

    for (const [name, golden] of Object.entries(PYTORCH)) {
      it(`${name}: PyTorch's numbers`, async () => {
        const { loss, yTrue, yPred, activation } = cases.find((c) => c.name === name)!;
        const result = await run(session, backend.kind, loss, yTrue, yPred, activation);
        expectClose(result.loss, golden.loss, 'loss');
        const gradient = golden.gradient.map((g, i) => g * result.weights[Math.floor(i / 3)]!);
        expectClose(result.gradient, gradient, 'gradient');
      });
    }

    it('gradients are finite at the edges: exact outputs, zeros, certainty, far logits', async () => {
      const zeros = [[0, 0, 0]];
      const hot = [[1, 0, 0]];
      const edges: [gs.Loss, Rows, Rows, gs.Activation?][] = [
        ...(
          ['meanAbsoluteError', 'meanAbsolutePercentageError', 'meanSquaredLogarithmicError', 'huber', 'logCosh'] as const
        ).flatMap((name): [gs.Loss, Rows, Rows][] => [
          [losses[name](), zeros, zeros],
          [losses[name](), hot, hot],
          [losses[name](), [[100, -100, 0]], [[-100, 100, 0]]],
        ]),
        [losses.cosineSimilarity(), hot, zeros],
        [losses.cosineSimilarity(), zeros, hot],
        [losses.poisson(), hot, zeros],
        [losses.hinge(), [[1, -1, 1]], [[1, -1, 100]]],
        [losses.categoricalHinge(), hot, [[100, -100, 99]]],
        [losses.kullbackLeiblerDivergence(), hot, hot],
        [losses.kullbackLeiblerDivergence(), hot, [[-100, 100, 0]], gs.activations.softmax],
        ...[0, 0.5, 1, 2, 3].flatMap((gamma): [gs.Loss, Rows, Rows, gs.Activation?][] => [
          [losses.binaryFocalCrossentropy({ gamma }), hot, hot],
          [losses.binaryFocalCrossentropy({ gamma }), hot, [[100, -100, 100]], gs.activations.sigmoid],
          [losses.categoricalFocalCrossentropy({ gamma }), hot, hot],
          [losses.categoricalFocalCrossentropy({ gamma }), hot, [[100, -100, 0]], gs.activations.softmax],
          [losses.categoricalFocalCrossentropy({ gamma }), hot, [[-100, 100, 0]], gs.activations.softmax],
        ]),
      ];
      for (const [loss, yTrue, yPred, activation] of edges) {
        const result = await run(session, backend.kind, loss, yTrue, yPred, activation);
        const what = `${loss.name} ${JSON.stringify(loss.config)} ${JSON.stringify(yPred)}`;
        expect([...result.loss, ...result.gradient].every(Number.isFinite), `${what}: ${result.gradient.join(', ')}`).to.equal(
          true,
        );
      }
    });

    it('by name and with options, saved and loaded', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'gradstep-losses-'));
      const path = join(folder, 'model.safetensors');
      try {
        const chosen: [gs.LossName | gs.Loss, Case][] = cases
          .filter((c) => c.activation === undefined)
          .map((c) => [c.name === c.loss.name ? (c.name as gs.LossName) : c.loss, c]);
        for (const [loss, { name, yTrue, yPred, formula }] of chosen) {
          using model = gs.sequential([gs.layers.activation({ activation: 'linear', inputShape: [3] })]);
          model.compile({ optimizer: 'sgd', loss, device: backend.device });
          const [x, y] = [gs.tensor(yPred.map((p) => [...p])), gs.tensor(yTrue.map((t) => [...t]))];
          const expected = mean(yPred.map((p, r) => formula(yTrue[r]!, p)));
          const before = (await model.evaluate(x, y)).loss;
          expect(before, name).to.be.closeTo(expected, 1e-6 + 2e-6 * Math.abs(expected));
          await model.save(path);
          using again = await gs.loadModel(path, { device: backend.device });
          expect((await again.evaluate(x, y)).loss, name).to.equal(before);
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}

describe('losses', () => {
  it('sequences: the mean over steps of what each step loses', async () => {
    using model = gs.sequential([gs.layers.activation({ activation: 'linear', inputShape: [2, 3] })]);
    for (const name of [
      'categoricalHinge',
      'cosineSimilarity',
      'kullbackLeiblerDivergence',
      'categoricalFocalCrossentropy',
    ] as const) {
      const { formula } = cases.find((c) => c.loss.name === name && c.activation === undefined)!;
      const p = [PROBABILITIES, [...PROBABILITIES].reverse()];
      const y = [ONE_HOT, ONE_HOT];
      const loss = name === 'categoricalFocalCrossentropy' ? losses[name]({ gamma: 0 }) : name;
      model.compile({ optimizer: 'sgd', loss, device: 'cpu' });
      const flat = (rows: readonly Rows[]): gs.Tensor => gs.tensor(Float32Array.from(rows.flat(2)), [2, 2, 3]);
      const expected = mean(p.flatMap((rows, s) => rows.map((row, r) => formula(y[s]![r]!, row))));
      expect((await model.evaluate(flat(p), flat(y))).loss, name).to.be.closeTo(expected, 1e-5);
    }
  });

  it('the losses fused with a softmax train', async () => {
    for (const name of ['kullbackLeiblerDivergence', 'categoricalFocalCrossentropy'] as const) {
      using model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [2] })]);
      model.compile({ optimizer: 'sgd', loss: name, device: 'cpu', seed: 1 });
      const x = [
        [0.1, -2],
        [2, 0.3],
      ];
      const history = await model.fit(x, gs.tensor(SHARES.map((t) => [...t])), { epochs: 40 });
      expect(history.loss.at(-1)).to.be.below(history.loss[0]!);
    }
  });
});
