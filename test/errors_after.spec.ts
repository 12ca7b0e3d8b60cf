/** What errors leave behind: the model and its neighbours live on. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';
import { classifier, device, regression, x, y } from './helpers/small_models.js';

describe('errors', () => {
  it('leave the model as it was: a bad label, then good ones', async () => {
    using model = classifier();
    const before = await model.getWeights();
    const error = await model.fit(x, [9, 9, 9, 9]).catch((e: unknown) => e as gs.GradstepError);
    expect((error as gs.GradstepError).code).to.equal('ERR_LABEL_RANGE');
    expect(await model.getWeights()).to.deep.equal(before);
    const { loss } = await model.fit(x, y, { epochs: 2 });
    expect(loss.every(Number.isFinite)).to.equal(true);
  });

  it('count no updates that did not happen: a bad index, then a schedule that goes on', async () => {
    const learningRate = gs.schedules.piecewiseConstantDecay({ boundaries: [3], values: [0.1, 0] });
    using model = gs.sequential([
      gs.layers.embedding({ inputDim: 2, outputDim: 1, embeddingsInitializer: 'zeros', inputShape: [1] }),
      gs.layers.flatten(),
    ]);
    model.compile({ optimizer: gs.optimizers.sgd({ learningRate }), loss: 'meanSquaredError', device });
    const indices = Int32Array.of(9, 1, 1, 1, 1, 1);
    const fit = () => model.fit(indices, new Float32Array(6), { batchSize: 1, shuffle: false });
    await expectFailure(fit, 'ERR_INDEX_RANGE', /received 9 in row 0/);
    await model.fit(Int32Array.of(1), Float32Array.of(1), { batchSize: 1 });
    // w - 0.1 * 2 (w - 1) from w = 0.
    expect((await model.getWeights())[0]!.data[1]).to.be.closeTo(0.2, 1e-6);
  });

  it('leave the weights of the last good step: NaN in the third batch', async () => {
    const data = [...x.slice(0, 2), [NaN, 1, 1], ...x];
    const answers = [1, 2, 3, 4, 5, 6, 7];
    using model = regression();
    const weights = await model.getWeights();
    const error = await model.fit(data, answers, { batchSize: 1, shuffle: false }).catch((e: unknown) => e as gs.GradstepError);
    expect((error as gs.GradstepError).message).to.match(/in step 2 of the pass/);
    using other = regression();
    await other.setWeights(weights);
    await other.fit(data.slice(0, 2), answers.slice(0, 2), { batchSize: 1, shuffle: false });
    expect(await model.getWeights()).to.deep.equal(await other.getWeights());
  });

  it('onNaN: "continue" trains on and shows the NaN', async () => {
    using model = regression({ onNaN: 'continue' });
    const { loss } = await model.fit([[NaN, 0, 0], ...x], [1, 2, 3, 4, 5], { epochs: 2, batchSize: 1 });
    expect(loss.every(Number.isNaN)).to.equal(true);
  });

  it('an array taken away while it is copied', async () => {
    using model = gs.sequential([gs.layers.rescaling({ scale: 1, inputShape: [1024] })]);
    const data = new Float32Array(16 * 1024 * 1024);
    const predicted = model.predict(data, { batchSize: 1024 }).catch((e: unknown) => e as gs.GradstepError);
    setImmediate(() => structuredClone(data.buffer, { transfer: [data.buffer] }));
    const error = (await predicted) as gs.GradstepError;
    expect(error.code).to.equal('ERR_OPTION');
    expect(error.message).to.equal('The memory of x was transferred elsewhere while it was being copied');
    expect([...(await model.predict(new Float32Array(1024).fill(3))).data.slice(0, 2)]).to.deep.equal([3, 3]);
  });
});
