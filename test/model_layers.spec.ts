/** Layers: names, shapes, weights, first values, and what each computes, against sums written out here. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { RandomStream, streamOf } from '../lib/random.js';
import { expectClose } from './helpers/close.js';
import { philox4x32 } from './helpers/philox.js';

const device = 'cpu';

async function output(layer: gs.Layer, x: gs.TensorLike, weights: gs.TensorLike[] = []): Promise<gs.Tensor<Float32Array>> {
  using model = gs.sequential([layer]);
  if (x instanceof gs.Tensor) model.build(x.shape.slice(1));
  await model.setWeights(weights);
  return await model.predict(x);
}

/** Numbers that look random, in (−1, 1). */
const wave = (shape: number[], step = 0.7): gs.Tensor<Float32Array> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return gs.tensor(
    Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * step)),
    shape,
  );
};

/** One window of an axis as TensorFlow lays it: where it begins, and how many there are. */
function windows(size: number, window: number, stride: number, dilation: number, padding: 'valid' | 'same') {
  const reach = (window - 1) * dilation + 1;
  const count = padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - reach) / stride) + 1;
  const total = padding === 'same' ? Math.max(0, (count - 1) * stride + reach - size) : 0;
  return { count, begin: (i: number) => i * stride - Math.floor(total / 2) };
}

type Pair = readonly [number, number];

/** Visits every element of every window of [height, width], with the position in the result. */
function eachWindow(size: Pair, window: Pair, strides: Pair, dilation: Pair, padding: 'valid' | 'same') {
  const rows = windows(size[0], window[0], strides[0], dilation[0], padding);
  const columns = windows(size[1], window[1], strides[1], dilation[1], padding);
  const visits: { p: number; q: number; i: number; j: number; h: number; w: number }[] = [];
  for (let p = 0; p < rows.count; p++)
    for (let q = 0; q < columns.count; q++)
      for (let i = 0; i < window[0]; i++)
        for (let j = 0; j < window[1]; j++) {
          const [h, w] = [rows.begin(p) + i * dilation[0], columns.begin(q) + j * dilation[1]];
          if (h >= 0 && h < size[0] && w >= 0 && w < size[1]) visits.push({ p, q, i, j, h, w });
        }
  return { shape: [rows.count, columns.count], visits };
}

