/**
 * Optimizers as users meet them: defaults, which are those of Keras 3, and the first step of each with its defaults from
 * one known gradient, against the papers' formulas. Long runs are in golden.spec.ts, kernels in op_table.spec.ts.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { rateAt } from '../lib/optimizers/optimizer.js';
import { restoreOptimizer, saveOptimizer, type OptimizerName } from '../lib/optimizers/registry.js';
import { backends } from './helpers/backends.js';
import { expectFailure } from './helpers/failure.js';

const adam = { learningRate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

const DEFAULTS: Record<OptimizerName, Record<string, unknown>> = {
  sgd: { learningRate: 0.01, momentum: 0, nesterov: false },
  rmsprop: { learningRate: 0.001, rho: 0.9, momentum: 0, epsilon: 1e-7, centered: false },
  adagrad: { learningRate: 0.001, initialAccumulatorValue: 0.1, epsilon: 1e-7 },
  adadelta: { learningRate: 0.001, rho: 0.95, epsilon: 1e-7 },
  adam: { ...adam, amsgrad: false },
  adamW: { ...adam, weightDecay: 0.004, amsgrad: false },
  adamax: adam,
  nadam: adam,
  lion: { learningRate: 0.001, beta1: 0.9, beta2: 0.99 },
};

/** The weight is 1/64, the input 16, the label 0 and the loss the square of the difference: the gradient is 8. */
const [w, x, g] = [1 / 64, 16, 8];

/** How far the first step goes. */
const FIRST_MOVE: Record<OptimizerName, number> = {
  sgd: 0.01 * g,
  rmsprop: (0.001 * g) / Math.sqrt(0.1 * g * g),
  adagrad: (0.001 * g) / Math.sqrt(0.1 + g * g),
  adadelta: 0.001 * g * Math.sqrt(1e-7 / (0.05 * g * g)),
  adam: 0.001,
  adamW: 0.001 + 0.001 * 0.004 * w,
  adamax: 0.001,
  // Both parts of the mean of gradients, with mu_1 = 0.9 (1 - 0.48) and mu_2 = 0.9 (1 - 0.4608).
  nadam: 0.001 * ((0.48528 * 0.1) / (1 - 0.468 * 0.48528) + 1),
  lion: 0.001,
};

