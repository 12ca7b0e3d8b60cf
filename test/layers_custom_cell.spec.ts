/**
 * Recurrent cells of a user's own: one whose numbers are a loop's in float64; one that is an LSTM, which over whole sequences, with
 * masks, states, directions and stacks, must be the built-in one in what it computes and learns; saving; what is refused.
 */
import { expect } from 'chai';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { layers, ops } = gs;
const units = { units: layers.options.integer() };

/** h ← tanh(x·kernel + rate·h), which yields 2·h beside a counter of steps. */
const leaky = layers.defineCell({
  className: 'TestLeakyCell',
  options: { ...units, rate: layers.options.optional(layers.options.number(), 0.5) },
  weights: (o, [features]) => [{ name: 'kernel', shape: [features!, o.units] }],
  states: (o) => [
    { name: 'h', shape: [o.units] },
    { name: 'steps', shape: [1] },
  ],
  outputShape: (o) => [o.units + 1],
  call({ rate }, x, [h, steps], { weight }) {
    const next = ops.tanh(ops.add(ops.matmul(x, weight('kernel')), ops.mul(h!, rate)));
    const counted = ops.add(steps!, 1);
    return { y: ops.concat([ops.mul(next, 2), counted], 1), states: [next, counted] };
  },
});

/** Keras's LSTM. */
const own = layers.defineCell({
  className: 'TestOwnLstmCell',
  options: units,
  weights: (o, [features]) => [
    { name: 'kernel', shape: [features!, 4 * o.units] },
    { name: 'recurrent_kernel', shape: [o.units, 4 * o.units] },
    { name: 'bias', shape: [4 * o.units] },
  ],
  states: (o) => ['h', 'c'].map((name) => ({ name, shape: [o.units] })),
  call(_options, x, [h, c], { weight }) {
    const { add, matmul, mul, sigmoid, split, tanh } = ops;
    const z = add(add(matmul(x, weight('kernel')), matmul(h!, weight('recurrent_kernel'))), weight('bias'));
    const [i, f, g, o] = split(z, 4, 1);
    const cell = add(mul(sigmoid(f!), c!), mul(sigmoid(i!), tanh(g!)));
    return { states: [mul(sigmoid(o!), tanh(cell)), cell] };
  },
});

const numbers = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(7.3 * (i + 1) + seed));
const [ROWS, TIME, FEATURES, UNITS] = [4, 5, 3, 2];
const x = gs.tensor(numbers(ROWS * TIME * FEATURES, 1), [ROWS, TIME, FEATURES]);
/** Some steps at the end, and one in the midst, are left out. */
const gaps = gs.tensor(
  Float32Array.from(x.data, (v, i) => {
    const step = Math.floor(i / FEATURES) % TIME;
    const row = Math.floor(i / (FEATURES * TIME));
    return step > 4 - row || (row === 0 && step === 2) ? 0 : v;
  }),
  x.shape,
);

type Build = (cell: gs.Layer, options: Omit<gs.layers.RNNOptions, 'cell'>) => gs.Layer[];
const plain: Build = (cell, options) => [layers.rnn({ cell, ...options })];

/** Ways of running a cell, each as the layers of a model. */
const WAYS: [name: string, build: Build, options?: Omit<gs.layers.RNNOptions, 'cell'>][] = [
  ['the last step', plain],
  ['all steps', plain, { returnSequences: true }],
  ['from the end', plain, { goBackwards: true, returnSequences: true }],
  ['with a mask', (cell, o) => [layers.masking({ inputShape: [TIME, FEATURES] }), ...plain(cell, o)], { returnSequences: true }],
  [
    'with a mask, from the end',
    (cell, o) => [layers.masking({ inputShape: [TIME, FEATURES] }), ...plain(cell, o)],
    { goBackwards: true },
  ],
  ['in both directions', (cell, o) => [layers.bidirectional({ layer: plain(cell, o)[0]! })], { returnSequences: true }],
];

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`cells of one's own on ${name}`, () => {
    it('one step after the other, with outputs of their own', async () => {
      using model = gs.sequential([
        layers.rnn({ cell: leaky({ units: UNITS }), returnSequences: true, inputShape: [TIME, FEATURES] }),
      ]);
      model.compile({ optimizer: 'sgd', loss: 'mse', device, seed: 4 });
      const [kernel] = await model.getWeights();
      expect(model.weights.map((w) => w.name)).to.deep.equal(['rnn/test_leaky_cell/kernel']);
      const expected: number[] = [];
      for (let r = 0; r < ROWS; r++) {
        let h = new Array<number>(UNITS).fill(0);
        for (let t = 0; t < TIME; t++) {
          h = h.map((v, u) => {
            let z = 0.5 * v;
            for (let f = 0; f < FEATURES; f++) z += x.data[(r * TIME + t) * FEATURES + f]! * kernel!.data[f * UNITS + u]!;
            return Math.tanh(z);
          });
          expected.push(...h.map((v) => 2 * v), t + 1);
        }
      }
      const made = await model.predict(x);
      expect(made.shape).to.deep.equal([ROWS, TIME, UNITS + 1]);
      expectClose(made.data, expected, 1e-5);
    });

    for (const [way, build, options = {}] of WAYS) {
      it(`as the built-in LSTM: ${way}`, async () => {
        const data = way.startsWith('with a mask') ? gaps : x;
        const modelOf = (cell: gs.Layer) => {
          const input = gs.input({ shape: [TIME, FEATURES] });
          const last = build(cell, options).reduce<gs.SymbolicTensor>((v, layer) => layer.apply(v), input);
          const model = gs.model({ inputs: input, outputs: last });
          model.compile({ optimizer: gs.optimizers.adam({ learningRate: 0.05 }), loss: 'mse', device, seed: 1 });
          return model;
        };
        using mine = modelOf(own({ units: UNITS }));
        using theirs = modelOf(layers.lstmCell({ units: UNITS }));
        await mine.setWeights(await theirs.getWeights());
        const wanted = await theirs.predict(data);
        expectClose((await mine.predict(data)).data, wanted.data, 1e-5);
        const y = gs.tensor(numbers(wanted.data.length, 3), wanted.shape);
        const fit = { epochs: 5, batchSize: 2, shuffle: false };
        const [a, b] = [await mine.fit(data, y, fit), await theirs.fit(data, y, fit)];
        expectClose(a.loss!, b.loss!, 2e-5);
        const [ours, others] = [await mine.getWeights(), await theirs.getWeights()];
        ours.forEach((w, i) => expectClose(w.data, others[i]!.data, 2e-4));
      });
    }

    it('in stacks with built-in ones, with states carried from batch to batch and given ones', async () => {
      const modelOf = (cell: gs.Layer) => {
        const [input, h, c] = [gs.input({ shape: [TIME, FEATURES] }), gs.input({ shape: [UNITS] }), gs.input({ shape: [UNITS] })];
        const first = layers.rnn({ cell, returnSequences: true }).apply([input, h, c]);
        const cells = [
          cell.parts.className === 'TestOwnLstmCell' ? own({ units: 3 }) : layers.lstmCell({ units: 3 }),
          layers.gruCell({ units: 2 }),
        ];
        return gs.model({ inputs: [input, h, c], outputs: layers.rnn({ cell: cells, stateful: true }).apply(first) });
      };
      using mine = modelOf(own({ units: UNITS }));
      using theirs = modelOf(layers.lstmCell({ units: UNITS }));
      for (const model of [mine, theirs]) model.compile({ optimizer: 'sgd', loss: 'mse', device, seed: 1 });
      await mine.setWeights(await theirs.getWeights());
      const data = [x, gs.tensor(numbers(ROWS * UNITS, 5), [ROWS, UNITS]), gs.tensor(numbers(ROWS * UNITS, 6), [ROWS, UNITS])];
      for (let batch = 0; batch < 3; batch++) {
        expectClose((await mine.predict(data)).data, (await theirs.predict(data)).data, 1e-5);
      }
    });
  });
}

