/** gs.recipes.baseline: what it takes data for, that its models learn, and what it is given wrongly. */
import { expect } from 'chai';
import { loadDigits, slice } from '../examples/mnist_data.js';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { recipes } = gs;
const rows = 400;
const digits = slice(loadDigits(), 0, rows);
const y = digits.labels;

describe('recipes.baseline', () => {
  const device = 'cpu';

  it('digits: a small convolutional network that beats the commonest class', async () => {
    const images = gs.tensor(digits.pixels, [rows, 28, 28, 1]);
    const { model, task, fitOptions, trivial, notes } = recipes.baseline({ x: images, y, device, seed: 1 });
    expect(task).to.equal('classes');
    const counts = Array.from({ length: 10 }, (_, c) => y.filter((v) => v === c).length);
    expect(trivial).to.be.closeTo(Math.max(...counts) / rows, 1e-12);
    expect(notes[0]).to.match(/images of 28 × 28 × 1/);
    expect(fitOptions).to.include({ batchSize: 32, validationSplit: 0.2, epochs: 200 });
    const { val_accuracy } = await model.fit(images, y, { ...fitOptions, epochs: 4 });
    expect(val_accuracy!.at(-1)).to.be.greaterThan(2 * trivial);
    await model.dispose();
  });

  it('a table with columns and targets of other sizes: in the targets’ own units', async () => {
    const table = Array.from({ length: 200 }, (_, r) => [1e4 + 500 * Math.sin(r * r), 0.001 * Math.cos(3 * r), 5]);
    const price = table.map(([a, b]) => 2e5 + 300 * (a! - 1e4) + 4e7 * b!);
    const { model, task, fitOptions, trivial } = recipes.baseline({ x: table, y: price, device, seed: 1 });
    expect(task).to.equal('regression');
    const mean = price.reduce((s, v) => s + v, 0) / 200;
    expect(trivial).to.be.closeTo(price.reduce((s, v) => s + Math.abs(v - mean), 0) / 200, 1);
    const target = gs.tensor(price, [200, 1]);
    const { meanAbsoluteError } = await model.evaluate(table, target);
    // Before training the answer is near the mean.
    expect(meanAbsoluteError).to.be.within(0.3 * trivial, 3 * trivial);
    const { val_meanAbsoluteError } = await model.fit(table, target, { ...fitOptions, epochs: 60 });
    expect(val_meanAbsoluteError!.at(-1)).to.be.lessThan(0.3 * trivial);
    await model.dispose();
  });

  const tokens = gs.tensor(
    Int32Array.from({ length: 60 * 7 }, (_, i) => (i * i) % 13),
    [60, 7],
  );
  const floats = (shape: number[]) =>
    gs.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * i)),
      shape,
    );
  const cases: [string, gs.recipes.BaselineOptions, gs.recipes.BaselineTask, RegExp, (string | RegExp)[]][] = [
    ['tokens', { x: tokens, y: Array.from({ length: 60 }, (_, i) => i % 2) }, 'binary', /7 tokens below 13/, ['Embedding']],
    [
      'series',
      { x: floats([60, 9, 2]), y: Array.from({ length: 60 }, (_, i) => i % 3) },
      'classes',
      /9 steps of 2 numbers/,
      ['Normalization', 'Conv1D'],
    ],
    [
      'rows of one 1',
      {
        x: floats([6, 4]),
        y: [
          [1, 0],
          [0, 1],
          [1, 0],
          [1, 0],
          [0, 1],
          [0, 1],
        ],
      },
      'classes',
      /4 columns/,
      ['Normalization', 'Dense'],
    ],
    [
      'rows of several 1',
      {
        x: floats([3, 4]),
        y: [
          [1, 1],
          [0, 1],
          [0, 0],
        ],
      },
      'labels',
      /4 columns/,
      ['Normalization', 'Dense'],
    ],
    [
      'several numbers',
      {
        x: floats([3, 4]),
        y: [
          [1, 2],
          [0.5, 1],
          [0, -1],
        ],
      },
      'regression',
      /4 columns/,
      ['Normalization', 'Dense'],
    ],
    [
      'many whole numbers',
      { x: floats([60, 4]), y: Array.from({ length: 60 }, (_, i) => i) },
      'regression',
      /4 columns/,
      ['Normalization'],
    ],
    [
      'integers',
      { x: floats([60, 4]), y: Int32Array.from({ length: 60 }, (_, i) => i) },
      'classes',
      /4 columns/,
      ['Normalization'],
    ],
    [
      'the task that was asked for',
      { x: floats([60, 4]), y: Int32Array.from({ length: 60 }, (_, i) => i), task: 'regression' },
      'regression',
      /4 columns/,
      ['Normalization'],
    ],
    [
      'large images',
      { x: floats([2, 96, 80, 3]), y: [0, 1] },
      'binary',
      /96 × 80 × 3/,
      ['Normalization', 'Conv2D', 'MaxPooling2D'],
    ],
  ];
  for (const [name, options, task, words, kinds] of cases) {
    it(`${name}: ${task}`, async () => {
      const made = recipes.baseline({ ...options, device, seed: 3 });
      expect(made.task).to.equal(task);
      expect(made.notes[0]).to.match(words);
      expect(made.model.layers.map((l) => l.className).slice(0, kinds.length)).to.deep.equal(kinds);
      const labels =
        options.y instanceof gs.Tensor || ArrayBuffer.isView(options.y) ? options.y : gs.tensor(options.y as number[]);
      const { loss } = await made.model.fit(options.x, labels, { ...made.fitOptions, epochs: 1, validationSplit: 0 });
      expect(Number.isFinite(loss[0])).to.equal(true);
      await made.model.dispose();
    });
  }

  it('wrong options, and data that does not fit', async () => {
    const of = (options: unknown) => () => recipes.baseline(wrong(options));
    const table = floats([4, 3]);
    await expectFailure(of({ x: table, y: [1, 2, 3] }), 'ERR_SHAPE', /Expected 4 rows in y as in x but received 3/);
    await expectFailure(of({ x: [1, 2, 3], y: [1, 2, 3] }), 'ERR_SHAPE', /x of shape \[rows, …\]/);
    await expectFailure(of({ x: floats([2, 2, 2, 2, 2]), y: [1, 2] }), 'ERR_SHAPE', /one to three axes/);
    await expectFailure(of({ x: table, y: floats([4, 2, 2]) }), 'ERR_SHAPE', /Expected y of shape/);
    await expectFailure(of({ x: table, y: [0.5, 1, 1, 0], task: 'binary' }), 'ERR_OPTION', /whole numbers >= 0/);
    await expectFailure(of({ x: table, y: [0, 1, 2, 0], task: 'binary' }), 'ERR_OPTION', /0 or 1 in y/);
    await expectFailure(
      of({
        x: table,
        y: [
          [0, 1],
          [1, 1],
          [0, 0],
          [1, 0],
        ],
        task: 'binary',
      }),
      'ERR_SHAPE',
      /\[rows, 1\]/,
    );
    await expectFailure(of({ x: table, y: [0, 0, 0, 0], task: 'classes' }), 'ERR_OPTION', /at least two classes/);
    await expectFailure(of({ x: gs.tensor(Int32Array.of(-1, 2), [2, 1]), y: [0, 1] }), 'ERR_OPTION', /tokens >= 0/);
    await expectFailure(of({ x: table, y: [0, 1, 0, 1], task: 'classs' }), 'ERR_OPTION', /did you mean "classes"/);
    await expectFailure(of({ x: table, y: [0, 1, 0, 1], device: 'gpu' }), 'ERR_OPTION', /recipes.baseline.device/);
    await expectFailure(of({ x: table, y: [0, 1, 0, 1], seed: -1 }), 'ERR_OPTION', /recipes.baseline.seed/);
    await expectFailure(of({ x: table, y: [0, 1, 0, 1], sed: 1 }), 'ERR_OPTION', /did you mean "seed"/);
  });
});
