/**
 * Axes whose size only data tell, `inputShape: [null, 2]`: shapes while a model is described, training by batches of several lengths
 * against the gradient written out in float64, and what cannot be.
 */
import { expect } from 'chai';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';

const { layers } = gs;
type Sizes = readonly (number | null)[];

/** Numbers between −1 and 1 that look random. */
function numbers(shape: readonly number[], seed = 0): gs.Tensor<Float32Array> {
  const size = shape.reduce((n, d) => n * d, 1);
  return new gs.Tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed)),
    shape,
  );
}

const outputOf = (shape: Sizes, layer: gs.Layer) => layer.apply(gs.input({ shape })).shape;

describe('axes of unknown size: shapes', () => {
  const cases: [string, Sizes, gs.Layer, Sizes][] = [
    ['valid windows', [null, 3], layers.conv1d({ filters: 5, kernelSize: 7 }), [null, 5]],
    ['strides', [null, null, 3], layers.conv2d({ filters: 4, kernelSize: 3, strides: 2, padding: 'same' }), [null, null, 4]],
    ['one axis of two', [null, 9, 3], layers.maxPooling2d({ poolSize: 3 }), [null, 3, 3]],
    ['a mean over it', [null, 3], layers.globalAveragePooling1d(), [3]],
    ['a maximum over two', [null, null, 6], layers.globalMaxPooling2d(), [6]],
    ['steps of a recurrence', [null, 3], layers.gru({ units: 8, returnSequences: true }), [null, 8]],
    ['the last step alone', [null, 3], layers.bidirectional({ layer: layers.lstm({ units: 8 }) }), [16]],
    ['a layer at each step', [null, 4, 4, 1], layers.timeDistributed({ layer: layers.flatten() }), [null, 16]],
    ['features', [null, 3], layers.dense({ units: 2 }), [null, 2]],
    ['flattened', [null, 3], layers.flatten(), [null]],
    ['reshaped: what the others leave', [null, 8], layers.reshape({ targetShape: [-1, 4, 2] }), [null, 4, 2]],
    ['exchanged', [null, 5], layers.permute({ dims: [2, 1] }), [5, null]],
    ['one more', [null, 5], layers.zeroPadding1d({ padding: 1 }), [null, 5]],
    ['resized to a size', [null, null, 3], layers.resizing({ height: 8, width: 6 }), [8, 6, 3]],
    ['windows of many', [null, 1], layers.conv1d({ filters: 2, kernelSize: 400, strides: 400 }), [null, 2]],
    ['fewer windows than there are sizes', [null, 1], layers.averagePooling1d({ poolSize: 5000 }), [null, 1]],
    ['reshaped to rows of any size', [null], layers.reshape({ targetShape: [-1, 400] }), [null, 400]],
    ['the same of several', [null, 3], layers.reshape({ targetShape: [5, -1] }), [5, null]],
    ['cut to a size', [null, null, 3], layers.centerCrop({ height: 8, width: 6 }), [8, 6, 3]],
  ];
  for (const [name, shape, layer, wanted] of cases) {
    it(name, () => expect(outputOf(shape, layer)).to.deep.equal(wanted));
  }

  it('of layers that are alike: what one does not know another does', () => {
    const [one, other] = [gs.input({ shape: [null, 3] }), gs.input({ shape: [10, 5] })];
    expect(layers.concatenate().apply([one, other]).shape).to.deep.equal([10, 8]);
    expect(layers.add().apply([one, gs.input({ shape: [null, 3] })]).shape).to.deep.equal([null, 3]);
  });

  it("of layers of one's own", () => {
    const halved = layers.defineLayer({
      className: 'TestHalved',
      outputShape: (_options, [steps, ...step]) => [Math.floor(steps! / 2), ...step],
      call: (_options, x) => gs.ops.slice(x, [0, 0], [x.shape[0]!, Math.floor(x.shape[1]! / 2)]),
    });
    expect(outputOf([null, 3], halved())).to.deep.equal([null, 3]);
  });

  it('of models inside, layer by layer, built by them where nothing else did', () => {
    const down = () => [
      layers.conv1d({ filters: 4, kernelSize: 80, strides: 16 }),
      ...[0, 1, 2].flatMap(() => [layers.maxPooling1d({ poolSize: 4 }), layers.conv1d({ filters: 4, kernelSize: 3 })]),
    ];
    expect(outputOf([null, 1], gs.sequential(down()))).to.deep.equal([null, 4]);
    const each = layers.timeDistributed({ layer: gs.sequential(down()) });
    expect(outputOf([7, null, 1], each)).to.deep.equal([7, null, 4]);
    const sevens = gs.sequential([layers.maxPooling1d({ poolSize: 7 }), layers.upSampling1d({ size: 7 })]);
    const x = gs.input({ shape: [null, 2] });
    expect(layers.add().apply([x, sevens.apply(x)]).shape).to.deep.equal([null, 2]);
    const model = gs.sequential([layers.dense({ units: 3, inputShape: [null, 2] }), gs.sequential([layers.lstm({ units: 4 })])]);
    expect(model.layers[1]!.apply(gs.input({ shape: [9, 3] })).shape).to.deep.equal([4]);
  });

  it('are printed as ?', () => {
    const lines: string[] = [];
    const model = gs.sequential([layers.lstm({ units: 4, inputShape: [null, 3], returnSequences: true })]);
    model.summary({ printFn: (line) => lines.push(...line.split('\n')) });
    expect(lines.join('\n')).to.match(/lstm \(LSTM\) +\[\?, \?, 4\] +128\n/);
  });

  it('stay so in a saved form', () => {
    const tokens = gs.input({ shape: [null], dtype: 'int32', name: 'tokens' });
    const pooled = layers.globalAveragePooling1d().apply(layers.embedding({ inputDim: 9, outputDim: 4 }).apply(tokens));
    const functional = gs.model({ inputs: tokens, outputs: layers.dense({ units: 1 }).apply(pooled) });
    const sequential = gs.sequential([layers.simpleRNN({ units: 2, inputShape: [null, 3] })]);
    for (const model of [functional, sequential]) {
      const json: unknown = JSON.parse(JSON.stringify(model.toJSON()));
      expect(gs.modelFromJson(json).toJSON()).to.deep.equal(json);
    }
    expect(JSON.stringify(sequential.toJSON())).to.include('"inputShape":[null,3]');
  });
});