describe('layers', () => {
  it('dense: over the last axis, with and without bias', async () => {
    const x = wave([2, 3, 4]);
    const w = wave([4, 5], 0.3);
    const b = wave([5], 0.9);
    const expected = (bias: boolean): number[] =>
      Array.from({ length: 2 * 3 * 5 }, (_, at) => {
        const [row, unit] = [Math.floor(at / 5), at % 5];
        const sum = [0, 1, 2, 3].reduce(
          (total, k) => total + x.data[row * 4 + k]! * w.data[k * 5 + unit]!,
          bias ? b.data[unit]! : 0,
        );
        return Math.max(sum, 0);
      });
    const withBias = await output(gs.layers.dense({ units: 5, activation: 'relu' }), x, [w, b]);
    expect(withBias.shape).to.deep.equal([2, 3, 5]);
    expectClose(withBias.data, expected(true));
    expectClose((await output(gs.layers.dense({ units: 5, activation: 'relu', useBias: false }), x, [w])).data, expected(false));
  });

  for (const padding of ['valid', 'same'] as const) {
    for (const [strides, dilation] of [
      [
        [1, 1],
        [1, 1],
      ],
      [
        [2, 3],
        [1, 1],
      ],
      [
        [1, 1],
        [2, 1],
      ],
    ] as [Pair, Pair][]) {
      it(`conv2d: padding ${padding}, strides ${strides.join('×')}, dilation ${dilation.join('×')}`, async () => {
        const x = wave([2, 7, 6, 2]);
        const w = wave([3, 2, 2, 3], 0.3);
        const b = wave([3], 0.9);
        const layer = gs.layers.conv2d({ filters: 3, kernelSize: [3, 2], strides, dilationRate: dilation, padding });
        const { shape, data } = await output(layer, x, [w, b]);
        const { shape: size, visits } = eachWindow([7, 6], [3, 2], strides, dilation, padding);
        expect(shape).to.deep.equal([2, ...size, 3]);
        const expected = Array.from({ length: 2 * size[0]! * size[1]! * 3 }, (_, i) => b.data[i % 3]!);
        for (let n = 0; n < 2; n++)
          for (const { p, q, i, j, h, w: column } of visits)
            for (let c = 0; c < 2; c++)
              for (let o = 0; o < 3; o++) {
                const factor = w.data[((i * 2 + j) * 2 + c) * 3 + o]!;
                expected[((n * size[0]! + p) * size[1]! + q) * 3 + o]! += x.data[((n * 7 + h) * 6 + column) * 2 + c]! * factor;
              }
        expectClose(data, expected);
      });
    }

    for (const strides of [undefined, 1, [1, 3]] as const) {
      it(`pooling: padding ${padding}, strides ${String(strides)}`, async () => {
        const x = wave([2, 7, 6, 2]);
        const pair: Pair = strides === undefined ? [3, 2] : typeof strides === 'number' ? [strides, strides] : strides;
        const { shape: size, visits } = eachWindow([7, 6], [3, 2], pair, [1, 1], padding);
        const members = Array.from({ length: 2 * size[0]! * size[1]! * 2 }, (): number[] => []);
        for (let n = 0; n < 2; n++)
          for (const { p, q, h, w } of visits)
            for (let c = 0; c < 2; c++)
              members[((n * size[0]! + p) * size[1]! + q) * 2 + c]!.push(x.data[((n * 7 + h) * 6 + w) * 2 + c]!);
        const options = { poolSize: [3, 2], padding, ...(strides !== undefined && { strides }) } as const;
        const largest = await output(gs.layers.maxPooling2d(options), x);
        expect(largest.shape).to.deep.equal([2, ...size, 2]);
        expectClose(
          largest.data,
          members.map((m) => Math.max(...m)),
        );
        expectClose(
          (await output(gs.layers.averagePooling2d(options), x)).data,
          members.map((m) => m.reduce((a, b) => a + b) / m.length),
        );
      });
    }
  }

  it('activations, by name and as functions', async () => {
    const x = wave([3, 4]);
    const of = (f: (v: number) => number): number[] => [...x.data].map(f);
    const rows = [0, 1, 2].map((r) => [...x.data.subarray(r * 4, r * 4 + 4)]);
    const expected = {
      linear: of((v) => v),
      relu: of((v) => Math.max(v, 0)),
      sigmoid: of((v) => 1 / (1 + Math.exp(-v))),
      tanh: of(Math.tanh),
      softmax: rows.flatMap((row) => row.map((v) => Math.exp(v) / row.reduce((sum, u) => sum + Math.exp(u), 0))),
    };
    for (const [name, values] of Object.entries(expected) as [gs.ActivationName, number[]][]) {
      for (const activation of [name, gs.activations[name]]) {
        expectClose((await output(gs.layers.activation({ activation }), x)).data, values);
      }
    }
  });

  it('flatten keeps rows; dropout does nothing outside training', async () => {
    const x = wave([2, 3, 4]);
    const flat = await output(gs.layers.flatten(), x);
    expect(flat.shape).to.deep.equal([2, 12]);
    expect([...flat.data]).to.deep.equal([...x.data]);
    expect([...(await output(gs.layers.dropout({ rate: 0.9 }), x)).data]).to.deep.equal([...x.data]);
  });

  it('dropout in training zeroes its part and scales the rest', async () => {
    const kept: number[] = [];
    // The loss of each sample is its own output, so epochs of one sample show the mask's work.
    using model = gs.sequential([gs.layers.dropout({ rate: 0.25, inputShape: [1] })]);
    const loss = (_yTrue: gs.Value, yPred: gs.Value): gs.Value => yPred;
    model.compile({ optimizer: 'sgd', loss, device, seed: 3 });
    const history = await model.fit(new Float32Array(1000).fill(1), new Float32Array(1000), { epochs: 4, batchSize: 1000 });
    kept.push(...history.loss.map((mean) => mean * 0.75));
    // Four means of 1,000 draws: each within five standard deviations of 0.75, all different.
    for (const part of kept) expect(part).to.be.closeTo(0.75, 5 * Math.sqrt((0.75 * 0.25) / 1000));
    expect(new Set(kept).size).to.equal(4);
  });

  it('are named after their kind, numbered where it occurs again', () => {
    const { dense, conv2d, flatten, maxPooling2d, averagePooling2d, dropout, activation, rescaling } = gs.layers;
    const model = gs.sequential([
      rescaling({ scale: 1 / 255, inputShape: [28, 28, 1] }),
      conv2d({ filters: 32, kernelSize: 3, activation: 'relu' }),
      conv2d({ filters: 8, kernelSize: 3, padding: 'same' }),
      maxPooling2d(),
      averagePooling2d({ poolSize: 3 }),
      dropout({ rate: 0.5 }),
      flatten(),
      dense({ units: 128, name: 'dense_1' }),
      activation({ activation: 'tanh' }),
      dense({ units: 20 }),
      dense({ units: 10 }),
    ]);
    const lines: string[] = [];
    model.summary({ printFn: (line) => lines.push(line) });
    expect(lines.map((l) => l.trimEnd())).to.deep.equal([
      'Layer                                  Output shape      Parameters',
      '───────────────────────────────────────────────────────────────────',
      'rescaling (Rescaling)                  [?, 28, 28, 1]             0',
      'conv2d (Conv2D)                        [?, 26, 26, 32]          320',
      'conv2d_1 (Conv2D)                      [?, 26, 26, 8]         2,312',
      'max_pooling2d (MaxPooling2D)           [?, 13, 13, 8]             0',
      'average_pooling2d (AveragePooling2D)   [?, 4, 4, 8]               0',
      'dropout (Dropout)                      [?, 4, 4, 8]               0',
      'flatten (Flatten)                      [?, 128]                   0',
      'dense_1 (Dense)                        [?, 128]              16,512',
      'activation (Activation)                [?, 128]                   0',
      'dense (Dense)                          [?, 20]                2,580',
      'dense_2 (Dense)                        [?, 10]                  210',
      '───────────────────────────────────────────────────────────────────',
      'Parameters: 21,934',
      'Trainable parameters: 21,934',
      'Non-trainable parameters: 0',
    ]);
  });

  it('say which of them are frozen, and how many parameters are trained', () => {
    const { dense, batchNormalization, reLU } = gs.layers;
    const shared = dense({ units: 4, name: 'shared' });
    const inner = gs.sequential([shared]);
    const x = gs.input({ shape: [4] });
    const normed = batchNormalization().apply(inner.apply(shared.apply(x)));
    const model = gs.model({ inputs: x, outputs: dense({ units: 1, trainable: false }).apply(reLU().apply(normed)) });
    const summary = (): string[] => {
      const lines: string[] = [];
      model.summary({ printFn: (line) => lines.push(line.trimEnd()) });
      return [...lines.filter((l) => l.includes('frozen')).map((l) => l.split('   ')[0]!), ...lines.slice(-3)];
    };
    // 20 of the shared layer once, 16 of the normalisation, half of them statistics, and 5.
    expect(summary()).to.deep.equal([
      'dense (Dense, frozen)',
      'Parameters: 41',
      'Trainable parameters: 28',
      'Non-trainable parameters: 13',
    ]);
    model.trainable = false;
    expect(summary().slice(-2)).to.deep.equal(['Trainable parameters: 0', 'Non-trainable parameters: 41']);
  });
});