describe('optimizers', () => {
  for (const [name, defaults] of Object.entries(DEFAULTS) as [OptimizerName, Record<string, unknown>][]) {
    it(`${name} has the defaults of Keras`, () => {
      const optimizer = gs.optimizers[name]();
      expect(optimizer.name).to.equal(name);
      expect(optimizer.config).to.deep.equal(defaults);
      expect(optimizer.learningRate).to.equal(defaults.learningRate);
      // A change would go unheard in functions and models that were made with it.
      for (const part of [optimizer, optimizer.config]) {
        expect(() => Object.assign(part, { learningRate: 0.5 })).to.throw(TypeError, /learningRate/);
      }
      expect(() => Object.assign(optimizer.common, { weightDecay: 0.5 })).to.throw(TypeError, /weightDecay/);
    });
  }

  const none = { weightDecay: 0, clipValue: undefined, clipNorm: undefined, globalClipNorm: undefined };
  const usual = { ...none, useEma: false, emaMomentum: 0.99, gradientAccumulationSteps: 1 };
  const given = { weightDecay: 0.1, clipNorm: 2, useEma: true, emaMomentum: 0.5, gradientAccumulationSteps: 4 };

  for (const [name, defaults] of Object.entries(DEFAULTS) as [OptimizerName, Record<string, unknown>][]) {
    it(`${name} has the options common to all, and is saved with those given`, () => {
      // adam's own kernel makes the weights decay.
      const fused = name === 'adam' || name === 'adamW' ? { weightDecay: 0 } : {};
      expect(gs.optimizers[name]().common).to.deep.equal({ ...usual, ...fused });
      const optimizer = gs.optimizers[name]({ ...given });
      expect(optimizer.common).to.deep.equal({ ...usual, ...given, ...fused });
      expect(optimizer.config).to.deep.equal({ ...defaults, ...given });
      expect(gs.optimizers[name]({ clipValue: 3 }).common.clipValue).to.equal(3);
      expect(gs.optimizers[name]({ globalClipNorm: 3 }).common.globalClipNorm).to.equal(3);
      const saved = JSON.parse(JSON.stringify(saveOptimizer(optimizer, 'optimizer')));
      const again = restoreOptimizer(saved, 'optimizer');
      expect([again.name, again.config, again.common]).to.deep.equal([name, optimizer.config, optimizer.common]);
    });

    it(`${name} takes a schedule, and is saved with it`, async () => {
      const after = gs.schedules.inverseTimeDecay({ initialLearningRate: 0.5, decaySteps: 3, decayRate: 2 });
      const learningRate = gs.schedules.warmup({ steps: 4, after });
      const optimizer = gs.optimizers[name]({ learningRate });
      expect(optimizer.learningRate).to.equal(learningRate);
      const saved = JSON.parse(JSON.stringify(saveOptimizer(optimizer, 'optimizer')));
      const again = restoreOptimizer(saved, 'optimizer');
      for (const step of [0, 3, 4, 9]) expect(rateAt(again.learningRate, step)).to.equal(learningRate.at(step));
      const own = { name: 'own', config: {}, rate: (step: gs.Value) => step, at: (step: number) => step };
      const message = /^Unknown schedule "own" for optimizer\.learningRate/;
      await expectFailure(() => saveOptimizer(gs.optimizers[name]({ learningRate: own }), 'optimizer'), 'ERR_OPTION', message);
    });
  }

  it('have a learning rate that float32 holds', async () => {
    const tooLarge = /^Expected number that float32 holds for optimizers\.sgd\.learningRate but received .*1e\+39/;
    await expectFailure(() => gs.optimizers.sgd({ learningRate: 1e39 }), 'ERR_OPTION', tooLarge);
  });

  it('the lists above are of all of them', () => {
    expect(Object.keys(gs.optimizers).sort()).to.deep.equal(Object.keys(DEFAULTS).sort());
  });

  for (const { device, name: on } of backends().filter((b) => (b.order ?? 0) === 0)) {
    for (const [name, move] of Object.entries(FIRST_MOVE) as [OptimizerName, number][]) {
      it(`${name} by name takes its first step on ${on}`, async () => {
        using model = gs.sequential([gs.layers.dense({ units: 1, useBias: false, inputShape: [1] })]);
        await model.setWeights([gs.tensor(Float32Array.of(w), [1, 1])]);
        model.compile({ optimizer: name, loss: 'meanSquaredError', device });
        await model.fit([[x]], [[0]], { epochs: 1, batchSize: 1 });
        const [after] = await model.getWeights();
        // The weight after it is at most 0.065 in magnitude, where float32 rounds by up to 3.7e-9.
        expect(w - after!.data[0]!).to.be.closeTo(move, 8e-9);
      });
    }

    it(`lion takes its two decays the right way round on ${on}`, async () => {
      const [learningRate, beta1, beta2] = [1 / 256, 0.5, 0.875];
      using model = gs.sequential([gs.layers.dense({ units: 1, useBias: false, inputShape: [1] })]);
      await model.setWeights([gs.tensor(Float32Array.of(w), [1, 1])]);
      model.compile({ optimizer: gs.optimizers.lion({ learningRate, beta1, beta2 }), loss: 'meanSquaredError', device });
      const [found, expected]: [number[], number[]] = [[], []];
      let [weight, m] = [w, 0];
      for (let step = 0; step < 12; step++) {
        await model.fit([[x]], [[0]], { epochs: 1, batchSize: 1 });
        found.push((await model.getWeights())[0]!.data[0]!);
        const gradient = 2 * x * x * weight;
        weight -= learningRate * Math.sign(beta1 * m + (1 - beta1) * gradient);
        m = beta2 * m + (1 - beta2) * gradient;
        expected.push(weight);
      }
      found.forEach((v, i) => expect(v, `step ${i}`).to.be.closeTo(expected[i]!, 1e-6));
    });
  }
});