describe('axes of unknown size: what cannot be', () => {
  it('a weight that would depend on one', () =>
    expectFailure(
      () => gs.sequential([layers.flatten({ inputShape: [null, 3] }), layers.dense({ units: 2 })]),
      'ERR_SHAPE',
      'Expected a kernel whose shape is known but received [?, 2] of inputs of shape [?] (in dense)',
    ));

  it('a shape that no size fits', () =>
    expectFailure(
      () => outputOf([null, 3], layers.reshape({ targetShape: [80] })),
      'ERR_SHAPE',
      'Cannot reshape samples of shape [1612800, 3] into [80], where 1612800 stands for a size that is not known (in reshape)',
    ));

  it('data that do not fit together, which the layer says', async () => {
    const x = gs.input({ shape: [null, 3] });
    const half = layers.maxPooling1d({ poolSize: 2 }).apply(x);
    const whole = layers.upSampling1d({ size: 2 }).apply(half);
    using model = gs.model({ inputs: x, outputs: layers.add().apply([x, whole]) });
    expect((await model.predict(numbers([2, 8, 3]))).shape).to.deep.equal([2, 8, 3]);
    await expectFailure(
      () => model.predict(numbers([2, 7, 3])),
      'ERR_SHAPE',
      'Shapes [7, 3] and [6, 3] do not broadcast together (in add)',
    );
    const empty = /^Expected x of shape \[\?, \?, 3\] for .* but received \[2, 0, 3\]$/;
    await expectFailure(() => model.predict(numbers([2, 0, 3])), 'ERR_SHAPE', empty);
    await expectFailure(
      () => model.predict(numbers([2, 8, 4])),
      'ERR_SHAPE',
      /^Expected x of shape \[\?, \?, 3\] for .* but received \[2, 8, 4\]$/,
    );
  });

  it('another size than that of the first data, where those gave the shape', async () => {
    using model = gs.sequential([layers.simpleRNN({ units: 2, name: 'rnn' })]);
    await model.predict(numbers([2, 4, 3]));
    await expectFailure(
      () => model.predict(numbers([2, 6, 3])),
      'ERR_SHAPE',
      'Expected x of shape [?, 4, 3] for rnn but received [2, 6, 3], where the first data gave the shape: inputShape may have null for what differs',
    );
  });

  it('typed arrays, which do not say how they are cut', async () => {
    using model = gs.sequential([layers.simpleRNN({ units: 2, inputShape: [null, 3] })]);
    await expectFailure(() => model.predict(new Float32Array(12)), 'ERR_SHAPE', /gs\.tensor\(data, shape\) gives it one$/);
  });

  it('one prediction of several shapes', async () => {
    using model = gs.sequential([layers.conv1d({ filters: 2, kernelSize: 1, inputShape: [null, 3], name: 'conv' })]);
    const batches = gs.data.dataset([4, 5].map((steps) => ({ x: numbers([2, steps, 3]) }))).asBatches();
    await expectFailure(
      () => model.predict(batches),
      'ERR_SHAPE',
      'Expected outputs of one shape but conv yields [?, 4, 2] and [?, 5, 2]: predict batches of one size at a time',
    );
  });

  it('a metric that counts classes along one', async () => {
    using model = gs.sequential([layers.reshape({ targetShape: [-1], inputShape: [null, 1] })]);
    model.compile({ optimizer: 'sgd', loss: 'binaryCrossentropy', metrics: [gs.metrics.f1Score()], device: 'cpu' });
    const [x, y] = [numbers([2, 4, 1]), numbers([2, 4])];
    await expectFailure(
      () => model.evaluate(x, y),
      'ERR_SHAPE',
      'f1Score needs a last axis of known size but the output has [?, ?]',
    );
  });

  it('updates by batches of several shapes', async () => {
    using model = gs.sequential([layers.globalAveragePooling1d({ inputShape: [null, 2] }), layers.dense({ units: 1 })]);
    const optimizer = gs.optimizers.sgd({ gradientAccumulationSteps: 2 });
    model.compile({ optimizer, loss: 'meanSquaredError', device: 'cpu' });
    const batches = (lengths: number[]) =>
      gs.data.dataset(lengths.map((steps) => ({ x: numbers([2, steps, 2]), y: numbers([2, 1]) }))).asBatches();
    await model.fit(batches([3, 3, 5, 5]));
    await expectFailure(
      () => model.fit(batches([3, 5, 5, 3])),
      'ERR_SHAPE',
      /^Expected samples of one shape in an update of 2 .*: pad all samples to one/,
    );
  });

  it('sizes that are no sizes', async () => {
    const expected = 'Expected array of integers > 0 or null for input.shape but received';
    for (const bad of [[undefined, 3], [0, 3], [NaN]] as unknown as number[][]) {
      await expectFailure(() => gs.input({ shape: bad }), 'ERR_OPTION', new RegExp(`^${expected.replaceAll('.', '\\.')}`));
    }
  });
});

