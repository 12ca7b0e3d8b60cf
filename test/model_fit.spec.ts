/** fit and evaluate on the CPU: numbers against formulas and a training loop written out here in float64. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { philox4x32 } from './helpers/philox.js';

const device = 'cpu';

/** One linear unit y = w·x + b with known weights. */
async function line(w: number, b: number, compile: Partial<gs.CompileOptions> = {}): Promise<gs.Sequential> {
  const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
  model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 1, ...compile });
  await model.setWeights([[[w]], [b]]);
  return model;
}

/** Mini-batch descent on the squared error of a line, in float64: the reference. */
function descend(
  x: number[],
  y: number[],
  order: number[],
  batch: number,
  rate: number,
  start: [number, number],
): [number, number] {
  let [w, b] = start;
  for (let at = 0; at < order.length; at += batch) {
    const rows = order.slice(at, at + batch);
    let [dw, db] = [0, 0];
    for (const r of rows) {
      const error = w * x[r]! + b - y[r]!;
      dw += (2 * error * x[r]!) / rows.length;
      db += (2 * error) / rows.length;
    }
    w -= rate * dw;
    b -= rate * db;
  }
  return [w, b];
}

/** The order of rows, from the paper's Philox: counter (block, 0, epoch, seed's high word), key (seed's low word, FNV-1a of the purpose). */
function referenceOrder(rows: number, seed: number, epoch: number): number[] {
  let hash = 0x811c9dc5n;
  for (const c of 'row order') hash = ((hash ^ BigInt(c.charCodeAt(0))) * 0x01000193n) & 0xffffffffn;
  const order = Array.from({ length: rows }, (_, i) => i);
  let drawn = 0;
  for (let i = rows - 1; i > 0; i--, drawn++) {
    const word = philox4x32([Math.floor(drawn / 4), 0, epoch, 0], [seed, Number(hash)])[drawn % 4]!;
    const j = Number((BigInt(word) * BigInt(i + 1)) >> 32n);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

const X = [0.5, -1, 2, 0.25, 1.5, -0.75, 3, -2, 1, 0.1];
const Y = [1, 0, 3.5, 1.2, 2, 0.3, 5, -2, 1.5, 1];
const x = gs.tensor(X, [10, 1]);
const y = gs.tensor(Y, [10, 1]);

const questions = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];

function network(seed: number): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 16, activation: 'relu', inputShape: [4] }),
    gs.layers.dropout({ rate: 0.3 }),
    gs.layers.dense({ units: 3, activation: 'softmax' }),
  ]);
  const optimizer = gs.optimizers.adam({ learningRate: 0.01 });
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy'], device, seed, threads: 1 });
  return model;
}

/** Rows of four numbers whose class is the place of the largest of the first three. */
function rows(count: number): { x: gs.Tensor; y: Int32Array } {
  const data = Float32Array.from({ length: count * 4 }, (_, i) => Math.sin(i * 12.9898) * Math.cos(i * 4.1414));
  const labels = Int32Array.from({ length: count }, (_, r) => {
    const three = [...data.subarray(r * 4, r * 4 + 3)];
    return three.indexOf(Math.max(...three));
  });
  return { x: gs.tensor(data, [count, 4]), y: labels };
}

const bits = (tensors: gs.Tensor[]): number[][] =>
  tensors.map((t) => [...new Uint32Array((t.data as Float32Array).slice().buffer)]);

