/**
 * Layers that disturb while training: element for element against the formulas with Philox's numbers, what they draw
 * against theory within five standard deviations, repeatable by seed and step, nothing outside training. On every backend.
 */
import { expect } from 'chai';
import type { NativeSession } from '../binding.js';
import * as gs from '../lib/index.js';
import { restoreLayer, saveLayer } from '../lib/layers/registry.js';
import { STATE, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { callLayer, expectNothingAtInference, layerCase, roleStream } from './helpers/random_layer_case.js';
import { compareCase } from './helpers/op_compare.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import { normals, uniforms } from './helpers/random_numbers.js';

const { alphaDropout, dropout, gaussianDropout, gaussianNoise, spatialDropout1d, spatialDropout2d, spatialDropout3d } = gs.layers;

const STATE_DATA = [3, 0, 17, 1];

/** selu's limit to the left, −λα. */
const LIMIT = -1.7580993408473766;

type Rule = (v: number, kept: boolean) => number;

const drop =
  (rate: number): Rule =>
  (v, kept) =>
    kept ? v / (1 - rate) : 0;

/** The formula of Klambauer et al. 2017. */
const alphaDrop = (rate: number): Rule => {
  const a = 1 / Math.sqrt((1 - rate) * (1 + rate * LIMIT * LIMIT));
  const b = -a * LIMIT * rate;
  return (v, kept) => a * (kept ? v : LIMIT) + b;
};

/** A dropping layer whose draws have the shape `noise`, which broadcasts to `shape`. */
function dropping(name: string, layer: gs.Layer, shape: number[], noise: number[], rate: number, rule: Rule): OpCase {
  const size = noise.reduce((n, d) => n * d, 1);
  return layerCase({
    name,
    layer,
    x: { shape },
    reference(x) {
      const u = uniforms(size, roleStream('dropout'), STATE_DATA);
      return x.map((v, i) => {
        let [rest, at, stride] = [i, 0, 1];
        for (let axis = shape.length - 1; axis >= 0; axis--) {
          const index = rest % shape[axis]!;
          rest = Math.floor(rest / shape[axis]!);
          if (noise[axis] !== 1) at += index * stride;
          stride *= noise[axis]!;
        }
        return rule(v, u[at]! >= Math.fround(rate));
      });
    },
  });
}

const cases: OpCase[] = [
  dropping('dropout', dropout({ rate: 0.3 }), [4, 33], [4, 33], 0.3, drop(0.3)),
  dropping(
    'dropout of features for all time',
    dropout({ rate: 0.4, noiseShape: [null, 1, null] }),
    [3, 5, 6],
    [3, 1, 6],
    0.4,
    drop(0.4),
  ),
  dropping('dropout alike for all samples', dropout({ rate: 0.6, noiseShape: [1, null] }), [5, 12], [1, 12], 0.6, drop(0.6)),
  dropping(
    'dropout of a noiseShape like the input',
    dropout({ rate: 0.6, noiseShape: [null, 12] }),
    [5, 12],
    [5, 12],
    0.6,
    drop(0.6),
  ),
  dropping('alphaDropout', alphaDropout({ rate: 0.35 }), [4, 33], [4, 33], 0.35, alphaDrop(0.35)),
  dropping(
    'alphaDropout of steps',
    alphaDropout({ rate: 0.5, noiseShape: [null, null, 1] }),
    [3, 5, 6],
    [3, 5, 1],
    0.5,
    alphaDrop(0.5),
  ),
  dropping('spatialDropout1d', spatialDropout1d({ rate: 0.4 }), [4, 3, 7], [4, 1, 7], 0.4, drop(0.4)),
  dropping('spatialDropout2d', spatialDropout2d({ rate: 0.3 }), [3, 2, 4, 5], [3, 1, 1, 5], 0.3, drop(0.3)),
  dropping('spatialDropout3d', spatialDropout3d({ rate: 0.5 }), [2, 2, 3, 2, 5], [2, 1, 1, 1, 5], 0.5, drop(0.5)),
  layerCase({
    name: 'gaussianNoise',
    layer: gaussianNoise({ stddev: 0.7 }),
    x: { shape: [4, 33] },
    reference: (x) => normals(132, roleStream('noise'), STATE_DATA).map((z, i) => x[i]! + 0.7 * z),
  }),
  layerCase({
    name: 'gaussianDropout',
    layer: gaussianDropout({ rate: 0.2 }),
    x: { shape: [4, 33] },
    reference: (x) => normals(132, roleStream('noise'), STATE_DATA).map((z, i) => x[i]! * (1 + 0.5 * z)),
  }),
];

/** The layers with options that disturb samples of [3, 4, 2]. */
const DISTURBING: gs.Layer[] = [
  dropout({ rate: 0.5 }),
  dropout({ rate: 0.5, noiseShape: [null, null, null, 1] }),
  alphaDropout({ rate: 0.5 }),
  gaussianDropout({ rate: 0.5 }),
  gaussianNoise({ stddev: 1 }),
  spatialDropout2d({ rate: 0.5 }),
];

const mean = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0) / v.length;
const variance = (v: readonly number[]): number => {
  const m = mean(v);
  return v.reduce((a, b) => a + (b - m) ** 2, 0) / v.length;
};

