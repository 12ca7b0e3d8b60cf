/**
 * First weights: each initializer's distribution by mean, variance, bounds and the Kolmogorov-Smirnov distance from the
 * distribution it is named after; exact properties; what the numbers depend on; saved forms.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { restoreLayer } from '../lib/layers/registry.js';
import { RandomStream, streamOf } from '../lib/random.js';
import { failure, expectFailure, wrong } from './helpers/failure.js';

const device = 'cpu';
const { initializers } = gs;

async function weightsOf(layer: gs.Layer, seed = 1): Promise<gs.Tensor<Float32Array>[]> {
  using model = gs.sequential([layer]);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed });
  return await model.getWeights();
}

async function kernelOf(initializer: gs.InitializerName | gs.Initializer, shape: readonly [number, number], seed = 1) {
  const [inputs, units] = shape;
  const options = { units, kernelInitializer: initializer, inputShape: [inputs], useBias: false, name: 'layer' };
  return (await weightsOf(gs.layers.dense(options), seed))[0]!.data;
}

/** Normal distribution function, by integrating the density from 0 (Simpson's rule). */
function normalCdf(z: number): number {
  const steps = 200;
  const h = z / steps;
  const density = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  let sum = density(0) + density(z);
  for (let i = 1; i < steps; i++) sum += (i % 2 === 1 ? 4 : 2) * density(i * h);
  return 0.5 + (sum * h) / 3;
}

type Shape = 'uniform' | 'normal' | 'truncated';

/** Distribution functions of standard forms: uniform on ±1, normal, normal cut off at ±2. */
const CDF: Record<Shape, (z: number) => number> = {
  uniform: (z) => (Math.min(Math.max(z, -1), 1) + 1) / 2,
  normal: normalCdf,
  truncated: (z) => (normalCdf(Math.min(Math.max(z, -2), 2)) - normalCdf(-2)) / (normalCdf(2) - normalCdf(-2)),
};
/** Variance and fourth central moment of the standard forms (cut one: 1 − 4φ(2)/Z and 3·variance − 16φ(2)/Z, Z = Φ(2) − Φ(−2)). */
const MOMENTS: Record<Shape, readonly [number, number]> = {
  uniform: [1 / 3, 1 / 5],
  normal: [1, 3],
  truncated: [0.7737413, 1.4161887],
};
const BOUND: Record<Shape, number> = { uniform: 1, normal: Infinity, truncated: 2 };

/** Draws look like mean + size · standard form; each check fails for right ones with a chance below 1e-5. */
function expectDistribution(values: Float32Array, shape: Shape, mean: number, size: number): void {
  const n = values.length;
  const z = Float64Array.from(values, (v) => (v - mean) / size).sort();
  const [variance, fourth] = MOMENTS[shape];
  const average = z.reduce((a, b) => a + b) / n;
  expect(average, 'mean').to.be.closeTo(0, 4.5 * Math.sqrt(variance / n));
  const spread = z.reduce((a, b) => a + b * b, 0) / n;
  expect(spread, 'variance').to.be.closeTo(variance, 4.5 * Math.sqrt((fourth - variance ** 2) / n));
  expect(z.at(-1), 'largest').to.be.at.most(BOUND[shape] + 1e-5);
  expect(z[0], 'smallest').to.be.at.least(-BOUND[shape] - 1e-5);
  const distance = z.reduce((d, v, i) => {
    const p = CDF[shape](v);
    return Math.max(d, p - i / n, (i + 1) / n - p);
  }, 0);
  // 2 e^(−2·2.5²) = 7e-6
  expect(distance, 'Kolmogorov-Smirnov distance').to.be.at.most(2.5 / Math.sqrt(n));
}

const [INPUTS, UNITS] = [150, 250];
const CUT = Math.sqrt(MOMENTS.truncated[0]);