describe("cells of one's own", () => {
  it('are saved by their class and options, and take sequences of several lengths', async () => {
    const path = join(tmpdir(), `gradstep_own_cell_${process.pid}.safetensors`);
    using model = gs.sequential([layers.rnn({ cell: leaky({ units: UNITS, rate: 0.25 }), inputShape: [null, FEATURES] })]);
    await model.save(path);
    using again = await gs.loadModel(path);
    await rm(path);
    for (const time of [1, 4]) {
      const part = gs.tensor(numbers(2 * time * FEATURES, 8), [2, time, FEATURES]);
      expect([...(await again.predict(part)).data]).to.deep.equal([...(await model.predict(part)).data]);
    }
  });

  it('refuse wrong descriptions and steps', async () => {
    const good = {
      className: 'TestGood',
      states: () => [{ name: 'h', shape: [2] }],
      call: (_o: unknown, v: gs.ops.Value) => ({ states: [v] }),
    };
    await expectFailure(
      () => layers.defineCell(wrong({ ...good, states: undefined })),
      'ERR_OPTION',
      /layers\.defineCell\.states/,
    );
    await expectFailure(
      () => layers.defineCell(wrong({ ...good, axes: [] })),
      'ERR_OPTION',
      /array of at least one name for layers\.defineCell\.axes/,
    );
    await expectFailure(() => layers.defineCell(wrong({ ...good, step: 1 })), 'ERR_OPTION', /Unknown option "step"/);
    await expectFailure(() => layers.defineCell({ ...good, className: 'LSTMCell' }), 'ERR_OPTION', /"LSTMCell" is taken/);
    let n = 0;
    const built = (changes: object, inputShape = [3, 2]) => {
      const cell = layers.defineCell({ ...good, className: `TestWrong${n++}`, ...changes } as typeof good)();
      return gs.sequential([layers.rnn({ cell, inputShape })]).predict(new Float32Array(inputShape.reduce((a, b) => a * b)));
    };
    const rows: [changes: object, code: 'ERR_OPTION' | 'ERR_SHAPE' | 'ERR_DTYPE', message: RegExp, inputShape?: number[]][] = [
      [{ states: () => [] }, 'ERR_OPTION', /^Expected array of at least one state for layers\.testWrong\d\.states/],
      [{ states: () => [{ name: 'h', shape: [2] }, { name: 'h', shape: [2] }] }, 'ERR_OPTION', /name of its own for layers\.testWrong\d\.states\[1\]\.name/], // prettier-ignore
      [{ call: () => undefined }, 'ERR_OPTION', /^Expected object with 1 states for the result of layers\.testWrong\d\.call/],
      [
        { call: () => ({ states: [1] }) },
        'ERR_OPTION',
        /^Expected value made from its inputs for state h of layers\.testWrong\d\.call/,
      ],
      [{}, 'ERR_SHAPE', /^Expected shape \[1, 2\] for state h of layers\.testWrong\d\.call but received \[1, 4\]/, [3, 4]],
      [
        { outputShape: () => [5] },
        'ERR_SHAPE',
        /^Expected shape \[1, 5\] for y of layers\.testWrong\d+\.call but received \[1, 2\]/,
      ],
      [{}, 'ERR_SHAPE', /^Expected samples of shape \[time, features\] but received \[3, 2, 2\]/, [3, 2, 2]],
    ];
    for (const [changes, code, message, inputShape] of rows) await expectFailure(() => built(changes, inputShape), code, message);
  });
});
