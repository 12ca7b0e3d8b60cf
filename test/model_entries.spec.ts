/** How often training comes back to JavaScript: at most about ten times a second, however short a step is. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { Session } from '../lib/runtime/session.js';

describe('a run of fit', () => {
  it('enters JavaScript at most ten times a second and once more for each stretch of an epoch', async () => {
    const rows = 60_000;
    const x = gs.tensor(
      Float32Array.from({ length: rows * 16 }, (_, i) => Math.sin(i)),
      [rows, 16],
    );
    const y = Uint8Array.from({ length: rows }, (_, i) => i % 4);
    using model = gs.sequential([
      gs.layers.dense({ units: 256, activation: 'relu', inputShape: [16] }),
      gs.layers.dense({ units: 256, activation: 'relu' }),
      gs.layers.dense({ units: 4, activation: 'softmax' }),
    ]);
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device: 'cpu', seed: 1 });

    const run = Session.prototype.run;
    const returns: { steps: number; seconds: number }[] = [];
    Session.prototype.run = async function (...args) {
      const result = await run.apply(this, args);
      returns.push(result);
      return result;
    };
    try {
      await model.fit(x, y, { epochs: 1, batchSize: 16 });
    } finally {
      Session.prototype.run = run;
    }
    const seconds = returns.reduce((s, r) => s + r.seconds, 0);
    expect(returns.reduce((s, r) => s + r.steps, 0)).to.equal(rows / 16);
    expect(returns.length).to.be.at.most(10 * seconds + 1);
    expect(returns.length, 'a run that took no time at all would prove nothing').to.be.lessThan(rows / 16 / 10);
  });
});