/** The mean over steps, then a dense layer of one unit: what a step of gradient descent makes of it, in float64. */
class MeanOfSteps {
  readonly kernel = [0.5, -0.25];
  bias = 0.125;

  predict(x: gs.Tensor): number[] {
    return this.means(x).map((row) => row.reduce((sum, v, c) => sum + v * this.kernel[c]!, this.bias));
  }

  private means({ data, shape }: gs.Tensor): number[][] {
    const [rows, steps, features] = shape as [number, number, number];
    return Array.from({ length: rows }, (_, r) =>
      Array.from({ length: features }, (_unused, c) => {
        let sum = 0;
        for (let t = 0; t < steps; t++) sum += data[(r * steps + t) * features + c]!;
        return sum / steps;
      }),
    );
  }

  loss(x: gs.Tensor, y: gs.Tensor): number {
    const errors = this.predict(x).map((p, r) => p - y.data[r]!);
    return errors.reduce((sum, e) => sum + e * e, 0) / errors.length;
  }

  /** W ← W − rate · ∂L/∂W of the mean squared error. */
  descend(x: gs.Tensor, y: gs.Tensor, rate: number): void {
    const errors = this.predict(x).map((p, r) => p - y.data[r]!);
    const rows = errors.length;
    this.means(x).forEach((row, r) => row.forEach((v, c) => (this.kernel[c]! -= (rate * 2 * errors[r]! * v) / rows)));
    this.bias -= (rate * 2 * errors.reduce((a, b) => a + b, 0)) / rows;
  }
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`axes of unknown size on ${name}`, () => {
    const rate = 0.1;
    const meanModel = async () => {
      const model = gs.sequential([layers.globalAveragePooling1d({ inputShape: [null, 2] }), layers.dense({ units: 1 })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: rate }), loss: 'meanSquaredError', device, threads: 2 });
      const { kernel, bias } = new MeanOfSteps();
      await model.setWeights([gs.tensor(kernel.map((v) => [v])), gs.tensor([bias])]);
      return model;
    };
    const batches = [3, 3, 7, 1, 4, 4, 4].map((steps, i) => ({
      x: numbers([i % 2 ? 4 : 5, steps, 2], i),
      y: numbers([i % 2 ? 4 : 5, 1], -i),
    }));
    const expectWeights = async (model: gs.Model, { kernel, bias }: MeanOfSteps) => {
      const [k, b] = await model.getWeights();
      kernel.forEach((v, c) => expect(k!.data[c]!).to.be.closeTo(v, 2e-6));
      expect(b!.data[0]!).to.be.closeTo(bias, 2e-6);
    };

    it('trains by a dataset whose batches have several lengths', async () => {
      using model = await meanModel();
      const reference = new MeanOfSteps();
      const losses: number[] = [];
      for (let epoch = 0; epoch < 3; epoch++) {
        let [sum, rows] = [0, 0];
        for (const { x, y } of batches) {
          sum += reference.loss(x, y) * y.data.length;
          rows += y.data.length;
          reference.descend(x, y, rate);
        }
        losses.push(sum / rows);
      }
      const { loss } = await model.fit(gs.data.dataset(batches).asBatches(), { epochs: 3 });
      loss!.forEach((v, i) => expect(v).to.be.closeTo(losses[i]!, 2e-6));
      await expectWeights(model, reference);
    });

    it('trains by arrays, each call with its own length, and validates at another', async () => {
      using model = await meanModel();
      const reference = new MeanOfSteps();
      const validation = batches[2]!;
      for (const { x, y } of batches) {
        reference.descend(x, y, rate);
        const history = await model.fit(x, y, { batchSize: 8, validationData: [validation.x, validation.y] });
        expect(history.val_loss![0]!).to.be.closeTo(reference.loss(validation.x, validation.y), 2e-6);
        reference.descend(x, y, rate);
        await model.trainOnBatch(x, y);
        const predicted = await model.predict(validation.x);
        reference.predict(validation.x).forEach((v, i) => expect(predicted.data[i]!).to.be.closeTo(v, 2e-6));
      }
      await expectWeights(model, reference);
    });

    it('evaluates a dataset of several lengths: metrics are of positions, the loss is of rows', async () => {
      using model = gs.sequential([layers.activation({ activation: 'linear', inputShape: [null, 1] })]);
      model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError', metrics: ['meanSquaredError'], device });
      const parts = [2, 6].map((steps, i) => ({ x: numbers([3, steps, 1], i), y: numbers([3, steps, 1], 5 + i) }));
      const errors = parts.map(({ x, y }) => [...x.data].map((v, i) => v - y.data[i]!));
      const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
      const { loss, meanSquaredError } = await model.evaluate(gs.data.dataset(parts).asBatches());
      expect(loss!).to.be.closeTo(mean(errors.map((part) => mean(part.map(Math.abs)))), 1e-6);
      expect(meanSquaredError!).to.be.closeTo(mean(errors.flat().map((e) => e * e)), 1e-6);
    });

    it('computes what a model of fixed sizes computes, in layers of every kind', async () => {
      const build = (size: number | null) => {
        const image = gs.input({ shape: [size, size, 3] });
        const conv = layers.conv2d({ filters: 4, kernelSize: 3, padding: 'same', activation: 'relu' }).apply(image);
        const down = layers.maxPooling2d({ poolSize: 2 }).apply(layers.batchNormalization().apply(conv));
        const up = layers.conv2dTranspose({ filters: 4, kernelSize: 2, strides: 2 }).apply(down);
        const both = layers.concatenate().apply([conv, up]);
        const rows = layers.timeDistributed({ layer: layers.globalAveragePooling1d() }).apply(both);
        const read = layers.bidirectional({ layer: layers.lstm({ units: 3, returnSequences: true }) }).apply(rows);
        const seen = layers.multiHeadAttention({ numHeads: 2, keyDim: 3 }).apply([read, read]);
        const inner = gs.sequential([layers.layerNormalization({ inputShape: [size, 6] }), layers.gru({ units: 5 })]);
        return gs.model({ inputs: image, outputs: layers.dense({ units: 2 }).apply(inner.apply(seen)) });
      };
      using open = build(null);
      open.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed: 3, threads: 2 });
      for (const size of [6, 4, 10]) {
        using fixed = build(size);
        fixed.compile({ optimizer: 'adam', loss: 'meanSquaredError', device, seed: 3, threads: 2 });
        await fixed.setWeights(await open.getWeights());
        const [x, y] = [numbers([3, size, size, 3], size), numbers([3, 2], size)];
        expect((await open.predict(x)).data).to.deep.equal((await fixed.predict(x)).data);
        expect(await open.evaluate(x, y)).to.deep.equal(await fixed.evaluate(x, y));
      }
    });

    it('carries states on through batches of several lengths', async () => {
      const state = layers.simpleRNN({ units: 4, returnSequences: true, stateful: true, inputShape: [null, 2] });
      using pieces = gs.sequential([state]);
      using whole = gs.sequential([layers.simpleRNN({ units: 4, returnSequences: true, inputShape: [10, 2] })]);
      for (const model of [pieces, whole]) model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
      await whole.setWeights(await pieces.getWeights());
      const x = numbers([1, 10, 2]);
      const y = [...(await whole.predict(x)).data];
      const parts: number[] = [];
      for (const [begin, end] of [
        [0, 3],
        [3, 4],
        [4, 10],
      ] as const) {
        const part = new gs.Tensor(x.data.subarray(2 * begin, 2 * end), [1, end - begin, 2]);
        parts.push(...(await pieces.predict(part)).data);
      }
      expect(parts).to.have.length(y.length);
      parts.forEach((v, i) => expect(v).to.be.closeTo(y[i]!, 1e-6));
    });

    it('goes on from a file, in the middle of an epoch, to the same bits', async () => {
      const data = gs.data.dataset(batches).asBatches();
      const path = join(tmpdir(), `gradstep-unknown-sizes-${process.pid}-${device}.safetensors`);
      using through = await meanModel();
      await through.fit(data, { epochs: 2 });
      using first = await meanModel();
      const halt: gs.Callback = { onBatchEnd: (batch, _logs, context) => (batch === 3 ? context.stop() : undefined) };
      await first.fit(data, { epochs: 2, callbacks: [halt] });
      await first.save(path);
      using second = await gs.loadModel(path, { device });
      await second.fit(data, { epochs: 2, resume: true });
      expect((await second.getWeights()).map((w) => w.data)).to.deep.equal((await through.getWeights()).map((w) => w.data));
    });
  });
}

