/** Layers of a user's own: what defineLayer takes, and that they train, stand in models and are saved like the library's. */
import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { computeGradients } from '../lib/train/gradients.js';
import { backends } from './helpers/backends.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { options } = gs.layers;

/** x·factor^power, with a weight an element of the last axis. */
const scaled = gs.layers.defineLayer({
  className: 'TestScaled',
  options: {
    power: options.oneOf(['one', 'two']),
    factorInitializer: options.optional(options.initializer(), 'ones'),
    activation: options.optional(options.activation(), 'linear'),
  },
  weights: ({ factorInitializer }, input) => [{ name: 'factor', shape: [input.at(-1)!], initializer: factorInitializer }],
  call({ power, activation }, x, { weight }) {
    const factor = weight('factor');
    return activation(gs.ops.mul(x, power === 'two' ? gs.ops.square(factor) : factor));
  },
});

/** Dense by hand, with all that a weight can have, counting its steps in a weight that is not trained. */
const linear = gs.layers.defineLayer({
  className: 'TestLinear',
  options: { units: options.integer({ max: 9 }), noise: options.optional(options.number({ min: 0 })) },
  weights: ({ units }, input) => [
    { name: 'kernel', shape: [input[0]!, units], regularizer: 'l2', constraint: 'nonNeg' },
    { name: 'steps', shape: [1], initializer: 'zeros', trainable: false },
  ],
  outputShape: ({ units }) => [units],
  call(_options, x, { training, weight, update }) {
    if (training) update('steps', gs.ops.add(weight('steps'), 1), 0);
    return gs.ops.matmul(x, weight('kernel'));
  },
});

const difference = gs.layers.defineMergeLayer({ className: 'TestDifference', call: (_options, [a, b]) => gs.ops.sub(a!, b!) });

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`layers of one's own on ${name}`, () => {
    it('have gradients, regularizers, constraints and weights that they keep themselves', async () => {
      using model = gs.sequential([linear({ units: 2, inputShape: [3] }), scaled({ power: 'two', activation: 'tanh' })]);
      expect(model.weights).to.deep.equal([
        { name: 'test_linear/kernel', shape: [3, 2], trainable: true },
        { name: 'test_linear/steps', shape: [1], trainable: false },
        { name: 'test_scaled/factor', shape: [2], trainable: true },
      ]);
      model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device, seed: 1 });
      const kernel = [
        [0.5, 0.25],
        [0.125, 0.75],
        [0.01, 0.5],
      ];
      const factor = [0.5, 1.5];
      await model.setWeights([kernel, [0], factor]);
      const [x, y] = [
        [1, -1, 0.5],
        [0.25, -2],
      ];
      // Loss ½ Σ (tanh(f² h) − y)² + 0.01 Σ k², h = x k.
      const h = [0, 1].map((u) => x.reduce((s, v, i) => s + v * kernel[i]![u]!, 0));
      const out = h.map((v, u) => Math.tanh(factor[u]! ** 2 * v));
      const slope = out.map((o, u) => (o - y[u]!) * (1 - o * o));
      const dKernel = x.flatMap((v, i) => slope.map((s, u) => s * factor[u]! ** 2 * v + 0.02 * kernel[i]![u]!));
      const dFactor = slope.map((s, u) => s * h[u]! * 2 * factor[u]!);
      const [k, f] = await computeGradients(model, [x], [y]);
      dKernel.forEach((v, i) => expect(k!.data[i]).to.be.closeTo(v, 1e-6));
      dFactor.forEach((v, i) => expect(f!.data[i]).to.be.closeTo(v, 1e-6));
      await model.trainOnBatch([x], [y]);
      const [moved, steps] = await model.getWeights();
      dKernel.forEach((v, i) => expect(moved!.data[i]).to.be.closeTo(Math.max(0, kernel.flat()[i]! - 0.5 * v), 1e-6));
      expect(Math.min(...moved!.data), 'the constraint had work to do').to.equal(0);
      expect(steps!.data[0]).to.equal(1);
      await model.evaluate([x], [y]);
      expect((await model.getWeights())[1]!.data[0]).to.equal(1);
    });

    it('stand in functional models and are saved', async () => {
      const input = gs.input({ shape: [3] });
      const one = linear({ units: 2, name: 'one' }).apply(input);
      const two = scaled({ power: 'one', factorInitializer: gs.initializers.constant({ value: 3 }) }).apply(one);
      using model = gs.model({ inputs: input, outputs: difference().apply([two, one]) });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 2 });
      const x = [[1, 2, 3]];
      const { data } = await model.predict(x);
      const [kernel] = await model.getWeights();
      [0, 1].forEach((u) => {
        const h = kernel!.data[u]! + 2 * kernel!.data[2 + u]! + 3 * kernel!.data[4 + u]!;
        expect(data[u]).to.be.closeTo(2 * h, 1e-5);
      });
      const folder = await mkdtemp(join(tmpdir(), 'gradstep-'));
      try {
        await model.save(join(folder, 'm.safetensors'));
        using loaded = await gs.loadModel(join(folder, 'm.safetensors'), { device });
        expect([...(await loaded.predict(x)).data]).to.deep.equal([...data]);
        expect(loaded.toJSON()).to.deep.equal(model.toJSON());
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  });
}

