/**
 * What samples count for in losses and metrics, against float64: weights of samples, of their positions and of classes, and
 * masks, which leave positions out as Keras does it: Σ mask·loss / (Σ mask + 1e-7).
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';

const ROWS = 4;
const TIME = 3;
/** One feature, 5 samples of 3 steps; −9 is what masking leaves out. */
const X = [
  [1, 2, -9],
  [0.5, -9, -9],
  [3, -1, 2],
  [-2, 1, -9],
];
const Y = [
  [0.5, 1, 7],
  [2, 7, 7],
  [-1, 0, 1],
  [4, -3, 7],
];
const STEP_WEIGHTS = [
  [1, 2, 3],
  [0.5, 1, 1],
  [0, 1, 4],
  [2, 0.25, 1],
];
const x = gs.tensor(Float32Array.from(X.flat()), [ROWS, TIME, 1]);
const y = gs.tensor(Float32Array.from(Y.flat()), [ROWS, TIME, 1]);

/** Each position's (w x + b − y)², with what it counts for, and what came of x. */
function positions(w: number, b: number, count: (row: number, step: number) => number) {
  return X.flatMap((row, r) =>
    row.map((v, t) => ({ v, error: w * v + b - Y[r]![t]!, mask: v === -9 ? 0 : 1, count: count(r, t) })),
  );
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`weights of samples and masks on ${name}`, () => {
    const masked = async (): Promise<gs.Sequential> => {
      const { masking, timeDistributed, dense, activation } = gs.layers;
      const model = gs.sequential([
        masking({ maskValue: -9, inputShape: [TIME, 1] }),
        timeDistributed({ layer: dense({ units: 1 }) }),
        activation({ activation: 'linear' }),
      ]);
      model.compile({
        optimizer: gs.optimizers.sgd({ learningRate: 0.125 }),
        loss: 'meanSquaredError',
        metrics: ['meanAbsoluteError'],
        weightedMetrics: [gs.metrics.meanAbsoluteError({ name: 'weighted' })],
        device,
        seed: 1,
      });
      await model.setWeights([[[0.5]], [0.25]]);
      return model;
    };

    const kinds: [string, gs.TensorLike | undefined, (row: number, step: number) => number][] = [
      ['alone', undefined, () => 1],
      ['with weights of samples', [1, 0.5, 2, 0], (r) => [1, 0.5, 2, 0][r]!],
      ['with weights of steps', STEP_WEIGHTS, (r, t) => STEP_WEIGHTS[r]![t]!],
    ];
    for (const [title, sampleWeight, count] of kinds) {
      it(`masked positions have no part, ${title}`, async () => {
        using model = await masked();
        const all = positions(0.5, 0.25, count);
        const valid = all.reduce((s, p) => s + p.mask, 0);
        const mean = (f: (p: (typeof all)[number]) => number) => all.reduce((s, p) => s + p.mask * p.count * f(p), 0) / valid;
        const logs = await model.trainOnBatch(x, y, sampleWeight === undefined ? {} : { sampleWeight });
        expect(logs.loss).to.be.closeTo(
          mean((p) => p.error ** 2),
          1e-5,
        );
        const absolute = all.reduce((s, p) => s + p.mask * Math.abs(p.error), 0) / valid;
        expect(logs.meanAbsoluteError).to.be.closeTo(absolute, 1e-5);
        const counted = all.reduce((s, p) => s + p.mask * p.count, 0);
        const weighted = all.reduce((s, p) => s + p.mask * p.count * Math.abs(p.error), 0) / counted;
        expect(logs.weighted).to.be.closeTo(weighted, 1e-5);
        const [kernel, bias] = await model.getWeights();
        expect(kernel!.data[0]).to.be.closeTo(0.5 - 0.125 * mean((p) => 2 * p.error * p.v), 1e-5);
        expect(bias!.data[0]).to.be.closeTo(0.25 - 0.125 * mean((p) => 2 * p.error), 1e-5);
      });
    }

    it('classes count by their weights, in training only', async () => {
      for (const labels of ['numbers', 'oneHot'] as const) {
        using model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [2] })]);
        const loss = labels === 'numbers' ? 'sparseCategoricalCrossentropy' : 'categoricalCrossentropy';
        model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0 }), loss, device, seed: 3 });
        const data = [
          [1, 2],
          [-1, 0.5],
          [0.25, -2],
          [3, 1],
        ];
        const classes = [0, 2, 1, 2];
        const given = labels === 'numbers' ? classes : classes.map((c) => [0, 1, 2].map((k) => (k === c ? 1 : 0)));
        const p = await model.predict(data);
        const losses = classes.map((c, r) => -Math.log(p.data[3 * r + c]!));
        const weights = [2, 1, 0.25];
        const expected = classes.reduce((s, c, r) => s + weights[c]! * losses[r]!, 0) / 4;
        const plain = losses.reduce((a, b) => a + b) / 4;
        const history = await model.fit(data, given, {
          classWeight: { 0: 2, 2: 0.25 },
          validationData: [data, given],
          batchSize: 3,
        });
        expect(history.loss[0]).to.be.closeTo(expected, 1e-5);
        expect(history.val_loss![0]).to.be.closeTo(plain, 1e-5);
        const split = await model.fit(data, given, { classWeight: { 0: 2, 2: 0.25 }, validationSplit: 0.5 });
        expect(split.val_loss![0]).to.be.closeTo((losses[2]! + losses[3]!) / 2, 1e-5);
        const counted = await model.fit(data, given, { sampleWeight: [1, 1, 3, 0.5], validationSplit: 0.5 });
        expect(counted.val_loss![0]).to.be.closeTo((3 * losses[2]! + 0.5 * losses[3]!) / 2, 1e-5);
        const { loss: weighted } = await model.evaluate(data, given, { sampleWeight: classes.map((c) => weights[c]!) });
        expect(weighted).to.be.closeTo(expected, 1e-5);
      }
    });
  });
}

describe('weights of samples', () => {
  it('are checked', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const fit = (options: gs.FitOptions) => () => model.fit([[1], [2]], [1, 2], options);
    await expectFailure(fit({ sampleWeight: [1] }), 'ERR_SHAPE', /sample weights of shape \[2\] but received \[1\]/);
    await expectFailure(fit({ sampleWeight: [1, -1] }), 'ERR_OPTION', /sample weights >= 0 but received -1 at element 1/);
    await expectFailure(fit({ sampleWeight: [1, NaN] }), 'ERR_OPTION', /NaN at element 1/);
    await expectFailure(fit({ sampleWeight: [1, 1], classWeight: { 0: 1 } }), 'ERR_OPTION', /received both/);
    for (const key of ['a', '', ' ', '0x1', '01', '1.5', '-1', String(1e300), String(2 ** 31)]) {
      await expectFailure(
        fit({ classWeight: { [key]: 1 } as never }),
        'ERR_OPTION',
        /^Expected class number for fit.classWeight key/,
      );
    }
    await expectFailure(fit({ classWeight: { 0: -1 } }), 'ERR_OPTION', /classWeight\[0\]/);
  });
});
