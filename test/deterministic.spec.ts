/**
 * `deterministic`: that the native session is told so, whoever opens it, and what a saved model keeps of it. What the CUDA backend
 * makes of it: test/native/cublaslt/choice_test.cc.
 */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { native } from '../lib/runtime/native.js';
import type { NativeSessionOptions } from '../binding.js';

describe('deterministic', () => {
  const addon = native();
  const { Session } = addon;
  const told: (boolean | undefined)[] = [];

  before(() => {
    addon.Session = class extends Session {
      constructor(options: NativeSessionOptions) {
        super(options);
        told.push(options.deterministic);
      }
    };
  });
  beforeEach(() => (told.length = 0));
  after(() => (addon.Session = Session));

  const x = gs.tensor(Float32Array.of(1, 2, 3, 4), [4, 1]);

  function build(options: { deterministic?: boolean }): gs.Sequential {
    const model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', ...options });
    return model;
  }

  for (const [name, options, expected] of [
    ['false by default', {}, false],
    ['false where it is said to be', { deterministic: false }, false],
    ['true where it is said to be', { deterministic: true }, true],
  ] as const) {
    it(`is ${name}`, async () => {
      const model = build(options);
      await model.fit(x, x, { epochs: 1 });
      await model.dispose();
      const double = gs.compile(({ a }) => gs.ops.add(a, a), { inputs: { a: { shape: [2] } }, device: 'cpu', ...options });
      await double({ a: Float32Array.of(1, 2) });
      await double.dispose();
      expect(told).to.deep.equal([expected, expected]);
    });
  }

  it('is for a profile what it is for the model', async () => {
    const model = build({ deterministic: true });
    await model.fit(x, x, { epochs: 1 });
    told.length = 0;
    await model.profile(x, x, { steps: 1, print: false });
    expect(told).to.include(true);
    await model.dispose();
  });

  it('is kept in saved models', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-deterministic-'));
    try {
      const path = join(folder, 'model.safetensors');
      const model = build({ deterministic: true });
      await model.fit(x, x, { epochs: 1 });
      await model.save(path);
      await model.dispose();
      told.length = 0;
      const again = await gs.loadModel(path, { device: 'cpu' });
      await again.fit(x, x, { epochs: 1 });
      await again.dispose();
      expect(told.at(-1)).to.equal(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