describe('first weights', () => {
  const layer = (kernelInitializer: gs.InitializerName): gs.Layer =>
    gs.layers.conv2d({
      filters: 64,
      kernelSize: 3,
      kernelInitializer,
      biasInitializer: 'ones',
      name: 'conv',
      inputShape: [8, 8, 32],
    });

  async function kernelOf(layers: gs.Layer[], seed: number, name = 0): Promise<Float32Array> {
    using model = gs.sequential(layers);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed });
    return (await model.getWeights())[name]!.data;
  }

  const moments = (values: Float32Array): { mean: number; deviation: number } => {
    const mean = values.reduce((a, b) => a + b) / values.length;
    return { mean, deviation: Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length) };
  };

  it('glorotUniform fills ±√(6 / (fanIn + fanOut)) evenly', async () => {
    const kernel = await kernelOf([layer('glorotUniform')], 1);
    const limit = Math.sqrt(6 / (9 * 32 + 9 * 64));
    expect(Math.max(...kernel)).to.be.within(0.99 * limit, limit);
    expect(Math.min(...kernel)).to.be.within(-limit, -0.99 * limit);
    const { mean, deviation } = moments(kernel);
    expect(mean).to.be.closeTo(0, 0.02 * limit);
    expect(deviation).to.be.closeTo(limit / Math.sqrt(3), 0.02 * limit);
  });

  it('heNormal has deviation √(2 / fanIn) and stops at two deviations of the uncut one', async () => {
    const kernel = await kernelOf([layer('heNormal')], 1);
    const wanted = Math.sqrt(2 / (9 * 32));
    const { mean, deviation } = moments(kernel);
    expect(mean).to.be.closeTo(0, 0.03 * wanted);
    expect(deviation).to.be.closeTo(wanted, 0.02 * wanted);
    const cut = (2 * wanted) / 0.8796256610342398;
    expect(Math.max(...kernel.map(Math.abs))).to.be.within(0.98 * cut, cut * (1 + 1e-6));
  });

  it('zeros and ones', async () => {
    expect((await kernelOf([layer('zeros')], 1)).every((v) => v === 0)).to.equal(true);
    expect((await kernelOf([layer('zeros')], 1, 1)).every((v) => v === 1)).to.equal(true);
  });

  it('depend on the seed, and on nothing but the layer’s own name and place in it', async () => {
    const kernel = await kernelOf([layer('glorotUniform')], 5);
    const others = [gs.layers.conv2d({ filters: 32, kernelSize: 1, inputShape: [8, 8, 32] }), layer('glorotUniform')];
    expect(await kernelOf(others, 5, 2)).to.deep.equal(kernel);
    expect(await kernelOf([layer('glorotUniform')], 6)).not.to.deep.equal(kernel);
  });
});

describe('random streams', () => {
  it('are Philox4x32-10, keyed by seed and path', () => {
    const seed = 2 ** 40 + 12345;
    const key = streamOf('dense/kernel');
    const random = new RandomStream(seed, key, 7);
    const expected = [0, 1, 2].flatMap((block) => philox4x32([block, 0, 7, 2 ** 8], [12345, key]));
    expect(expected.map(() => random.uint32())).to.deep.equal(expected);
  });

  it('tell paths apart by the 32-bit FNV-1a hash', () => {
    // Published test vectors of FNV-1a.
    expect([streamOf(''), streamOf('a'), streamOf('foobar')]).to.deep.equal([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  });
});
