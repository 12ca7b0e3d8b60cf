/** Layers inside bidirectional and timeDistributed: what is frozen, what learns at another rate; and descriptions that are only that. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';

const { layers } = gs;
const x = gs.tensor(
  Float32Array.from({ length: 4 * 3 * 2 }, (_, i) => Math.sin(i)),
  [4, 3, 2],
);
const y = Float32Array.of(0.5, -1, 0.25, 1);

/** Which weights a step changes, by their names. */
async function moved(model: gs.Sequential, data: gs.Tensor): Promise<string[]> {
  model.compile({ optimizer: gs.optimizers.adam({ learningRate: 0.1 }), loss: 'meanSquaredError', device: 'cpu', seed: 1 });
  const before = await model.getWeights();
  await model.fit(data, y, { shuffle: false });
  const after = await model.getWeights();
  const names = [...model.trainableVariables, ...model.nonTrainableVariables].map((v) => v.name);
  expect(names).to.have.length(before.length);
  return before.flatMap((w, i) => (w.data.some((v, k) => v !== after[i]!.data[k]) ? [`${i}`] : []));
}

describe('layers inside others', () => {
  let folder: string;
  before(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-inner-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('the backward half of bidirectional is frozen as its layer is, whenever that is said', async () => {
    const inner = layers.lstm({ units: 2, trainable: false });
    const model = gs.sequential([layers.bidirectional({ layer: inner, inputShape: [3, 2] }), layers.dense({ units: 1 })]);
    expect(await moved(model, x)).to.deep.equal(['6', '7']);
    expect(model.trainableVariables).to.have.length(2);
    inner.trainable = true;
    expect(await moved(model, x)).to.deep.equal(['0', '1', '2', '3', '4', '5', '6', '7']);
    expect(model.trainableVariables).to.have.length(8);
    const path = join(folder, 'bidirectional.safetensors');
    await model.save(path);
    const loaded = await gs.loadModel(path, { device: 'cpu' });
    expect(await loaded.fit(x, y, { shuffle: false })).to.deep.equal(await model.fit(x, y, { shuffle: false }));
    expect(await loaded.getWeights()).to.deep.equal(await model.getWeights());
    inner.trainable = false;
    expect(await moved(model, x)).to.deep.equal(['6', '7']);
    await loaded.dispose();
    await model.dispose();
  });

  it('so is that of a cell in rnn', async () => {
    const cell = layers.lstmCell({ units: 2 });
    using model = gs.sequential([
      layers.bidirectional({ layer: layers.rnn({ cell }), inputShape: [3, 2] }),
      layers.dense({ units: 1 }),
    ]);
    expect(await moved(model, x)).to.have.length(8);
    cell.trainable = false;
    expect(await moved(model, x)).to.deep.equal(['6', '7']);
    const path = join(folder, 'cell.safetensors');
    await model.save(path);
    using loaded = await gs.loadModel(path, { device: 'cpu' });
    expect(await loaded.fit(x, y, { shuffle: false })).to.deep.equal(await model.fit(x, y, { shuffle: false }));
  });

  it('a factor of the learning rate counts in each layer around', async () => {
    const frames = gs.tensor(new Float32Array(4 * 2 * 3 * 2).fill(0.5), [4, 2, 3, 2]);
    const lstm = (learningRateMultiplier: number) =>
      layers.bidirectional({ layer: layers.lstm({ units: 2 }), learningRateMultiplier });
    const kinds: Readonly<Record<string, (factor: number) => gs.Layer>> = {
      bidirectional: (factor) => layers.timeDistributed({ layer: lstm(factor), inputShape: [2, 3, 2] }),
      rnn: (factor) =>
        layers.timeDistributed({
          layer: layers.rnn({ cell: layers.lstmCell({ units: 2 }), learningRateMultiplier: factor }),
          inputShape: [2, 3, 2],
        }),
    };
    for (const make of Object.values(kinds)) {
      using still = gs.sequential([make(0), layers.flatten(), layers.dense({ units: 1 })]);
      const weights = (await still.getWeights()).length;
      expect(await moved(still, frames)).to.deep.equal([`${weights - 2}`, `${weights - 1}`]);
      using moving = gs.sequential([make(1), layers.flatten(), layers.dense({ units: 1 })]);
      expect(await moved(moving, frames)).to.have.length(weights);
    }
  });

  it('what toJSON gives is nobody else’s', async () => {
    using model = gs.sequential([layers.reshape({ targetShape: [2, 3], inputShape: [6] }), layers.permute({ dims: [2, 1] })]);
    const json = model.toJSON();
    (json.layers[1]!.config as { dims: number[] }).dims.reverse();
    (json as unknown as { inputShape: number[] }).inputShape[0] = 7;
    const { data } = await model.predict([[1, 2, 3, 4, 5, 6]]);
    expect([...data]).to.deep.equal([1, 4, 2, 5, 3, 6]);
  });
});

describe('the name of a model', () => {
  it('is kept in descriptions and files: weights of models around it have it in theirs', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-name-'));
    try {
      const a = gs.input({ shape: [2], name: 'a' });
      const encoder = gs.model({ inputs: a, outputs: layers.dense({ units: 3, name: 'd' }).apply(a), name: 'encoder' });
      const path = join(folder, 'encoder.safetensors');
      await encoder.save(path);
      for (const again of [await gs.loadModel(path), gs.modelFromJson(encoder.toJSON())]) {
        expect(again.name).to.equal('encoder');
        const b = gs.input({ shape: [2], name: 'b' });
        using around = gs.model({ inputs: b, outputs: again.apply(b) });
        expect(around.weights.map((w) => w.name)).to.deep.equal(['encoder/d/kernel', 'encoder/d/bias']);
        expect(around.toJSON()).not.to.have.property('name');
        // A model inside keeps the name that it has there.
        const inner = gs.modelFromJson(around.toJSON());
        expect(inner.weights.map((w) => w.name)).to.deep.equal(['encoder/d/kernel', 'encoder/d/bias']);
        expect(inner.toJSON()).to.deep.equal(around.toJSON());
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
