/** Clipping by norms after a batch that was not finite: the next good batch trains as if that one had not been. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure } from './helpers/failure.js';

const ROWS = 6;
const x = gs.tensor(
  Float32Array.from({ length: ROWS * 8 }, (_, i) => Math.sin(i * 1.3)),
  [ROWS, 8],
);
const y = Int32Array.of(0, 1, 2, 2, 1, 0);
const spoilt = gs.tensor(Float32Array.from(x.data).fill(NaN, 3, 4), [ROWS, 8]);

/** Weights of 24 and 3 numbers: behind both there are gaps in the block of gradients. */
function model(device: string, limits: object): gs.Sequential {
  const made = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [8] })]);
  const optimizer = gs.optimizers.adam({ learningRate: 0.1, ...limits });
  made.compile({ optimizer, loss: 'sparseCategoricalCrossentropy', device: device as gs.DeviceName, seed: 3 });
  return made;
}

describe('clipping after a batch that was not finite', () => {
  for (const device of ['cpu', 'cuda-emulated']) {
    for (const limits of [{ globalClipNorm: 0.1 }, { clipNorm: 0.1 }, { clipValue: 0.1 }]) {
      it(`${Object.keys(limits).join()} on ${device}`, async () => {
        using straight = model(device, limits);
        using interrupted = model(device, limits);
        await expectFailure(() => interrupted.trainOnBatch(spoilt, y), 'ERR_NAN', /NaN/);
        for (let step = 0; step < 3; step++) {
          const expected = await straight.trainOnBatch(x, y);
          expect(expected.loss).to.be.within(0.1, 3);
          expect((await interrupted.trainOnBatch(x, y)).loss).to.be.closeTo(expected.loss, 0.05);
        }
        const [kernel] = await interrupted.getWeights();
        expect(kernel!.data.every(Number.isFinite)).to.equal(true);
      });
    }
  }
});
