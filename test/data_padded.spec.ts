/** Sequences of several lengths: utils.padSequences (the examples of Keras's documentation among others), paddedBatch, asBatches. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { padSequences } = gs.utils;
const { dataset } = gs.data;

describe('utils.padSequences', () => {
  const sequences = [[1], [2, 3], [4, 5, 6]];

  it('does what Keras says', () => {
    const rows = (options?: gs.utils.PadSequencesOptions) => padSequences(sequences, options).toArray();
    expect(rows()).to.deep.equal([
      [0, 0, 1],
      [0, 2, 3],
      [4, 5, 6],
    ]);
    expect(rows({ value: -1 })).to.deep.equal([
      [-1, -1, 1],
      [-1, 2, 3],
      [4, 5, 6],
    ]);
    expect(rows({ padding: 'post' })).to.deep.equal([
      [1, 0, 0],
      [2, 3, 0],
      [4, 5, 6],
    ]);
    expect(rows({ maxlen: 2 })).to.deep.equal([
      [0, 1],
      [2, 3],
      [5, 6],
    ]);
    expect(rows({ maxlen: 2, truncating: 'post', padding: 'post' })).to.deep.equal([
      [1, 0],
      [2, 3],
      [4, 5],
    ]);
  });

  it('takes typed arrays, tensors, steps of several numbers, and sequences without steps', () => {
    expect(padSequences([Int32Array.of(7), gs.tensor([8, 9]), []]).toArray()).to.deep.equal([
      [0, 7],
      [8, 9],
      [0, 0],
    ]);
    const steps = padSequences([[[1.5, 2]], [], gs.tensor([[3, 4], [5, 6]])], { dtype: 'float32', value: 0.5 }); // prettier-ignore
    expect(steps.shape).to.deep.equal([3, 2, 2]);
    expect([...steps.data]).to.deep.equal([0.5, 0.5, 1.5, 2, 0.5, 0.5, 0.5, 0.5, 3, 4, 5, 6]);
  });

  it('has the type that is asked for', () => {
    expect(padSequences(sequences).dtype).to.equal('int32');
    expect(padSequences(sequences, { dtype: 'uint8' }).dtype).to.equal('uint8');
    expect(padSequences([[1.9]]).data[0]).to.equal(1);
  });

  it('refuses what is wrong', async () => {
    await expectFailure(
      () => padSequences(wrong([])),
      'ERR_OPTION',
      /^Expected array of sequences for utils\.padSequences\.sequences/,
    );
    await expectFailure(
      () => padSequences(wrong([[1], 2])),
      'ERR_OPTION',
      /^Expected numbers in arrays for utils\.padSequences\.sequences\[1\]/,
    );
    await expectFailure(() => padSequences(wrong([['a']])), 'ERR_OPTION', /sequences\[0\]/);
    await expectFailure(
      () => padSequences([[[1, 2]], [[1]]]),
      'ERR_SHAPE',
      'Expected steps of shape [2] in sequence 1 but received [1]',
    );
    await expectFailure(
      () => padSequences(sequences, { value: 0.5 }),
      'ERR_OPTION',
      /^Expected number that int32 holds for utils\.padSequences\.value/,
    );
    for (const [number, dtype] of [
      [256, 'uint8'],
      [-1, 'uint8'],
      [2 ** 31, 'int32'],
      [NaN, 'int32'],
    ] as const) {
      await expectFailure(
        () => padSequences([[1], [2, number]], { dtype }),
        'ERR_OPTION',
        `Expected numbers that ${dtype} holds for utils.padSequences.sequences[1] but received ${number} of type number`,
      );
    }
    await expectFailure(() => padSequences(sequences, wrong({ maxLen: 3 })), 'ERR_OPTION', /did you mean "maxlen"\?$/);
  });
});

describe('dataset.paddedBatch', () => {
  const items = [[1], [2, 3, 4], [5, 6]].map((x, i) => ({ x: Int32Array.from(x), y: i }));

  it('fills up to the longest of each batch', async () => {
    const [first, second] = await dataset(items).paddedBatch(2).toArray();
    expect(first!.x.toArray()).to.deep.equal([
      [1, 0, 0],
      [2, 3, 4],
    ]);
    expect(first!.x.dtype).to.equal('int32');
    expect(first!.y.toArray()).to.deep.equal([0, 1]);
    expect(second!.x.toArray()).to.deep.equal([[5, 6]]);
  });

  it('to sizes that are asked for, with other values, by paths', async () => {
    const options = { paddedShapes: { x: [4] }, paddingValues: { x: -1 } };
    const batch = await dataset(items).paddedBatch(3, options).toTensors();
    expect(batch.x.toArray()).to.deep.equal([
      [1, -1, -1, -1],
      [2, 3, 4, -1],
      [5, 6, -1, -1],
    ]);
    expect(batch.y.toArray()).to.deep.equal([0, 1, 2]);
    const nested = items.map(({ x }) => ({ x: { tokens: x, kind: 1 } }));
    const [deep] = await dataset(nested)
      .paddedBatch(3, { paddedShapes: { 'x.tokens': [3] } })
      .toArray();
    expect(deep!.x.tokens.shape).to.deep.equal([3, 3]);
    const alone = dataset(() => [[1], [2, 3]].map((row) => gs.tensor(row)));
    expect((await alone.paddedBatch(2, { paddedShapes: [3], paddingValues: 9 }).toArray())[0]!.toArray()).to.deep.equal([
      [1, 9, 9],
      [2, 3, 9],
    ]);
  });

  it('along every axis', async () => {
    const images = [gs.tensor([[1, 2], [3, 4], [5, 6]]), gs.tensor([[7, 8, 9]])].map((x) => ({ x })); // prettier-ignore
    const [batch] = await dataset(images).paddedBatch(2).toArray();
    expect(batch!.x.shape).to.deep.equal([2, 3, 3]);
    expect([...batch!.x.data]).to.deep.equal([1, 2, 0, 3, 4, 0, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0, 0]);
    const [wide] = await dataset(images).paddedBatch(2, { paddedShapes: { x: [4, null] } }).toArray(); // prettier-ignore
    expect(wide!.x.shape).to.deep.equal([2, 4, 3]);
  });

  it('is what batch names where lengths differ', () =>
    expectFailure(
      () => dataset(items).batch(2).toArray(),
      'ERR_SHAPE',
      'Expected shape [1] for x of element 1, as in element 0, but received [3]: paddedBatch fills up what is shorter',
    ));

  it('leaves out a last batch of fewer rows where that is asked for, and knows its size', async () => {
    expect(dataset(items).paddedBatch(2).size).to.equal(2);
    const whole = dataset(items).paddedBatch(2, { dropRemainder: true });
    expect([whole.size, (await whole.toArray()).length, whole.batched]).to.deep.equal([1, 1, true]);
  });

  it('refuses what is wrong', async () => {
    const pad = (list: unknown[], options?: gs.data.PaddedBatchOptions) => dataset(list).paddedBatch(2, options).toArray();
    await expectFailure(
      () => pad(items, { paddedShapes: { x: [2] } }),
      'ERR_SHAPE',
      'Expected at most [2] for x of element 1 but received shape [3]',
    );
    await expectFailure(
      () => pad([{ x: [1] }, { x: [[1]] }]),
      'ERR_SHAPE',
      'Expected 1 axes for x of element 1 but received shape [1, 1]',
    );
    await expectFailure(
      () => pad([{ x: Int32Array.of(1) }, { x: [1] }]),
      'ERR_DTYPE',
      'Expected int32 for x of element 1, as in element 0, but received float32',
    );
    await expectFailure(
      () => pad(items, { paddingValues: 0.5 }),
      'ERR_OPTION',
      /^Expected number that int32 holds for dataset\.paddedBatch\.paddingValues/,
    );
    await expectFailure(() => pad(items, wrong({ paddedShapes: 3 })), 'ERR_OPTION', /^Expected array of integers > 0 or null/);
    await expectFailure(
      () => pad(items, { paddedShapes: { labels: [3] } }),
      'ERR_OPTION',
      'Unknown tensor "labels" for dataset.paddedBatch.paddedShapes: expected one of x, y',
    );
  });
});

describe('dataset.asBatches', () => {
  it('takes elements for batches, whatever their rows', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanAbsoluteError', device: 'cpu' });
    await model.setWeights([gs.tensor([[1], [0]]), gs.tensor([0])]);
    const batches = dataset(
      [3, 1].map((rows) => ({ x: gs.tensor(new Float32Array(rows * 2).fill(rows), [rows, 2]), y: new Float32Array(rows) })),
    );
    const as = batches.asBatches();
    expect([as.batched, as.size, batches.batched]).to.deep.equal([true, 2, false]);
    // |3 − 0| of three rows and |1 − 0| of one.
    expect((await model.evaluate(as)).loss).to.be.closeTo((3 * 3 + 1) / 4, 1e-6);
    expect([...(await model.predict(as)).data]).to.deep.equal([3, 3, 3, 1]);
  });
});
