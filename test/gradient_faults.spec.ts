/**
 * A gradient that is not finite while the loss is: training ends with that step, and no weight becomes NaN or infinite. The
 * expected weights are the formula W ← W − lr·∂L/∂W by hand; every number is a power of two, so they are exact.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';

const { dense } = gs.layers;

/** y = w₁ + w₂·10³⁰ + b with w₂ = 10⁻³⁰ is about 2. Its distance to the target is 2³⁴ in float32, so ∂L/∂y = 2³⁵. */
const X = [[1, 1e30]];
const TARGET = [-(2 ** 34)];
const RATE = 2 ** -40;
const KERNEL = [1, Math.fround(1e-30)] as const;

const sum = (options: Partial<gs.layers.DenseOptions> = {}) => dense({ units: 1, inputShape: [2], name: 'sum', ...options });

interface Setting {
  readonly device: string;
  readonly optimizer?: gs.optimizers.SgdOptions;
  readonly onNaN?: 'error' | 'continue';
}

/** The model of one layer, its kernel set; ∂L/∂w₂ = 2³⁵·10³⁰ is infinite in float32. */
async function overflowing({ device, optimizer = {}, onNaN = 'error' }: Setting): Promise<gs.Sequential> {
  const model = gs.sequential([sum()]);
  model.compile({
    optimizer: gs.optimizers.sgd({ learningRate: RATE, ...optimizer }),
    loss: 'meanSquaredError',
    device,
    onNaN,
    seed: 1,
  });
  await model.setWeights([[[KERNEL[0]], [KERNEL[1]]], [0]]);
  return model;
}

const numbers = async (model: gs.Sequential): Promise<number[]> => (await model.getWeights()).flatMap(({ data }) => [...data]);

for (const { name: on, device } of backends()) {
  describe(`gradients that are not finite, on ${on}`, () => {
    it('end the run, name the weight, and leave its element as it was', async () => {
      using model = await overflowing({ device });
      await expectFailure(
        () => model.fit(X, TARGET, { epochs: 3 }),
        'ERR_NAN',
        /^The gradient of sum\/kernel became NaN or infinite in step 0 of the pass \(fit\), the loss did not: .*onNaN: "continue"$/,
      );
      expect(await numbers(model)).to.deep.equal([1 - 2 ** -5, KERNEL[1], -(2 ** -5)]);
    });

    it('in trainOnBatch', async () => {
      using model = await overflowing({ device });
      await expectFailure(() => model.trainOnBatch(X, TARGET), 'ERR_NAN', /^The gradient of sum\/kernel .*\(trainOnBatch\)/);
    });

    it('the model trains on afterwards', async () => {
      using model = await overflowing({ device });
      await model.fit(X, TARGET).catch(() => undefined);
      const [w, , b] = await numbers(model);
      // L = (w₁·2 + b)² of x = (2, 0) and y = 0.
      const away = 2 * w! + b!;
      const { loss } = await model.fit([[2, 0]], [0], { epochs: 1 });
      expect(loss[0]).to.be.closeTo(away ** 2, 1e-6);
      const after = await numbers(model);
      expect(after[0]).to.be.closeTo(w! - RATE * 4 * away, 1e-7);
    });

    it('where layers learn at rates of their own', async () => {
      using model = gs.sequential([sum({ name: 'first', learningRateMultiplier: 2 }), dense({ units: 1, name: 'last' })]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: RATE }), loss: 'meanSquaredError', device, seed: 1 });
      await model.setWeights([[[KERNEL[0]], [KERNEL[1]]], [0], [[1]], [0]]);
      await expectFailure(() => model.fit(X, TARGET), 'ERR_NAN', /^The gradient of first\/kernel /);
      expect(await numbers(model)).to.deep.equal([1 - 2 ** -4, KERNEL[1], -(2 ** -4), 1 - 2 ** -4, -(2 ** -5)]);
    });

    it('where batches share an update', async () => {
      using model = await overflowing({ device, optimizer: { gradientAccumulationSteps: 2 } });
      await expectFailure(
        () => model.fit([[0, 0], ...X], [0, ...TARGET], { batchSize: 1, shuffle: false }),
        'ERR_NAN',
        /^The gradient of sum\/kernel became NaN or infinite in step 1 /,
      );
      expect(await numbers(model)).to.deep.equal([1 - 2 ** -6, KERNEL[1], -(2 ** -6)]);
    });

    it('no weight is named where one norm cuts all gradients', async () => {
      using model = await overflowing({ device, optimizer: { globalClipNorm: 1 } });
      await expectFailure(() => model.fit(X, TARGET), 'ERR_NAN', /^The gradient became NaN or infinite in step 0 /);
      expect(await numbers(model)).to.deep.equal([...KERNEL, 0]);
    });

    it('are cut like others where each is cut by value', async () => {
      using model = await overflowing({ device, optimizer: { clipValue: 2 ** 30 } });
      await model.fit(X, TARGET);
      expect(await numbers(model)).to.deep.equal([1 - 2 ** -10, Math.fround(KERNEL[1] - 2 ** -10), -(2 ** -10)]);
    });

    it('are followed with onNaN: "continue"', async () => {
      using model = await overflowing({ device, onNaN: 'continue' });
      await model.fit(X, TARGET);
      expect(await numbers(model)).to.deep.equal([1 - 2 ** -5, -Infinity, -(2 ** -5)]);
    });

    it('an infinite derivative of a loss: the weight nearest to the loss is named, and all stay', async () => {
      using model = gs.sequential([dense({ units: 3, inputShape: [2], name: 'first' }), dense({ units: 1, name: 'second' })]);
      // √max(p − 100, 0) is 0 below 100, its derivative 0·∞.
      const root: gs.LossFunction = (_y, p) => gs.ops.mean(gs.ops.sqrt(gs.ops.relu(gs.ops.sub(p, 100))), { axis: -1 });
      model.compile({ optimizer: 'adam', loss: root, device, seed: 1 });
      const before = await numbers(model);
      await expectFailure(() => model.fit([[1, 2]], [1]), 'ERR_NAN', /^The gradient of second\/bias /);
      expect(await numbers(model)).to.deep.equal(before);
    });
  });
}
