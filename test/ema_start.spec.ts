/** Where the moving average of the parameters (`useEma`) begins: at the weights of the first step, whatever was done before it. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';

const ROWS = [[1], [1], [1], [1]];
const LABELS = [[0], [0], [0], [0]];

/** Its loss is the mean of w · 1, so that each step takes the learning rate from w. */
function model(useEma = true): gs.Sequential {
  const made = gs.sequential([gs.layers.dense({ units: 1, useBias: false, kernelInitializer: 'zeros', inputShape: [1] })]);
  const optimizer = gs.optimizers.sgd({ learningRate: 0.5, ...(useEma && { useEma, emaMomentum: 0.75 }) });
  made.compile({ optimizer, loss: (_labels, outputs) => gs.ops.mean(outputs, { axis: -1 }), device: 'cpu', seed: 1 });
  return made;
}

/** The average after four steps from w. */
function averageFrom(w: number): number {
  let average = w;
  for (let step = 1; step <= 4; step++) average = 0.75 * average + 0.25 * (w - 0.5 * step);
  return average;
}

const weightOf = async (m: gs.Model): Promise<number> => (await m.getWeights())[0]!.data[0]!;

describe('useEma', () => {
  const before: Readonly<Record<string, (m: gs.Sequential) => Promise<unknown>>> = {
    nothing: () => Promise.resolve(),
    setLearningRate: (m) => m.setLearningRate(0.5),
    predict: (m) => m.predict(ROWS),
    evaluate: (m) => m.evaluate(ROWS, LABELS),
  };
  for (const [what, run] of Object.entries(before)) {
    it(`begins at weights that are set after ${what}`, async () => {
      using m = model();
      await run(m);
      await m.setWeights([gs.tensor([100], [1, 1])]);
      await m.fit(ROWS, LABELS, { batchSize: 1 });
      expect(await weightOf(m)).to.be.closeTo(averageFrom(100), 1e-4);
    });
  }

  it('begins at weights that another model has trained', async () => {
    const shared = gs.layers.dense({ units: 1, useBias: false, kernelInitializer: 'zeros', inputShape: [1] });
    const loss = (_labels: gs.Value, outputs: gs.Value): gs.Value => gs.ops.mean(outputs, { axis: -1 });
    using a = gs.sequential([shared]);
    using b = gs.sequential([shared]);
    a.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5, useEma: true, emaMomentum: 0.75 }), loss, device: 'cpu' });
    b.compile({ optimizer: gs.optimizers.sgd({ learningRate: 10 }), loss, device: 'cpu' });
    await a.evaluate(ROWS, LABELS);
    await b.fit(ROWS, LABELS, { batchSize: 1 });
    expect(await weightOf(b)).to.equal(-40);
    await a.fit(ROWS, LABELS, { batchSize: 1 });
    expect(await weightOf(a)).to.be.closeTo(averageFrom(-40), 1e-4);
  });
});
