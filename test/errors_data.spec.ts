/** What is wrong with data is said of the argument that it was given as, by an error of gradstep's own. */
import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const ROWS = 10;
const x = gs.tensor(
  Float32Array.from({ length: ROWS * 3 }, (_, i) => Math.sin(i)),
  [ROWS, 3],
);
const y = Float32Array.from({ length: ROWS }, (_, i) => Math.cos(i));

const model = (): gs.Sequential => {
  const made = gs.sequential([gs.layers.dense({ units: 1, inputShape: [3] })]);
  made.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu', seed: 1 });
  return made;
};

/** A tensor whose memory went to somebody else. */
function gone(shape: readonly number[]): gs.Tensor {
  const made = gs.tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  structuredClone(made.data.buffer, { transfer: [made.data.buffer as ArrayBuffer] });
  return made;
}

const NO_DATA = (name: string): RegExp =>
  new RegExp(`^Expected tensor, typed array or nested arrays of numbers for ${name} but received "a" of type string$`);
const TAKEN = (name: string): RegExp => new RegExp(`^The memory of ${name} was transferred elsewhere$`);

describe('errors of data', () => {
  const cases: readonly (readonly [string, gs.ErrorCode, RegExp, (m: gs.Sequential) => unknown])[] = [
    ['x of fit', 'ERR_DTYPE', NO_DATA('x'), (m) => m.fit(wrong('a'), y)],
    ['y of fit', 'ERR_DTYPE', NO_DATA('y'), (m) => m.fit(x, wrong('a'))],
    ['numbers in y', 'ERR_DTYPE', /^Expected number for y\[1\]\[0\] but received "a"/, (m) => m.fit(x, wrong([[1], ['a']]))],
    ['ragged x', 'ERR_SHAPE', /^Expected 2 elements at x\[1\] but received 1/, (m) => m.fit([[1, 2], [3]], y)],
    ['sampleWeight', 'ERR_DTYPE', NO_DATA('sampleWeight'), (m) => m.fit(x, y, { sampleWeight: wrong('a') })],
    ['x of predict', 'ERR_DTYPE', NO_DATA('x'), (m) => m.predict(wrong('a'))],
    [
      'x without rows',
      'ERR_SHAPE',
      /^Expected x of shape \[\?, 3\] for dense but received \[0, 3\]/,
      (m) => m.predict(x.rows(0, 0)),
    ],
    ['memory of x', 'ERR_OPTION', TAKEN('x'), (m) => m.predict(gone([1, 3]))],
    ['memory of y', 'ERR_OPTION', TAKEN('y'), (m) => m.fit(x, gone([ROWS]))],
    ['setWeights', 'ERR_DTYPE', NO_DATA('dense/kernel'), (m) => m.setWeights(wrong(['a', [0]]))],
    ['memory in setWeights', 'ERR_OPTION', TAKEN('dense/kernel'), (m) => m.setWeights([gone([3, 1]), [0]])],
    ['a variable', 'ERR_DTYPE', NO_DATA('variable.value'), () => gs.variable({ value: wrong('a') })],
    ['memory of a variable', 'ERR_OPTION', TAKEN('variable.value'), () => gs.variable({ value: gone([3]) })],
    ['memory of an array', 'ERR_OPTION', TAKEN('variable.value'), () => gs.variable({ value: gone([3]).data })],
    ['variable.set', 'ERR_DTYPE', NO_DATA('variable'), () => gs.variable({ value: [1] }).set(wrong('a'))],
    [
      'a variable of a shape',
      'ERR_SHAPE',
      /\[2, 2\] for v but/,
      () => gs.variable({ value: [1, 2, 3], shape: [2, 2], name: 'v' }),
    ],
    ['classWeights', 'ERR_DTYPE', NO_DATA('data.classWeights.labels'), () => gs.data.classWeights(wrong('a'))],
    ['statistics', 'ERR_DTYPE', NO_DATA('data.statistics'), () => gs.data.statistics(wrong('a'))],
    [
      'toCategorical',
      'ERR_OOM',
      /^Out of memory: an array of 2199023255552 numbers/,
      () => gs.utils.toCategorical([0, 1], 2 ** 40),
    ],
    ['x of baseline', 'ERR_DTYPE', NO_DATA('recipes.baseline.x'), () => gs.recipes.baseline({ x: wrong('a'), y })],
    ['memory of baseline', 'ERR_OPTION', TAKEN('recipes.baseline.x'), () => gs.recipes.baseline({ x: gone([ROWS, 3]), y })],
    [
      'numbers of baseline',
      'ERR_DATA',
      /^Expected finite numbers for recipes\.baseline\.x but received NaN in row 9$/,
      () => gs.recipes.baseline({ x: gs.tensor([...x.data.slice(0, 29), NaN], [ROWS, 3]), y }),
    ],
    [
      'labels of baseline',
      'ERR_DATA',
      /^Expected finite numbers for recipes\.baseline\.y but received Infinity in row 9$/,
      () => gs.recipes.baseline({ x, y: [...y.slice(0, 9), Infinity] }),
    ],
    [
      'baseline of nothing',
      'ERR_DATA',
      /^Expected at least one row for recipes\.baseline/,
      () => gs.recipes.baseline({ x: x.rows(0, 0), y: gs.tensor(new Float32Array(0)) }),
    ],
    [
      'options of a recipe behind undefined',
      'ERR_OPTION',
      /recipes\.overfitSample\.steps/,
      (m) => gs.recipes.overfitSample(m, wrong(gs.data.dataset([x, y])), wrong(undefined), wrong({ steps: 'a' })),
    ],
    [
      'labels of a recipe beside a dataset',
      'ERR_OPTION',
      /^Expected undefined where x is a dataset for recipes\.learningRateFinder\.y/,
      (m) => gs.recipes.learningRateFinder(m, wrong(gs.data.dataset([x, y])), y, {}),
    ],
  ];
  for (const [what, code, message, run] of cases) {
    it(`${what}: ${code}`, async () => {
      using m = model();
      await expectFailure(() => run(m), code, message);
    });
  }

  it('inputs of compiled functions', async () => {
    using f = gs.compile(({ a }) => gs.ops.sum(a), { inputs: { a: { shape: [3] } }, device: 'cpu' });
    await expectFailure(() => f({ a: wrong('a') }), 'ERR_DTYPE', NO_DATA('input a'));
    await expectFailure(() => f({ a: gone([3]) }), 'ERR_OPTION', TAKEN('input a'));
    await expectFailure(() => f({ a: wrong([1, 2, null]) }), 'ERR_DTYPE', /^Expected number for input a\[2\] but received null/);
    expect((await f({ a: [1, 2, 4] })).data[0]).to.equal(7);
  });

  it('names and memory of files', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-names-'));
    try {
      const path = join(folder, 'a.npz');
      const expected = /^Expected relative path with \/ and without \.\. for a name in data\.writeNpz\.tensors but received/;
      for (const name of ['../x', '/x', 'a/../b', 'a\\b', 'C:x']) {
        await expectFailure(() => gs.data.writeNpz(path, { [name]: x }), 'ERR_OPTION', expected);
      }
      await expectFailure(() => gs.data.writeNpz(path, { a: gone([3]) }), 'ERR_OPTION', TAKEN('data\\.writeNpz\\.tensors\\.a'));
      await expectFailure(() => gs.data.writeNpy(path, gone([3])), 'ERR_OPTION', TAKEN('data\\.writeNpy\\.tensor'));
      await gs.data.writeNpz(path, { 'a/b': x, '..': x });
      expect(Object.keys(await gs.data.npz(path))).to.deep.equal(['a/b', '..']);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('pairs of numbers in arrays are samples, as those of tensors', async () => {
    using expected = model();
    await expected.fit(x.rows(0, 4), y.slice(0, 4), { batchSize: 2, shuffle: false });
    const pairs = Array.from({ length: 4 }, (_, i) => [[...x.data.subarray(i * 3, i * 3 + 3)], y[i]!] as const);
    for (const source of [pairs, () => pairs]) {
      using m = model();
      await m.fit(gs.data.dataset(source), { batchSize: 2 });
      expect(await m.getWeights()).to.deep.equal(await expected.getWeights());
    }
    // Two of them are no columns.
    using few = model();
    const evaluated = await few.evaluate(gs.data.dataset(pairs.slice(0, 2)));
    expect(evaluated).to.deep.equal(await few.evaluate(x.rows(0, 2), y.slice(0, 2)));
  });
});