describe('fit', () => {
  it('learns exclusive or', async () => {
    using model = gs.sequential([
      gs.layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }),
      gs.layers.dense({ units: 1, activation: 'sigmoid' }),
    ]);
    const optimizer = gs.optimizers.adam({ learningRate: 0.05 });
    model.compile({ optimizer, loss: 'binaryCrossentropy', metrics: ['accuracy'], device, seed: 1 });
    const history = await model.fit(questions, [0, 1, 1, 0], { epochs: 300, batchSize: 4 });
    expect(history.accuracy!.at(-1)).to.equal(1);
    const { data } = await model.predict(questions);
    [0, 1, 1, 0].forEach((answer, i) => expect(Math.abs(data[i]! - answer)).to.be.below(0.1));
  });

  it('gives one number an epoch under each key', async () => {
    using model = network(1);
    const { x: data, y: labels } = rows(50);
    const seen: [number, string[]][] = [];
    const onEpochEnd = (epoch: number, logs: gs.Logs): void => void seen.push([epoch, Object.keys(logs)]);
    const history = await model.fit(data, labels, { epochs: 3, validationSplit: 0.2, onEpochEnd });
    expect(Object.keys(history).sort()).to.deep.equal(['accuracy', 'epoch', 'loss', 'val_accuracy', 'val_loss']);
    expect(history.epoch).to.deep.equal([0, 1, 2]);
    for (const values of Object.values(history)) expect(values).to.have.length(3);
    expect(seen.map(([epoch]) => epoch)).to.deep.equal([0, 1, 2]);
    expect(seen[0]![1].sort()).to.deep.equal(['accuracy', 'loss', 'val_accuracy', 'val_loss']);
  });

  it('averages over all rows, the last partial batch included', async () => {
    using model = await line(0.5, 0.1, { optimizer: gs.optimizers.sgd({ learningRate: 0 }) });
    const expected = X.reduce((sum, v, i) => sum + (0.5 * v + 0.1 - Y[i]!) ** 2, 0) / 10;
    const history = await model.fit(x, y, { batchSize: 4 });
    expect(history.loss[0]).to.be.closeTo(expected, 1e-6);
    expect((await model.evaluate(x, y, { batchSize: 4 })).loss).to.be.closeTo(expected, 1e-6);
  });

  it('takes each batch’s mean gradient, also of the partial one', async () => {
    using model = await line(0.5, 0.1, { optimizer: gs.optimizers.sgd({ learningRate: 0.05 }) });
    await model.fit(x, y, { batchSize: 4, shuffle: false });
    const [w, b] = descend(X, Y, [...X.keys()], 4, 0.05, [0.5, 0.1]);
    const [kernel, bias] = await model.getWeights();
    expect(kernel!.data[0]).to.be.closeTo(w, 1e-6);
    expect(bias!.data[0]).to.be.closeTo(b, 1e-6);
  });

  it('visits the rows in the order that the seed and the epoch give', async () => {
    using model = await line(0.5, 0.1, { optimizer: gs.optimizers.sgd({ learningRate: 0.05 }), seed: 7 });
    await model.fit(x, y, { batchSize: 3, epochs: 2 });
    let expected: [number, number] = [0.5, 0.1];
    for (const epoch of [0, 1]) expected = descend(X, Y, referenceOrder(10, 7, epoch), 3, 0.05, expected);
    const [kernel, bias] = await model.getWeights();
    expect(kernel!.data[0]).to.be.closeTo(expected[0], 1e-6);
    expect(bias!.data[0]).to.be.closeTo(expected[1], 1e-6);
  });

  it('takes validation rows from the end', async () => {
    using model = await line(1, 0, { optimizer: gs.optimizers.sgd({ learningRate: 0 }) });
    const history = await model.fit(x, y, { validationSplit: 0.3, batchSize: 4 });
    const mean = (from: number, to: number) => {
      const errors = X.slice(from, to).map((v, i) => (v - Y[from + i]!) ** 2);
      return errors.reduce((a, b) => a + b) / errors.length;
    };
    expect(history.loss[0]).to.be.closeTo(mean(0, 7), 1e-6);
    expect(history.val_loss![0]).to.be.closeTo(mean(7, 10), 1e-6);
    // 10·(1 − 0.8) is a little below 2, and 10·(1 − 0.9) below 1.
    for (const [part, at] of [
      [0.8, 2],
      [0.9, 1],
    ] as const) {
      const { val_loss } = await model.fit(x, y, { validationSplit: part, batchSize: 4 });
      expect(val_loss![0]).to.be.closeTo(mean(at, 10), 1e-6);
    }
  });

  it('gives the same bits for the same seed, others for another', async () => {
    const { x: data, y: labels } = rows(70);
    const results = [];
    for (const seed of [3, 3, 4]) {
      using model = network(seed);
      const { loss } = await model.fit(data, labels, { epochs: 3, batchSize: 16 });
      results.push({ loss, weights: bits(await model.getWeights()) });
    }
    expect(results[1]).to.deep.equal(results[0]);
    expect(results[2]!.weights).not.to.deep.equal(results[0]!.weights);
  });

  it('in two calls gives the bits of one call with as many epochs', async () => {
    const { x: data, y: labels } = rows(70);
    using once = network(3);
    await once.fit(data, labels, { epochs: 3, batchSize: 16 });
    using twice = network(3);
    await twice.fit(data, labels, { epochs: 1, batchSize: 16 });
    await twice.fit(data, labels, { epochs: 2, batchSize: 16 });
    expect(bits(await twice.getWeights())).to.deep.equal(bits(await once.getWeights()));
  });

  it('tells how far it is', async () => {
    using model = network(1);
    const { x: data, y: labels } = rows(50);
    const reports: gs.Progress[] = [];
    await model.fit(data, labels, { epochs: 2, batchSize: 8, onProgress: (p) => reports.push(p) });
    expect(reports.length).to.be.at.least(1);
    const last = reports.at(-1)!;
    expect(last).to.include({ epoch: 1, epochs: 2, step: 7, steps: 7, secondsLeft: 0 });
    expect(last.loss).to.be.above(0);
    expect(last.accuracy).to.be.within(0, 1);
    expect(last.samplesPerSecond).to.be.above(0);
  });

  it('takes shape from the data where no layer says it', async () => {
    using model = gs.sequential([gs.layers.flatten(), gs.layers.dense({ units: 1 })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device });
    await model.fit(gs.tensor(new Float32Array(24), [4, 2, 3]), [1, 2, 3, 4]);
    expect((await model.getWeights()).map((w) => w.shape)).to.deep.equal([[6, 1], [1]]);
  });

  it('takes labels as bytes, integers, whole floats and plain numbers alike', async () => {
    const { x: data, y: labels } = rows(40);
    const kinds = [labels, Uint8Array.from(labels), Float32Array.from(labels), [...labels], [...labels].map((l) => [l])];
    const losses = [];
    for (const kind of kinds) {
      using model = network(5);
      losses.push((await model.fit(data, kind, { batchSize: 8 })).loss);
    }
    for (const loss of losses) expect(loss).to.deep.equal(losses[0]);
  });

  it('reads bytes as the numbers they are; rescaling scales them', async () => {
    using model = gs.sequential([gs.layers.rescaling({ scale: 1 / 255, offset: -0.5, inputShape: [2, 2] })]);
    const bytes = Uint8Array.from([0, 1, 127, 255, 51, 102, 153, 204]);
    const { data, shape } = await model.predict(bytes, { batchSize: 1 });
    expect(shape).to.deep.equal([2, 2, 2]);
    bytes.forEach((v, i) => expect(data[i]).to.be.closeTo(v / 255 - 0.5, 1e-6));
  });
});