for (const backend of backends()) {
  describe(`random layers on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    /** The layer's result in training. */
    async function run(layer: gs.Layer, shape: number[], state: readonly number[], data?: readonly number[]): Promise<number[]> {
      const test: OpCase = {
        name: 'run',
        inputs: { x: { shape, ...(data && { data }) }, state: { ...STATE, data: state } },
        build: ({ x, state: s }) => ({ y: callLayer(layer, x!, s!, true) }),
        reference: () => ({}),
        gradients: [],
      };
      return (await runCase(session, backend.kind, test, inputNumbers(test.inputs), { guardBytes: 0, fusion: true })).outputs.y!;
    }

    for (const test of cases) {
      it(test.name, async () => {
        await compareCase(session, backend.kind, test);
      });
    }

    const N = 40_000;
    const shape = [200, 200];
    const ones = new Array<number>(N).fill(1);

    it('gaussianNoise has mean 0, the deviation asked for, and the tails of the normal distribution', async () => {
      const z = (await run(gaussianNoise({ stddev: 0.3 }), shape, [1, 0, 2, 0], ones)).map((v) => (v - 1) / 0.3);
      expect(mean(z)).to.be.closeTo(0, 5 / Math.sqrt(N));
      expect(variance(z)).to.be.closeTo(1, 5 * Math.sqrt(2 / N));
      // P(|z| < 1), P(|z| < 2), P(|z| < 3).
      [0.6826895, 0.9544997, 0.9973002].forEach((p, i) => {
        const count = z.filter((v) => Math.abs(v) < i + 1).length;
        expect(count, `within ${i + 1} deviations`).to.be.closeTo(N * p, 5 * Math.sqrt(N * p * (1 - p)));
      });
      // Neighbours and numbers of one draw (16 apart) are not related.
      for (const lag of [1, 16, 32]) {
        const products = z.slice(lag).map((v, i) => v * z[i]!);
        expect(mean(products), `lag ${lag}`).to.be.closeTo(0, 5 / Math.sqrt(N));
      }
    });

    it('gaussianDropout multiplies by numbers of mean 1 and variance rate / (1 − rate)', async () => {
      const y = await run(gaussianDropout({ rate: 0.4 }), shape, [1, 0, 2, 0], ones);
      const wanted = 0.4 / 0.6;
      expect(mean(y)).to.be.closeTo(1, 5 * Math.sqrt(wanted / N));
      expect(variance(y)).to.be.closeTo(wanted, 5 * wanted * Math.sqrt(2 / N));
    });

    it('dropout keeps its part, and the mean', async () => {
      const y = await run(dropout({ rate: 0.3 }), shape, [1, 0, 2, 0], ones);
      const kept = y.filter((v) => v !== 0);
      expect(kept.length).to.be.closeTo(N * 0.7, 5 * Math.sqrt(N * 0.7 * 0.3));
      kept.forEach((v) => expect(v).to.be.closeTo(1 / 0.7, 1e-6));
    });

    it('spatialDropout keeps its part of the channels, each whole', async () => {
      const y = await run(spatialDropout1d({ rate: 0.3 }), [500, 4, 20], [1, 0, 2, 0], ones);
      let kept = 0;
      for (let n = 0; n < 500; n++)
        for (let c = 0; c < 20; c++) {
          const channel = [0, 1, 2, 3].map((t) => y[(n * 4 + t) * 20 + c]!);
          expect(new Set(channel).size).to.equal(1);
          if (channel[0] !== 0) kept++;
        }
      expect(kept).to.be.closeTo(10_000 * 0.7, 5 * Math.sqrt(10_000 * 0.7 * 0.3));
    });

    it('alphaDropout keeps mean 0 and variance 1', async () => {
      const x = normals(N, 99, [0, 0, 4, 4]);
      const y = await run(alphaDropout({ rate: 0.3 }), shape, [1, 0, 2, 0], x);
      expect(mean(y)).to.be.closeTo(0, 5 / Math.sqrt(N));
      // The fourth moment of the mixture is below 4, so the variance of a square is below 3.
      expect(variance(y)).to.be.closeTo(1, 5 * Math.sqrt(3 / N));
    });

    it('draws again in every step, and the same for the same step and seed', async () => {
      for (const layer of DISTURBING) {
        const first = await run(layer, [5, 3, 4, 2], [1, 0, 5, 0]);
        expect(await run(layer, [5, 3, 4, 2], [1, 0, 5, 0]), layer.className).to.deep.equal(first);
        for (const other of [
          [2, 0, 5, 0],
          [1, 0, 6, 0],
          [1, 0, 5, 1],
        ]) {
          expect(await run(layer, [5, 3, 4, 2], other), `${layer.className} ${other.join()}`).not.to.deep.equal(first);
        }
      }
    });
  });
}

describe('random layers', () => {
  it('do nothing outside training, nor without noise', () => {
    for (const layer of DISTURBING) expectNothingAtInference(layer, [5, 3, 4, 2]);
    expectNothingAtInference(spatialDropout1d({ rate: 0.5 }), [5, 3, 2]);
    expectNothingAtInference(spatialDropout3d({ rate: 0.5 }), [5, 3, 2, 2, 2]);
  });

  const learn = async (seed: number, device: string): Promise<number[]> => {
    using model = gs.sequential([
      gs.layers.randomFlip({ inputShape: [6, 6, 1] }),
      gs.layers.randomTranslation({ heightFactor: 0.2, widthFactor: 0.2 }),
      gs.layers.randomRotation({ factor: 0.1, fillMode: 'constant' }),
      gs.layers.randomZoom({ heightFactor: 0.2 }),
      gs.layers.randomCrop({ height: 5, width: 5 }),
      gs.layers.randomContrast({ factor: 0.2, valueRange: [-2, 2] }),
      gs.layers.randomBrightness({ factor: 0.2, valueRange: [-2, 2] }),
      gaussianNoise({ stddev: 0.1 }),
      spatialDropout2d({ rate: 0.2 }),
      gs.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'selu' }),
      gs.layers.upSampling2d(),
      gaussianDropout({ rate: 0.2 }),
      gs.layers.flatten(),
      alphaDropout({ rate: 0.2 }),
      dropout({ rate: 0.2, noiseShape: [1, null] }),
      gs.layers.dense({ units: 1 }),
    ]);
    model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed });
    const x = gs.tensor(
      Float32Array.from({ length: 32 * 36 }, (_, i) => Math.sin(i)),
      [32, 6, 6, 1],
    );
    const y = Float32Array.from({ length: 32 }, (_, i) => Math.cos(i));
    const { loss } = await model.fit(x, y, { epochs: 3, batchSize: 8 });
    // Prediction draws nothing.
    expect([...(await model.predict(x)).data]).to.deep.equal([...(await model.predict(x)).data]);
    return loss!;
  };

  it('make training repeatable by seed, and draw the same on every device', async () => {
    const [first, ...others] = await Promise.all(['cpu', 'cuda-emulated'].map((device) => learn(4, device)));
    expect(first!.every(Number.isFinite)).to.equal(true);
    expect(await learn(4, 'cpu')).to.deep.equal(first);
    expect(await learn(5, 'cpu')).not.to.deep.equal(first);
    for (const other of others) other.forEach((loss, i) => expect(loss).to.be.closeTo(first![i]!, 1e-4 * Math.abs(first![i]!)));
  });

  it('come back from their saved form', () => {
    const layers = [
      ...DISTURBING,
      spatialDropout1d({ rate: 0.1 }),
      spatialDropout3d({ rate: 0.1 }),
      gs.layers.upSampling1d({ size: 3 }),
      gs.layers.upSampling2d({ size: [2, 3], interpolation: 'bilinear' }),
      gs.layers.upSampling3d({ size: [1, 2, 3] }),
      gs.layers.resizing({ height: 3, width: 4, interpolation: 'nearest', cropToAspectRatio: true }),
      gs.layers.centerCrop({ height: 3, width: 4 }),
      gs.layers.randomCrop({ height: 3, width: 4 }),
      gs.layers.randomFlip({ mode: 'vertical' }),
      gs.layers.randomTranslation({ heightFactor: 0.1, widthFactor: [0, 1], fillMode: 'wrap' }),
      gs.layers.randomRotation({ factor: 0.1, fillMode: 'constant', fillValue: 3, interpolation: 'nearest' }),
      gs.layers.randomZoom({ heightFactor: 0.1 }),
      gs.layers.randomZoom({ heightFactor: [-0.1, 0.2], widthFactor: 0.3 }),
      gs.layers.randomBrightness({ factor: 0.1, valueRange: [0, 1] }),
      gs.layers.randomContrast({ factor: 0.1, valueRange: [0, 1] }),
      gs.layers.normalization({ mean: [1, 2], variance: 3, axis: [1, -1], invert: true }),
      gs.layers.normalization({ mean: 1, variance: 3, axis: null }),
    ];
    for (const layer of layers) {
      const saved = JSON.parse(JSON.stringify(saveLayer(layer, 'here'))) as object;
      const again = restoreLayer(saved, 'file');
      expect(again.className).to.equal(layer.className);
      expect(JSON.parse(JSON.stringify(again.options))).to.deep.equal(JSON.parse(JSON.stringify(layer.options)));
    }
  });

  it('normalization holds its statistics as weights that training leaves alone', async () => {
    using model = gs.sequential([
      gs.layers.normalization({ mean: [2, -1], variance: [4, 0.25], inputShape: [2] }),
      gs.layers.dense({ units: 1, kernelInitializer: 'ones' }),
    ]);
    const x = gs.tensor(Float32Array.of(4, 0, 2, -1, 0, -2), [3, 2]);
    expect([...(await model.predict(x)).data]).to.deep.equal([1 + 2, 0, -1 - 2]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
    await model.fit(x, Float32Array.of(1, 2, 3), { epochs: 2 });
    const [mean, variance, kernel] = await model.getWeights();
    expect([...mean!.data, ...variance!.data]).to.deep.equal([2, -1, 4, 0.25]);
    expect([...kernel!.data]).not.to.deep.equal([1, 1]);
  });

  const l = gs.layers as unknown as Record<string, (options: unknown) => gs.Layer>;
  const wrongOptions: [factory: string, options: object, message: RegExp][] = [
    ...['dropout', 'alphaDropout', 'gaussianDropout', 'spatialDropout1d', 'spatialDropout2d', 'spatialDropout3d'].flatMap(
      (name): [string, object, RegExp][] => [
        [name, {}, new RegExp(`Expected number in \\[0, 1\\) for layers.${name}.rate but received undefined`)],
        [name, { rate: 1 }, /rate but received (number )?1( |$)/],
        [name, { rate: 0.5, ratio: 1 }, /Unknown option "ratio"/],
      ],
    ),
    ['gaussianNoise', { stddev: -1 }, /Expected number >= 0 for layers.gaussianNoise.stddev but received -1/],
    ['dropout', { rate: 0.5, noiseShape: [2, 3] }, /beginning with null or 1 for the batch for layers.dropout.noiseShape/],
    ['alphaDropout', { rate: 0.5, noiseShape: [null, 0] }, /array of integers > 0 and null/],
    ['dropout', { rate: 0.5, noiseShape: 3 }, /array of integers > 0 and null/],
    ['upSampling1d', { size: 0 }, /integer > 0 for layers.upSampling1d.size/],
    ['upSampling2d', { size: [1, 2, 3] }, /pair of them for layers.upSampling2d.size/],
    ['upSampling2d', { interpolation: 'linear' }, /Unknown value "linear" for layers.upSampling2d.interpolation/],
    ['upSampling3d', { size: [1, 2] }, /integer > 0 or three of them for layers.upSampling3d.size/],
    ...['resizing', 'centerCrop', 'randomCrop'].flatMap((name): [string, object, RegExp][] => [
      [name, { width: 3 }, new RegExp(`integer > 0 for layers.${name}.height but received undefined`)],
      [name, { height: 3, width: 2.5 }, new RegExp(`integer > 0 for layers.${name}.width but received 2.5`)],
    ]),
    ['resizing', { height: 3, width: 3, interpolation: 'cubic' }, /layers.resizing.interpolation/],
    ['resizing', { height: 3, width: 3, cropToAspectRatio: 1 }, /boolean for layers.resizing.cropToAspectRatio/],
    ['randomFlip', { mode: 'sideways' }, /Unknown value "sideways" for layers.randomFlip.mode/],
    [
      'randomTranslation',
      { heightFactor: 2, widthFactor: 0 },
      /^Expected number from 0 to 1 or \[lower, upper\] within \[-1, 1\] for layers.randomTranslation.heightFactor but received 2/,
    ],
    ['randomTranslation', { heightFactor: 0, widthFactor: [0.2, 0.1] }, /layers.randomTranslation.widthFactor/],
    ['randomTranslation', { heightFactor: 0, widthFactor: 0, fillMode: 'mirror' }, /layers.randomTranslation.fillMode/],
    ['randomRotation', { factor: -0.1 }, /number >= 0 or \[lower, upper\] for layers.randomRotation.factor but received -0.1/],
    ['randomRotation', { factor: 0.1, interpolation: 'cubic' }, /layers.randomRotation.interpolation/],
    ['randomRotation', { factor: 0.1, fillValue: '0' }, /finite number for layers.randomRotation.fillValue/],
    ['randomZoom', { heightFactor: [-1, 0] }, /\[lower, upper\] above -1 for layers.randomZoom.heightFactor/],
    [
      'randomZoom',
      { heightFactor: 1.5 },
      /^Expected number from 0 to 1 or \[lower, upper\] above -1 for layers.randomZoom.heightFactor but received 1.5/,
    ],
    ['randomZoom', { heightFactor: -0.5 }, /number from 0 to 1 or .* for layers.randomZoom.heightFactor but received -0.5/],
    ['randomZoom', { heightFactor: 0.1, widthFactor: [1] }, /layers.randomZoom.widthFactor/],
    [
      'randomBrightness',
      { factor: 1.5 },
      /number from 0 to 1 or \[lower, upper\] within \[-1, 1\] for layers.randomBrightness.factor/,
    ],
    ['randomBrightness', { factor: 0.5, valueRange: [1, 1] }, /lower < upper for layers.randomBrightness.valueRange/],
    ['randomContrast', { factor: -0.5 }, /number in \[0, 1\] or \[lower, upper\] of them for layers.randomContrast.factor/],
    ['randomContrast', { factor: 0.5, valueRange: 255 }, /lower < upper for layers.randomContrast.valueRange/],
    ['normalization', { variance: 1 }, /finite number or array of them for layers.normalization.mean but received undefined/],
    ['normalization', { mean: 1, variance: [1, -1] }, /number >= 0 or array of them for layers.normalization.variance/],
    ['normalization', { mean: 1, variance: 1, axis: 0 }, /other than 0, array of them, or null for layers.normalization.axis/],
    ['normalization', { mean: 1, variance: 1, invert: 'yes' }, /boolean for layers.normalization.invert/],
  ];
  for (const [factory, options, message] of wrongOptions) {
    it(`${factory} refuses ${JSON.stringify(options)}`, () => {
      expect(() => l[factory]!(options))
        .to.throw(gs.GradstepError, message)
        .with.property('code', 'ERR_OPTION');
    });
  }

  const image = ['resizing', 'centerCrop', 'randomCrop'].map((f) => [f, { height: 2, width: 2 }] as const);
  const wrongShapes: [factory: string, options: object, input: number[], message: RegExp][] = [
    ['dropout', { rate: 0.5, noiseShape: [null, 1] }, [3, 4], /noiseShape of \[\?, 1\] does not fit samples of shape \[3, 4\]/],
    ['alphaDropout', { rate: 0.5, noiseShape: [null, 2] }, [4], /noiseShape of \[\?, 2\] does not fit samples of shape \[4\]/],
    ['spatialDropout1d', { rate: 0.5 }, [4], /samples of shape \[time, channels\] but received \[4\]/],
    ['spatialDropout2d', { rate: 0.5 }, [4, 3], /samples of shape \[height, width, channels\]/],
    ['spatialDropout3d', { rate: 0.5 }, [4, 3], /samples of shape \[depth, height, width, channels\]/],
    ['upSampling1d', {}, [4], /samples of shape \[time, channels\]/],
    ['upSampling2d', {}, [4, 3], /samples of shape \[height, width, channels\]/],
    ['upSampling3d', {}, [4, 3], /samples of shape \[depth, height, width, channels\]/],
    ...[
      ...image,
      ['randomFlip', {}] as const,
      ['randomTranslation', { heightFactor: 0, widthFactor: 0 }] as const,
      ['randomRotation', { factor: 0 }] as const,
      ['randomZoom', { heightFactor: 0 }] as const,
      ['randomBrightness', { factor: 0 }] as const,
      ['randomContrast', { factor: 0 }] as const,
    ].map(([f, o]): [string, object, number[], RegExp] => [f, o, [4, 3], /samples of shape \[height, width, channels\]/]),
    ['normalization', { mean: [1, 2], variance: 1 }, [4, 3], /Expected 1 or 3 numbers for mean .* but received 2/],
    ['normalization', { mean: 1, variance: [1, 2], axis: null }, [2], /Expected one number for variance .* but received 2/],
    ['normalization', { mean: 1, variance: 1, axis: 3 }, [4, 3], /Axes \[3\] are outside samples of shape \[4, 3\]/],
  ];
  for (const [factory, options, input, message] of wrongShapes) {
    it(`${factory} refuses samples of shape [${input.join(', ')}]`, () => {
      expect(() => l[factory]!(options).parts.outputShapes([input]))
        .to.throw(gs.GradstepError, message)
        .with.property('code', 'ERR_SHAPE');
    });
  }
});