describe("layers of one's own", () => {
  it('check their options and results', async () => {
    await expectFailure(() => linear(wrong({})), 'ERR_OPTION', /layers\.testLinear\.units/);
    await expectFailure(() => linear({ units: 10 }), 'ERR_OPTION', /integer from 1 to 9 for layers\.testLinear\.units/);
    await expectFailure(() => linear(wrong({ unit: 1 })), 'ERR_OPTION', /did you mean "units"/);
    await expectFailure(() => linear({ units: 1, noise: -1 }), 'ERR_OPTION', /number >= 0 for layers\.testLinear\.noise/);
    await expectFailure(() => scaled(wrong({ power: 'three' })), 'ERR_OPTION', /power/);
    await expectFailure(() => difference(wrong({ a: 1 })), 'ERR_OPTION', /Unknown option "a"/);
    const same = (description: object) => () => gs.layers.defineLayer(wrong({ className: 'TestWrong', ...description }));
    const call = (_options: unknown, x: gs.Value) => x;
    await expectFailure(same({ className: 'Dense', call }), 'ERR_OPTION', /"Dense" is taken/);
    await expectFailure(same({ className: '', call }), 'ERR_OPTION', /className/);
    await expectFailure(same({}), 'ERR_OPTION', /call/);
    await expectFailure(same({ call, option: {} }), 'ERR_OPTION', /Unknown option "option"/);
    await expectFailure(same({ call, options: { units: 3 } }), 'ERR_OPTION', /options\.units/);
    await expectFailure(same({ call, options: { name: options.boolean() } }), 'ERR_OPTION', /every layer has/);
    await expectFailure(same({ call, options: new Map() }), 'ERR_OPTION', /object of checks without inherited properties/);
    await expectFailure(same({ call, weights: 1 }), 'ERR_OPTION', /^Expected function for layers\.defineLayer\.weights/);
    await expectFailure(
      same({ call, outputShape: [1] }),
      'ERR_OPTION',
      /^Expected function for layers\.defineLayer\.outputShape/,
    );
    const nothing = () => gs.layers.defineLayer(wrong(undefined));
    await expectFailure(nothing, 'ERR_OPTION', /for layers\.defineLayer\.className but received undefined/);

    const broken = {
      shape: gs.layers.defineLayer({ className: 'TestBrokenShape', call: (_o, x) => gs.ops.sum(x) }),
      value: gs.layers.defineLayer({ className: 'TestBrokenValue', call: () => wrong(3) }),
      noShape: gs.layers.defineLayer({ className: 'TestNoShape', outputShape: () => wrong(undefined), call: (_o, x) => x }),
      noWeights: gs.layers.defineLayer({ className: 'TestNoWeights', weights: () => wrong(undefined), call: (_o, x) => x }),
      weights: gs.layers.defineLayer({
        className: 'TestBrokenWeights',
        weights: () => [
          { name: 'a', shape: [1] },
          { name: 'a', shape: [1] },
        ],
        call: (_o, x) => x,
      }),
      role: gs.layers.defineLayer({ className: 'TestBrokenRole', call: (_o, x, { weight }) => gs.ops.mul(x, weight('w')) }),
    };
    const predict = (layer: gs.Layer) => async () => {
      using model = gs.sequential([layer]);
      await model.predict([[1, 2]]);
    };
    await expectFailure(predict(broken.shape({ name: 'odd' })), 'ERR_SHAPE', /shape \[\] where outputShape says \[1, 2\].*odd/);
    await expectFailure(predict(broken.value()), 'ERR_OPTION', /value made from its inputs/);
    await expectFailure(predict(broken.weights()), 'ERR_OPTION', /weights\[1\]\.name/);
    await expectFailure(
      predict(broken.noShape()),
      'ERR_OPTION',
      /^Expected array of integers > 0 for layers\.testNoShape\.outputShape/,
    );
    await expectFailure(
      predict(broken.noWeights()),
      'ERR_OPTION',
      /^Expected array of weights for layers\.testNoWeights\.weights/,
    );
    await expectFailure(predict(broken.role()), 'ERR_OPTION', /has no weight "w"/);
    const [a, b] = [gs.input({ shape: [2] }), gs.input({ shape: [2] })];
    await expectFailure(() => linear({ units: 1 }).apply([a, b]), 'ERR_SHAPE', /one input for TestLinear but received 2/);
  });

  it('have checks that are checked', async () => {
    const rejects = (make: () => unknown, message: string) => expectFailure(make, 'ERR_OPTION', message);
    const where = 'for layers.options.';
    await rejects(() => options.integer(wrong({ mim: 1 })), `Unknown option "mim" ${where}integer: did you mean "min"?`);
    await rejects(() => options.integer(wrong(null)), `Expected an object of options ${where}integer but received null`);
    await rejects(
      () => options.integer({ min: 5, max: 3 }),
      `Expected number >= 5 ${where}integer.max but received 3 of type number`,
    );
    await rejects(() => options.number({ min: NaN }), `Expected number ${where}number.min but received NaN of type number`);
    for (const [words, received] of [
      [undefined, 'undefined'],
      ['abc', '"abc" of type string'],
      [[], '[] of type array'],
      [[1], '[1] of type array'],
    ] as const) {
      await rejects(() => options.oneOf(wrong(words)), `Expected array of words ${where}oneOf but received ${received}`);
    }
    await rejects(() => options.optional(wrong(1)), `Expected function ${where}optional but received 1 of type number`);
    expect(options.integer({ min: -1 })(-1, 'at'), 'a bound alone').to.equal(-1);
    expect(options.number({ max: Infinity })(2.5, 'a bound that is none')).to.equal(2.5);
  });

  it('check what they hand to their context', async () => {
    type Context = Parameters<Parameters<typeof gs.layers.defineLayer>[0]['call']>[2];
    let act: (context: Context, x: gs.Value) => void;
    const acting = gs.layers.defineLayer({
      className: 'TestActing',
      weights: () => [
        { name: 'kept', shape: [1], trainable: false },
        { name: 'trained', shape: [1] },
      ],
      call(_options, x, context) {
        act(context, x);
        return gs.ops.mul(x, context.weight('trained'));
      },
    });
    const fails = (what: typeof act, code: gs.ErrorCode, message: string) => {
      act = what;
      const run = async () => {
        using model = gs.sequential([acting({ inputShape: [3, 2] })]);
        await model.predict([
          [
            [1, 2],
            [3, 4],
            [5, 6],
          ],
        ]);
      };
      return expectFailure(run, code, `Expected ${message} (in test_acting)`);
    };
    const where = 'layers.testActing';
    for (const momentum of [NaN, 5, '0.5']) {
      const received = typeof momentum === 'string' ? '"0.5" of type string' : `${momentum} of type number`;
      const message = `number in [0, 1] for ${where}.update momentum but received ${received}`;
      await fails(({ update, weight }) => update('kept', weight('kept'), wrong(momentum)), 'ERR_OPTION', message);
    }
    await fails(
      ({ update, weight }) => update('trained', weight('trained'), 0),
      'ERR_OPTION',
      `name of a weight with trainable: false for ${where}.update but received "trained" of type string`,
    );
    await fails(
      ({ update }) => update('kept', wrong(undefined), 0),
      'ERR_OPTION',
      `value for ${where}.update value but received undefined`,
    );
    await fails(
      ({ setMask }) => setMask(wrong(1)),
      'ERR_OPTION',
      `value or undefined for ${where}.setMask but received 1 of type number`,
    );
    await fails(
      ({ setMask }, x) => setMask(gs.ops.sum(x, { axis: [1, 2] })),
      'ERR_SHAPE',
      `a mask [rows, time] of a result of shape [1, 3, 2] but received [1] for ${where}.setMask`,
    );
    await fails(
      ({ setMask }, x) => setMask(gs.ops.argmax(x)),
      'ERR_DTYPE',
      `a float32 mask for ${where}.setMask but received int32`,
    );
  });

  it('take inputs of several types with inputDtype any: rows of one picked by the numbers of the other', async () => {
    const pick = gs.layers.defineMergeLayer({
      className: 'TestPick',
      inputDtype: 'any',
      outputShape: (_options, [x, at]) => [...at!, ...x!.slice(1)],
      call(_options, [x, at]) {
        expect([x!.dtype, at!.dtype]).to.deep.equal(['float32', 'int32']);
        return gs.ops.gather(x!, at!, { batchDims: 1 });
      },
    });
    const [x, at] = [gs.input({ shape: [3, 2] }), gs.input({ shape: [2], dtype: 'int32' })];
    using model = gs.model({ inputs: [x, at], outputs: pick().apply([x, at]) });
    const rows = gs.tensor(
      Float32Array.from({ length: 12 }, (_, i) => i),
      [2, 3, 2],
    );
    const { data } = await model.predict([rows, gs.tensor(Int32Array.of(2, 0, 1, 1), [2, 2])]);
    expect([...data]).to.deep.equal([4, 5, 0, 1, 8, 9, 8, 9]);
  });
});