describe('axes of unknown size elsewhere', () => {
  it("models take what functions of one's own give them", async () => {
    const model = gs.sequential([layers.globalMaxPooling1d({ inputShape: [null, 2] })]);
    for (const steps of [2, 5]) {
      const inputs = { x: { shape: [3, steps, 2] } };
      using most = gs.compile(({ x }) => model.call(x, { training: false }), { inputs, device: 'cpu' });
      const x = numbers([3, steps, 2], steps);
      const wanted = Array.from({ length: 6 }, (_, i) =>
        Math.max(...Array.from({ length: steps }, (_unused, t) => x.data[(Math.floor(i / 2) * steps + t) * 2 + (i % 2)]!)),
      );
      expect([...(await most({ x })).data]).to.deep.equal(wanted);
    }
  });

  it('a profile is of the sizes that it is given', async () => {
    using model = gs.sequential([layers.conv1d({ filters: 3, kernelSize: 2, inputShape: [null, 2], name: 'conv' })]);
    for (const steps of [4, 9]) {
      const { instructions } = await model.profile(numbers([2, steps, 2]), undefined, { print: false, steps: 2 });
      const conv = instructions.find((i) => i.layer === 'conv')!;
      expect(conv.shapes[0]!.reduce((n, d) => n * d, 1)).to.equal(2 * (steps - 1) * 3);
    }
  });
});
