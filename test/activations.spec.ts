/**
 * Activations against float64 formulas, on every backend: values by name and as functions, gradients against the
 * formulas' central differences or limits, far from 0 too, where a product of 0 and infinity would be NaN.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { backends, openSession } from './helpers/backends.js';
import { failure } from './helpers/failure.js';
import { inputNumbers, lossWeights, runCase } from './helpers/op_run.js';

type Formula = (x: number) => number;

/** erf from its power series; within 2e-8 of ±1 from 4 on. */
function erf(a: number): number {
  if (Math.abs(a) >= 4) return Math.sign(a);
  let [term, sum] = [a, a];
  for (let n = 1; n < 120; n++) {
    term *= (-a * a) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const sigmoid: Formula = (x) => 1 / (1 + Math.exp(-x));
const softplus: Formula = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const elu = (x: number, alpha: number): number => (x > 0 ? x : alpha * Math.expm1(x));
const geluTanh: Formula = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

const FORMULAS: Record<Exclude<gs.ActivationName, 'softmax' | 'logSoftmax'>, Formula> = {
  linear: (x) => x,
  relu: (x) => Math.max(x, 0),
  relu6: (x) => clamp(x, 0, 6),
  leakyRelu: (x) => (x > 0 ? x : 0.2 * x),
  elu: (x) => elu(x, 1),
  selu: (x) => 1.0507009873554805 * elu(x, 1.6732632423543772),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  silu: (x) => x * sigmoid(x),
  swish: (x) => x * sigmoid(x),
  mish: (x) => x * Math.tanh(softplus(x)),
  sigmoid,
  hardSigmoid: (x) => clamp((x + 3) / 6, 0, 1),
  tanh: Math.tanh,
  softplus,
  softsign: (x) => x / (1 + Math.abs(x)),
  exponential: Math.exp,
};

/** With options away from their defaults. */
const VARIANTS: [string, (x: gs.Value) => gs.Value, Formula][] = [
  ['leakyRelu, slope 0.01', (x) => gs.activations.leakyRelu(x, { negativeSlope: 0.01 }), (x) => (x > 0 ? x : 0.01 * x)],
  ['leakyRelu, slope 1.5', (x) => gs.activations.leakyRelu(x, { negativeSlope: 1.5 }), (x) => (x > 0 ? x : 1.5 * x)],
  ['elu, alpha 0.4', (x) => gs.activations.elu(x, { alpha: 0.4 }), (x) => elu(x, 0.4)],
  ['gelu by tanh', (x) => gs.activations.gelu(x, { approximate: true }), geluTanh],
];

/** Away from kinks by more than the step of the differences. */
const POINTS = [-7.3, -4, -3.01, -2.9, -1.5, -0.6, -1e-3, 1e-3, 0.1, 0.7, 1.9, 2.99, 4, 5.9, 6.1, 8];
/** Numbers that PyTorch 2 gives for the gradients at exactly 0. */
const SLOPE_AT_0: Partial<Record<gs.ActivationName, number>> = {
  relu: 0,
  relu6: 0,
  leakyRelu: 0.2,
  elu: 1,
  selu: 1.7580993408473768,
  gelu: 0.5,
  silu: 0.5,
  mish: 0.6,
  hardSigmoid: 1 / 6,
  softplus: 0.5,
  softsign: 1,
  exponential: 1,
};

function expectClose(actual: readonly number[], expected: readonly number[], what: string): void {
  expect(actual).to.have.length(expected.length);
  expected.forEach((e, i) => {
    if (actual[i] !== e) expect(actual[i], `${what} ${i}`).to.be.closeTo(e, 2e-6 + 4e-6 * Math.abs(e));
  });
}

for (const backend of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`activations on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    async function run(activation: (x: gs.Value) => gs.Value, data: readonly number[], shape = [data.length]) {
      const inputs = { x: { shape, data } };
      const numbers = inputNumbers(inputs);
      const test = { name: 'activation', inputs, build: ({ x }: Record<string, gs.Value>) => ({ y: activation(x!) }) };
      const result = await runCase(session, backend.kind, { ...test, reference: () => ({}) }, numbers, {
        guardBytes: 64,
        fusion: true,
      });
      const weights = lossWeights('y', data.length);
      return { x: numbers.x!, y: result.outputs.y!, dx: result.gradients.x!.map((g, i) => g / weights[i]!), raw: result };
    }

    const named = Object.entries(FORMULAS).map(
      ([name, formula]) => [name, gs.activations[name as keyof typeof FORMULAS], formula] as const,
    );
    for (const [name, activation, formula] of [...named, ...VARIANTS]) {
      it(`${name}: values and gradients`, async () => {
        const { x, y, dx } = await run((v) => activation(v), POINTS);
        expectClose(y, x.map(formula), 'y');
        const h = 1e-5;
        expectClose(
          dx,
          x.map((v) => (formula(v + h) - formula(v - h)) / (2 * h)),
          'dx',
        );
      });

      it(`${name}: far from 0`, async () => {
        const { y, dx } = await run((v) => activation(v), [-100, 100]);
        const h = 1e-3;
        const slope = (v: number): number => Math.fround((formula(v + h) - formula(v - h)) / (2 * h));
        expectClose(y, [-100, 100].map(formula).map(Math.fround), 'y');
        expectClose(dx.map(Math.abs), [-100, 100].map(slope).map(Math.abs), 'dx');
      });
    }

    for (const [name, slope] of Object.entries(SLOPE_AT_0)) {
      it(`${name}: gradient at 0`, async () => {
        const { dx } = await run((x) => gs.activations[name as gs.ActivationName](x), [0]);
        expect(dx[0]).to.be.closeTo(slope, 1e-6);
      });
    }

    it('logSoftmax: values and gradients, far apart too', async () => {
      const data = [1, 2, -0.5, 100, -100, 0];
      const { y, raw } = await run((x) => gs.activations.logSoftmax(x), data, [2, 3]);
      const expected = [0, 3].flatMap((r) => {
        const row = data.slice(r, r + 3);
        const max = Math.max(...row);
        return row.map((v) => v - max - Math.log(row.reduce((s, u) => s + Math.exp(u - max), 0)));
      });
      expectClose(y, expected, 'y');
      const w = lossWeights('y', 6);
      const slopes = data.map((_, i) => {
        const r = i < 3 ? 0 : 3;
        return w[i]! - Math.exp(expected[i]!) * (w[r]! + w[r + 1]! + w[r + 2]!);
      });
      expectClose(raw.gradients.x!, slopes, 'dx');
    });

    it('by name in layers, saved and loaded', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'gradstep-activations-'));
      try {
        const names = [...Object.keys(FORMULAS), 'softmax', 'logSoftmax'] as gs.ActivationName[];
        for (const name of names) {
          using model = gs.sequential([
            gs.layers.activation({ activation: name, inputShape: [4] }),
            gs.layers.dense({ units: 2, activation: name }),
          ]);
          model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: backend.device, seed: 4 });
          const x = gs.tensor([
            [-1, 0.5, 2, -0.2],
            [0, 1, -3, 4],
          ]);
          const path = join(folder, 'model.safetensors');
          const { data } = await model.predict(x);
          await model.save(path);
          using again = await gs.loadModel(path, { device: backend.device });
          expect((await again.predict(x)).data, name).to.deep.equal(data);
          if (!(name in FORMULAS)) continue;
          const formula = FORMULAS[name as keyof typeof FORMULAS];
          const [kernel] = await model.getWeights();
          const expected = [0, 4].flatMap((r) =>
            [0, 1].map((u) => formula([0, 1, 2, 3].reduce((s, k) => s + formula(x.data[r + k]!) * kernel!.data[k * 2 + u]!, 0))),
          );
          expected.forEach((e, i) => expect(data[i], name).to.be.closeTo(e, 1e-5 * Math.max(1, Math.abs(e))));
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  });
}

describe('options of activations', () => {
  it('are checked where they are given', async () => {
    const build = async (activation: gs.Activation): Promise<gs.GradstepError> => {
      using model = gs.sequential([gs.layers.activation({ activation, inputShape: [2] })]);
      return await failure(model.predict([[1, 2]]));
    };
    const cases: [gs.Activation, RegExp][] = [
      [
        (x) => gs.activations.leakyRelu(x, { negativeSlope: NaN }),
        /Expected finite number for activations\.leakyRelu\.negativeSlope/,
      ],
      [(x) => gs.activations.elu(x, { alpha: '1' as never }), /Expected finite number for activations\.elu\.alpha/],
      [(x) => gs.activations.gelu(x, { approximate: 1 as never }), /Expected boolean for activations\.gelu\.approximate/],
      [(x) => gs.activations.gelu(x, { approximat: true } as never), /did you mean "approximate"\?/],
    ];
    for (const [activation, message] of cases) {
      const error = await build(activation);
      expect(error.code).to.equal('ERR_OPTION');
      expect(error.message).to.match(message);
    }
  });

  it('of a user’s own yield a value of their input’s shape, in every layer that takes one', async () => {
    const { layers, ops } = gs;
    const places: [place: string, inputShape: number[], layer: (activation: gs.Activation) => gs.Layer][] = [
      ['activation.activation', [4], (activation) => layers.activation({ activation })],
      ['dense.activation', [4], (activation) => layers.dense({ units: 2, activation })],
      ['dense.activation', [3, 4], (activation) => layers.timeDistributed({ layer: layers.dense({ units: 2, activation }) })],
      ['conv1d.activation', [4, 2], (activation) => layers.conv1d({ filters: 2, kernelSize: 2, activation })],
      ['conv2d.activation', [4, 4, 2], (activation) => layers.conv2d({ filters: 2, kernelSize: 2, activation })],
      ['conv3d.activation', [2, 2, 2, 1], (activation) => layers.conv3d({ filters: 2, kernelSize: 2, activation })],
      [
        'conv2dTranspose.activation',
        [4, 4, 2],
        (activation) => layers.conv2dTranspose({ filters: 2, kernelSize: 2, activation }),
      ],
      ['depthwiseConv2d.activation', [4, 4, 2], (activation) => layers.depthwiseConv2d({ kernelSize: 2, activation })],
      [
        'separableConv2d.activation',
        [4, 4, 2],
        (activation) => layers.separableConv2d({ filters: 2, kernelSize: 2, activation }),
      ],
      ['convLstm2d.activation', [2, 4, 4, 1], (activation) => layers.convLstm2d({ filters: 1, kernelSize: 2, activation })],
      [
        'convLstm2d.recurrentActivation',
        [2, 4, 4, 1],
        (recurrentActivation) => layers.convLstm2d({ filters: 1, kernelSize: 2, recurrentActivation }),
      ],
    ];
    for (const [place, inputShape, layer] of places) {
      const fails = async (activation: unknown): Promise<gs.GradstepError> => {
        const x = gs.input({ shape: inputShape });
        using model = gs.model({ inputs: x, outputs: layer(activation as gs.Activation).apply(x) });
        return await failure(model.predict(new Float32Array(2 * inputShape.reduce((n, d) => n * d))));
      };
      const scalar = await fails((x: gs.Value) => ops.sum(x));
      expect(scalar.code, scalar.message).to.equal('ERR_SHAPE');
      expect(scalar.message).to.match(
        new RegExp(`^Expected shape \\[.*\\] for the result of layers\\.${place} but received \\[\\]`),
      );
      const first = await fails((x: gs.Value) =>
        ops.slice(
          x,
          x.shape.map(() => 0),
          [1, ...x.shape.slice(1)],
        ),
      );
      expect(first.code, first.message).to.equal('ERR_SHAPE');
      const integers = await fails((x: gs.Value) => ops.argmax(x));
      expect(integers.code, integers.message).to.equal('ERR_DTYPE');
      for (const result of [undefined, 1, 'relu', [1], Promise.resolve()]) {
        const error = await fails(() => result);
        expect(error.code, error.message).to.equal('ERR_OPTION');
        expect(error.message).to.match(new RegExp(`^Expected value made from its input for the result of layers\\.${place} but`));
      }
    }
  });

  it('of a user’s own are named where they cannot be saved', async () => {
    const square = (x: gs.Value): gs.Value => gs.ops.square(x);
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1], activation: square })]);
    expect((await failure(model.save('never.safetensors'))).message).to.match(/function of your own \(square\) cannot be saved/);
  });
});