describe('initializers', () => {
  const scaling = initializers.varianceScaling;
  const distributions: [string, gs.Initializer, Shape, number, number][] = [
    ['randomUniform', initializers.randomUniform(), 'uniform', 0, 0.05],
    ['randomUniform from 1 to 4', initializers.randomUniform({ minval: 1, maxval: 4 }), 'uniform', 2.5, 1.5],
    ['randomNormal', initializers.randomNormal(), 'normal', 0, 0.05],
    ['randomNormal, mean 2, deviation 3', initializers.randomNormal({ mean: 2, stddev: 3 }), 'normal', 2, 3],
    ['truncatedNormal', initializers.truncatedNormal(), 'truncated', 0, 0.05],
    ['truncatedNormal, mean −1, deviation 2', initializers.truncatedNormal({ mean: -1, stddev: 2 }), 'truncated', -1, 2],
    ['glorotUniform', initializers.glorotUniform(), 'uniform', 0, Math.sqrt(6 / (INPUTS + UNITS))],
    ['glorotNormal', initializers.glorotNormal(), 'truncated', 0, Math.sqrt(2 / (INPUTS + UNITS)) / CUT],
    ['heUniform', initializers.heUniform(), 'uniform', 0, Math.sqrt(6 / INPUTS)],
    ['heNormal', initializers.heNormal(), 'truncated', 0, Math.sqrt(2 / INPUTS) / CUT],
    ['lecunUniform', initializers.lecunUniform(), 'uniform', 0, Math.sqrt(3 / INPUTS)],
    ['lecunNormal', initializers.lecunNormal(), 'truncated', 0, Math.sqrt(1 / INPUTS) / CUT],
    ['varianceScaling', scaling(), 'truncated', 0, Math.sqrt(1 / INPUTS) / CUT],
    [
      'varianceScaling, 3, fanOut, untruncatedNormal',
      scaling({ scale: 3, mode: 'fanOut', distribution: 'untruncatedNormal' }),
      'normal',
      0,
      Math.sqrt(3 / UNITS),
    ],
    [
      'varianceScaling, 0.5, fanAvg, uniform',
      scaling({ scale: 0.5, mode: 'fanAvg', distribution: 'uniform' }),
      'uniform',
      0,
      Math.sqrt((3 * 0.5) / ((INPUTS + UNITS) / 2)),
    ],
  ];
  for (const [name, initializer, shape, mean, size] of distributions) {
    it(`${name}: mean, variance, bounds, distribution`, async () => {
      expectDistribution(await kernelOf(initializer, [INPUTS, UNITS]), shape, mean, size);
    });
  }

  it('a convolution counts its window in both fans', async () => {
    const options = { filters: 64, kernelSize: [3, 5], inputShape: [8, 8, 16] } as const;
    const [kernel] = await weightsOf(gs.layers.conv2d({ ...options, kernelInitializer: 'glorotNormal' }));
    expectDistribution(kernel!.data, 'truncated', 0, Math.sqrt(2 / (15 * 16 + 15 * 64)) / CUT);
    const [other] = await weightsOf(gs.layers.conv2d({ ...options, kernelInitializer: 'lecunUniform' }));
    expectDistribution(other!.data, 'uniform', 0, Math.sqrt(3 / (15 * 16)));
  });

  it('constant and identity', async () => {
    expect([...(await kernelOf('constant', [2, 3]))]).to.deep.equal([0, 0, 0, 0, 0, 0]);
    expect([...(await kernelOf(initializers.constant({ value: -1.5 }), [2, 1]))]).to.deep.equal([-1.5, -1.5]);
    expect([...(await kernelOf('identity', [3, 3]))]).to.deep.equal([1, 0, 0, 0, 1, 0, 0, 0, 1]);
    expect([...(await kernelOf(initializers.identity({ gain: 2 }), [2, 3]))]).to.deep.equal([2, 0, 0, 0, 2, 0]);
    expect([...(await kernelOf('identity', [3, 2]))]).to.deep.equal([1, 0, 0, 1, 0, 0]);
    expect([...(await kernelOf('identity', [5, 2]))]).to.deep.equal([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    expect([...(await kernelOf('identity', [4, 1]))]).to.deep.equal([1, 0, 0, 0]);
  });

  /** Products of all pairs of vectors: columns where there are fewer, else rows. */
  function products(q: Float32Array, rows: number, columns: number): number[][] {
    const [count, length] = [Math.min(rows, columns), Math.max(rows, columns)];
    const at = (k: number, i: number): number => (columns < rows ? q[i * columns + k]! : q[k * columns + i]!);
    const all = Array.from({ length: count }, (_, k) => k);
    return all.map((a) => all.map((b) => Array.from({ length }, (_, i) => at(a, i) * at(b, i)).reduce((s, v) => s + v, 0)));
  }

  for (const [rows, columns] of [
    [40, 25],
    [25, 40],
    [30, 30],
    [1, 7],
    [7, 1],
  ] as const) {
    it(`orthogonal: QᵀQ = gain²·I for [${rows}, ${columns}]`, async () => {
      for (const gain of [1, 1.7]) {
        const q = await kernelOf(initializers.orthogonal({ gain }), [rows, columns]);
        products(q, rows, columns).forEach((line, a) =>
          line.forEach((v, b) => expect(v, `${a}, ${b}`).to.be.closeTo(a === b ? gain ** 2 : 0, 1e-6)),
        );
      }
    });
  }

  it('orthogonal: a convolution’s kernel as a matrix of its filters', async () => {
    const options = { filters: 6, kernelSize: 3, inputShape: [8, 8, 4], kernelInitializer: 'orthogonal' } as const;
    const [kernel] = await weightsOf(gs.layers.conv2d(options));
    products(kernel!.data, 36, 6).forEach((line, a) => line.forEach((v, b) => expect(v).to.be.closeTo(a === b ? 1 : 0, 1e-6)));
  });

  it('orthogonal: turns and mirrors the plane evenly', () => {
    const n = 4000;
    const angles: number[] = [];
    let mirrors = 0;
    for (let seed = 0; seed < n; seed++) {
      const draw = initializers.orthogonal().sampler([2, 2]);
      const random = new RandomStream(seed, streamOf('layer/kernel'));
      const [a, b, c, d] = [draw(random), draw(random), draw(random), draw(random)];
      angles.push(Math.atan2(b, a) / Math.PI);
      if (a * d - b * c < 0) mirrors++;
    }
    expectDistribution(Float32Array.from(angles), 'uniform', 0, 1);
    expect(mirrors / n).to.be.closeTo(0.5, 4.5 * Math.sqrt(0.25 / n));
  });

  it('orthogonal: traces have the moments of evenly distributed rotations', () => {
    // Of those in n > 2 dimensions: E tr Q = 0, E (tr Q)² = 1, E (tr Q)⁴ = 3, E tr Q² = 1, E (tr Q²)² = 3 (Diaconis & Shahshahani 1994).
    const [n, draws] = [11, 1500];
    const moments = [0, 0, 0];
    for (let seed = 0; seed < draws; seed++) {
      const draw = initializers.orthogonal().sampler([n, n]);
      const random = new RandomStream(seed, streamOf('layer/kernel'));
      const q = Array.from({ length: n * n }, () => draw(random));
      const trace = q.reduce((sum, v, i) => (i % (n + 1) === 0 ? sum + v : sum), 0);
      const ofSquare = q.reduce((sum, v, i) => sum + v * q[(i % n) * n + Math.floor(i / n)]!, 0);
      [trace, trace ** 2, ofSquare].forEach((v, i) => (moments[i]! += v / draws));
    }
    const deviation = (variance: number): number => 4.5 * Math.sqrt(variance / draws);
    expect(moments[0], 'tr Q').to.be.closeTo(0, deviation(1));
    expect(moments[1], '(tr Q)²').to.be.closeTo(1, deviation(2));
    expect(moments[2], 'tr Q²').to.be.closeTo(1, deviation(2));
  });

  it('orthogonal: work done ahead changes no number', async () => {
    for (const shape of [
      [9, 21],
      [21, 9],
    ]) {
      const numbers = async (ahead: boolean): Promise<number[]> => {
        const draw = initializers.orthogonal().sampler(shape);
        const random = new RandomStream(5, streamOf('layer/kernel'));
        let pauses = 0;
        if (ahead) await draw.prepare!(random, () => Promise.resolve(void pauses++));
        expect(pauses).to.equal(ahead ? 3 : 0);
        return Array.from({ length: 9 * 21 }, () => draw(random));
      };
      expect(await numbers(true)).to.deep.equal(await numbers(false));
    }
  });

  const names = Object.keys(initializers) as gs.InitializerName[];

  it('by name: what the factory makes without options', async () => {
    expect(names).to.have.length(15);
    for (const name of names) {
      expect(await kernelOf(name, [6, 5]), name).to.deep.equal(await kernelOf(initializers[name](), [6, 5]));
    }
  });

  it('random ones depend on the seed, the layer’s name and the weight’s role', async () => {
    const fixed = ['zeros', 'ones', 'constant', 'identity'];
    for (const name of names.filter((n) => !fixed.includes(n))) {
      const kernel = await kernelOf(name, [5, 5], 3);
      expect(await kernelOf(name, [5, 5], 3), name).to.deep.equal(kernel);
      expect(await kernelOf(name, [5, 5], 4), name).not.to.deep.equal(kernel);
      const renamed = gs.layers.dense({ units: 5, kernelInitializer: name, inputShape: [5], name: 'other' });
      expect((await weightsOf(renamed, 3))[0]!.data, name).not.to.deep.equal(kernel);
      if (name === 'orthogonal') continue;
      const both = gs.layers.dense({ units: 4, kernelInitializer: name, biasInitializer: name, inputShape: [1] });
      const [first, bias] = await weightsOf(both);
      expect(first!.data[0]! / first!.data[1]!, name).not.to.be.closeTo(bias!.data[0]! / bias!.data[1]!, 1e-4);
    }
  });

  it('are saved and loaded with their options', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-initializers-'));
    try {
      for (const [i, initializer] of [...distributions.map((d) => d[1]), initializers.orthogonal({ gain: 3 })].entries()) {
        const layer = gs.layers.dense({ units: 2, kernelInitializer: initializer, biasInitializer: 'ones', inputShape: [2] });
        using model = gs.sequential([layer]);
        const [first, second] = [join(folder, `${i}a`), join(folder, `${i}b`)];
        await model.save(first);
        using again = await gs.loadModel(first, { device });
        await again.save(second);
        const text = readFileSync(first);
        expect(readFileSync(second).equals(text), initializer.name).to.equal(true);
        const length = Number(text.readBigUInt64LE(0));
        const header = JSON.parse(text.subarray(8, 8 + length).toString()) as { __metadata__: { gradstep: string } };
        const { config } = JSON.parse(header.__metadata__.gradstep).model.layers[0];
        const plain = Object.keys(initializer.config).length === 0;
        expect(config.kernelInitializer).to.deep.equal(
          plain ? initializer.name : { name: initializer.name, config: initializer.config },
        );
        expect(config.biasInitializer).to.equal('ones');
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('saved forms are checked as options are', async () => {
    const restore = (kernelInitializer: unknown) => () =>
      restoreLayer({ className: 'Dense', config: { units: 1, kernelInitializer } }, 'model.layers[0]');
    await expectFailure(restore({ name: 'constant', config: { value: 'x' } }), 'ERR_OPTION', /initializers\.constant\.value/);
    await expectFailure(restore({ name: 'constan', config: {} }), 'ERR_OPTION', /Unknown initializer "constan" .*"constant"\?$/);
    await expectFailure(restore({ name: 'toString', config: {} }), 'ERR_OPTION', /Unknown initializer "toString"/);
    await expectFailure(restore({ config: {} }), 'ERR_OPTION', /Expected name of an initializer or an initializer/);
    for (const config of [5, 'units', [1]]) {
      const layer = () => restoreLayer({ className: 'Flatten', config }, 'model.layers[0]');
      await expectFailure(layer, 'ERR_OPTION', /^Expected an object/);
    }
  });

  it('options out of range and weights that do not fit are refused', async () => {
    const { randomUniform, randomNormal, truncatedNormal, varianceScaling, constant, orthogonal, heUniform } = initializers;
    const failures: [() => unknown, string | RegExp][] = [
      [
        () => randomUniform({ minval: 1, maxval: 0 }),
        'Expected initializers.randomUniform.minval to be at most maxval but received 1 and 0',
      ],
      [() => randomNormal({ stddev: -1 }), /Expected finite number >= 0 for initializers\.randomNormal\.stddev but received -1/],
      [() => truncatedNormal({ mean: Infinity }), /Expected finite number for initializers\.truncatedNormal\.mean/],
      [() => varianceScaling({ scale: 0 }), /Expected finite number > 0 for initializers\.varianceScaling\.scale/],
      [() => varianceScaling(wrong({ mode: 'fanin' })), /Unknown value "fanin" .* did you mean "fanIn"\?$/],
      [() => constant(wrong({ value: '1' })), /Expected finite number for initializers\.constant\.value/],
      [() => orthogonal({ gain: NaN }), /Expected finite number for initializers\.orthogonal\.gain/],
      [() => heUniform(wrong({ seed: 1 })), /Unknown option "seed" for initializers\.heUniform/],
    ];
    for (const [call, message] of failures) await expectFailure(call, 'ERR_OPTION', message);
    const bias = (biasInitializer: 'identity' | 'orthogonal') => gs.layers.dense({ units: 2, biasInitializer, inputShape: [2] });
    const square = await failure(weightsOf(bias('identity')));
    expect([square.code, square.message]).to.deep.equal(['ERR_SHAPE', 'initializers.identity fills weights [in, out], not [2]']);
    const rotation = await failure(weightsOf(bias('orthogonal')));
    expect(rotation.message).to.equal('initializers.orthogonal fills weights [..., in, out], not [2]');
  });
});
