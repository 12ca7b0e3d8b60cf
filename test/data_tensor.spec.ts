/** gs.tensor and what is made of tensors: nested arrays in and out, element types, one-hot rows, splits, class weights. */
import { expect } from 'chai';
import { runInNewContext } from 'node:vm';
import * as gs from '../lib/index.js';
import { takenAway } from './helpers/datasets.js';
import { expectFailure, wrong } from './helpers/failure.js';

const rows = (end?: number): gs.Tensor => gs.tensor([[1], [2], [3]]).rows(1, wrong(end));

/** An array that holds itself alone. */
function endless(): never {
  const array: unknown[] = [];
  array.push(array);
  return wrong(array);
}

/** One number in so many arrays. */
function deep(depth: number): never {
  let array: unknown = 1;
  for (let i = 0; i < depth; i++) array = [array];
  return wrong(array);
}

describe('tensor', () => {
  it('takes numbers and nested arrays of any depth as float32', () => {
    expect(gs.tensor(2.5)).to.deep.equal(new gs.Tensor(Float32Array.of(2.5), []));
    expect(
      gs.tensor([
        [[1], [2]],
        [[3], [4]],
        [[5], [6]],
      ]),
    ).to.deep.equal(new gs.Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2, 1]));
  });

  it('takes nested arrays as deep as NumPy does', () => {
    expect(gs.tensor(deep(64)).shape).to.deep.equal(new Array(64).fill(1));
  });

  it('takes other element types by name', () => {
    expect(gs.tensor([[1, -2]], undefined, 'int32')).to.deep.equal(new gs.Tensor(Int32Array.of(1, -2), [1, 2]));
    expect(gs.tensor([0, 255, 3, 4], [2, 2], 'uint8')).to.deep.equal(new gs.Tensor(Uint8Array.of(0, 255, 3, 4), [2, 2]));
  });

  it('uses a typed array as it is', () => {
    const data = Uint8Array.of(1, 2, 3, 4);
    expect(gs.tensor(data, [2, 2]).data).to.equal(data);
    expect(gs.tensor(data, [2, 2], 'uint8').dtype).to.equal('uint8');
  });

  it('gives nested arrays back', () => {
    const nested = [
      [
        [1, 2],
        [3, 4],
        [5, 6],
      ],
      [
        [7, 8],
        [9, 10],
        [11, 12],
      ],
    ];
    expect(gs.tensor(nested).toArray()).to.deep.equal(nested);
    expect(gs.tensor(7).toArray()).to.equal(7);
    expect(new gs.Tensor(new Float32Array(0), [2, 0, 3]).toArray()).to.deep.equal([[], []]);
    expect(gs.tensor(nested).rows(1, 2).toArray()).to.deep.equal([nested[1]]);
  });

  const refused: [what: string, code: gs.ErrorCode, message: string | RegExp, run: () => unknown][] = [
    [
      'a row that is short, deep inside',
      'ERR_SHAPE',
      'Expected 2 elements at data[1][0] but received 1: nested arrays must not be ragged',
      () => gs.tensor([[[1, 2]], [[3]]]),
    ],
    [
      'a number where others have arrays',
      'ERR_SHAPE',
      'Expected 1 elements at data[1] but received a number: nested arrays must not be ragged',
      () => gs.tensor(wrong([[1], 2])),
    ],
    [
      'an array where others have numbers',
      'ERR_SHAPE',
      'Expected a number at data[1] but received an array: nested arrays must not be ragged',
      () => gs.tensor(wrong([1, [2]])),
    ],
    ['an array that holds itself', 'ERR_SHAPE', /^Expected nested arrays of at most 64 depths/, () => gs.tensor(endless())],
    ['arrays 20,000 deep', 'ERR_SHAPE', /^Expected nested arrays of at most 64 depths/, () => gs.tensor(deep(20_000))],
    [
      'an array that holds itself, in a dataset',
      'ERR_SHAPE',
      /^Expected nested arrays of at most 64 depths/,
      () => gs.data.dataset({ x: endless() }),
    ],
    ['an empty array', 'ERR_SHAPE', /at least one element/, () => gs.tensor([[], []])],
    ['a word', 'ERR_DTYPE', 'Expected number for data[0][1] but received "2" of type string', () => gs.tensor(wrong([[1, '2']]))],
    [
      'nothing',
      'ERR_DTYPE',
      /^Expected Float32Array, .* for tensor.data but received undefined$/,
      () => gs.tensor(wrong(undefined)),
    ],
    ['big integers', 'ERR_DTYPE', /received BigInt64Array/, () => gs.tensor(wrong(new BigInt64Array(2)))],
    ['numbers beyond int32', 'ERR_DTYPE', 'Expected numbers that int32 holds but received 2147483648 at element 1 of data', () => gs.tensor(Uint32Array.of(1, 2 ** 31))], // prettier-ignore
    [
      'a fraction among integers',
      'ERR_DTYPE',
      'Expected integer that int32 holds for data[1] but received 1.5 of type number',
      () => gs.tensor([1, 1.5], undefined, 'int32'),
    ],
    ['a number beyond a byte', 'ERR_DTYPE', /that uint8 holds for data\[0\]/, () => gs.tensor([256], undefined, 'uint8')],
    ['NaN among integers', 'ERR_DTYPE', /that int32 holds for data\[0\]/, () => gs.tensor([NaN], undefined, 'int32')],
    [
      'a typed array of another type than said',
      'ERR_DTYPE',
      'Expected an array of float32 for tensor.data but received uint8',
      () => gs.tensor(Uint8Array.of(1), [1], 'float32'),
    ],
    ['an element type that is none', 'ERR_OPTION', /"float32"\?$/, () => gs.tensor([1], [1], wrong('float'))],
    ['a shape of another size', 'ERR_SHAPE', /Expected 3 elements/, () => gs.tensor([1, 2], [3])],
    ...[null, undefined, [-4, -2], [2.5, 3.2], [NaN], '8', Int32Array.of(8)].map((shape): (typeof refused)[number] => [
      `the shape ${JSON.stringify(shape)}`,
      'ERR_OPTION',
      /^Expected array of integers >= 0 for tensor.shape but received/,
      () => new gs.Tensor(new Float32Array(8), wrong(shape)),
    ]),
    ...[0.5, null, true, '0', 1n, -1, 3].map((begin): (typeof refused)[number] => [
      `rows from ${typeof begin} ${begin}`,
      'ERR_OPTION',
      /^Expected integer from 0 to 2 for tensor.rows.begin but received/,
      () => gs.tensor([[1], [2], [3]]).rows(wrong(begin), 2),
    ]),
    ['rows to beyond the last', 'ERR_OPTION', /^Expected integer from 0 to 3 for tensor.rows.end but received 4/, () => rows(4)],
    ['rows to nowhere', 'ERR_OPTION', /^Expected integer from 0 to 3 for tensor.rows.end but received undefined/, () => rows()],
    [
      'rows of a number',
      'ERR_SHAPE',
      /^Expected rows for tensor.rows but received a single number/,
      () => gs.tensor(1).rows(0, 1),
    ],
    ['rows of memory taken away', 'ERR_OPTION', /^The memory of the tensor was transferred/, () => takenAway().rows(0, 1)],
    ['arrays of memory taken away', 'ERR_OPTION', /^The memory of the tensor was transferred/, () => takenAway().toArray()],
  ];
  for (const [what, code, message, run] of refused) it(`refuses ${what}`, () => expectFailure(run, code, message));
});

describe('data in other typed arrays', () => {
  const kinds: [data: gs.TensorLike, dtype: string][] = [
    [Float64Array.of(0.1, -3, 2.5), 'float32'],
    [Int8Array.of(-128, 3, 127), 'int32'],
    [Int16Array.of(-32768, 3, 32767), 'int32'],
    [Uint16Array.of(0, 3, 65535), 'int32'],
    [Uint32Array.of(0, 3, 2 ** 31 - 1), 'int32'],
    [Uint8ClampedArray.of(0, 3, 255), 'uint8'],
  ];
  for (const [data, dtype] of kinds) {
    it(`${data.constructor.name}: ${dtype}`, () => {
      const made = gs.tensor(data as Float64Array, [3, 1]);
      expect(made.dtype).to.equal(dtype);
      expect([...made.data]).to.deep.equal([...(data as Float64Array)].map(dtype === 'float32' ? Math.fround : Number));
    });
  }

  it('is taken by fit, evaluate and predict as other data are', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 3, activation: 'softmax', inputShape: [2] })]);
    model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy', device: 'cpu', seed: 2 });
    const numbers = [0.1, 0.7, -0.3, 0.2];
    const expected = await model.evaluate(Float32Array.from(numbers), Int32Array.of(2, 0));
    const found = await model.evaluate(Float64Array.from(numbers), Uint16Array.of(2, 0));
    expect(found).to.deep.equal(expected);
    const { loss } = await model.fit(Float64Array.from(numbers), Int8Array.of(2, 0), { batchSize: 2 });
    expect(loss![0]).to.be.closeTo(expected.loss, 1e-6);
    expect((await model.predict(Float64Array.of(1, 2))).shape).to.deep.equal([1, 3]);
  });

  it('whose memory was taken away is refused', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
    for (const data of [Float64Array.of(1, 2), Int16Array.of(1, 2)]) {
      structuredClone(data, { transfer: [data.buffer] });
      await expectFailure(() => model.predict(data), 'ERR_OPTION', 'The memory of x was transferred elsewhere');
      await expectFailure(() => gs.tensor(data as Float64Array), 'ERR_OPTION', 'The memory of data was transferred elsewhere');
    }
    // What is empty was not taken away.
    for (const data of [new Float64Array(0), new Float32Array(0)]) {
      expect(gs.tensor(data).shape).to.deep.equal([0]);
      expect(gs.tensor(data, [0, 3]).shape).to.deep.equal([0, 3]);
      await expectFailure(() => model.predict(data), 'ERR_SHAPE', /but received 0 elements/);
    }
  });

  it('what is no data says so: a promise, a map, a buffer without a type', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
    await expectFailure(
      () => model.predict(wrong(Promise.resolve([1, 2]))),
      'ERR_OPTION',
      /^Expected data, not a promise of it: await it first, for x/,
    );
    for (const given of [new Map(), new ArrayBuffer(8), new Set([1, 2])]) {
      await expectFailure(
        () => model.predict(wrong(given)),
        'ERR_OPTION',
        /^Expected tensor, typed array, nested arrays, or object with input for x but received/,
      );
    }
  });
});

describe('data of another realm', () => {
  const made = <T>(code: string) => runInNewContext(code) as T;

  it('is data: typed arrays are of this one then, over the same memory', () => {
    for (const [code, dtype] of [
      ['Float32Array', 'float32'],
      ['Int32Array', 'int32'],
      ['Uint8Array', 'uint8'],
    ] as const) {
      const foreign = made<Float32Array>(`new ${code}([9, 1, 2, 3, 4]).subarray(1)`);
      expect(foreign).not.to.be.instanceOf(Float32Array);
      const tensor = gs.tensor(foreign, [2, 2]);
      expect(tensor.dtype).to.equal(dtype);
      expect(tensor.data.constructor).to.equal({ Float32Array, Int32Array, Uint8Array }[code]);
      foreign[3] = 7;
      expect([...tensor.data]).to.deep.equal([1, 2, 3, 7]);
    }
  });

  it('trains and predicts, alone and in elements of datasets', async () => {
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
    model.compile({ optimizer: 'sgd', loss: 'mse', device: 'cpu', seed: 1 });
    const x = made<Float32Array>('new Float32Array([1, 2, 3, 4])');
    const expected = await model.predict(gs.tensor([1, 2, 3, 4], [2, 2]));
    expect([...(await model.predict(x)).data]).to.deep.equal([...expected.data]);
    const elements = made<object[]>('[{ x: [1, 2], y: [0.5] }, { x: new Float32Array([3, 4]), y: [1] }]');
    const { loss } = await model.evaluate(gs.data.dataset(elements as never).batch(2));
    expect(loss).to.be.closeTo(((expected.data[0]! - 0.5) ** 2 + (expected.data[1]! - 1) ** 2) / 2, 1e-5);
  });

  it('other things are refused as before', () => {
    for (const code of ['new BigInt64Array(2)', 'new DataView(new ArrayBuffer(4))', 'new Map()', '({})']) {
      expect(() => gs.tensor(made(code)))
        .to.throw('Expected Float32Array, Int32Array, Uint8Array')
        .with.property('code', 'ERR_DTYPE');
    }
  });
});

describe('utils.toCategorical', () => {
  it('makes one-hot rows of as many classes as there are', () => {
    expect(gs.utils.toCategorical([2, 0, 1]).toArray()).to.deep.equal([
      [0, 0, 1],
      [1, 0, 0],
      [0, 1, 0],
    ]);
    expect(gs.utils.toCategorical(gs.tensor([[1], [0]])).toArray()).to.deep.equal([
      [0, 1],
      [1, 0],
    ]);
  });

  it('makes room for more classes', () => {
    expect(gs.utils.toCategorical(Int32Array.of(1), 4).toArray()).to.deep.equal([[0, 1, 0, 0]]);
  });

  it('refuses what is no class', async () => {
    await expectFailure(
      () => gs.utils.toCategorical([0, 3], 3),
      'ERR_LABEL_RANGE',
      'Expected an integer from 0 to 2 for utils.toCategorical.labels[1] but received 3',
    );
    await expectFailure(() => gs.utils.toCategorical([-1]), 'ERR_LABEL_RANGE', /an integer >= 0/);
    await expectFailure(() => gs.utils.toCategorical([0.5]), 'ERR_LABEL_RANGE', /received 0.5/);
    await expectFailure(() => gs.utils.toCategorical([0], 0), 'ERR_OPTION', /utils.toCategorical.numClasses/);
  });
});

describe('data.split', () => {
  const rows = 40;
  const x = gs.tensor(
    Float32Array.from({ length: rows * 2 }, (_, i) => i),
    [rows, 2],
  );
  // 30 of class 0, 10 of class 1.
  const y = Int32Array.from({ length: rows }, (_, i) => Number(i % 4 === 3));

  /** The numbers of the rows a part has: each row holds 2 i and 2 i + 1. */
  const numbers = (part: { x: gs.Tensor; y: gs.Tensor }): number[] =>
    Array.from({ length: part.x.shape[0]! }, (_, i) => {
      const row = part.x.data[2 * i]! / 2;
      expect(part.x.data[2 * i + 1]).to.equal(2 * row + 1);
      expect(part.y.data[i], `label of row ${row}`).to.equal(y[row]);
      return row;
    });

  it('draws rows at random, the same for the same seed, each in one part', () => {
    const { train, validation } = gs.data.split(x, y, { validation: 0.2, seed: 5 });
    const [a, b] = [numbers(train), numbers(validation)];
    expect([a.length, b.length]).to.deep.equal([32, 8]);
    expect([...a, ...b].sort((p, q) => p - q)).to.deep.equal(Array.from({ length: rows }, (_, i) => i));
    expect(b).not.to.deep.equal(b.slice().sort((p, q) => p - q));
    expect(numbers(gs.data.split(x, y, { validation: 0.2, seed: 5 }).validation)).to.deep.equal(b);
    expect(numbers(gs.data.split(x, y, { validation: 0.2, seed: 6 }).validation)).not.to.deep.equal(b);
  });

  it('takes a quarter by default, and the last rows, as views, without shuffling', () => {
    const { train, validation } = gs.data.split(x, y, { shuffle: false });
    expect(numbers(validation)).to.deep.equal([30, 31, 32, 33, 34, 35, 36, 37, 38, 39]);
    expect(train.x.data.buffer).to.equal(x.data.buffer);
  });

  it('keeps the proportions of classes', () => {
    for (const shuffle of [true, false]) {
      for (const validation of [0.1, 0.2, 0.5]) {
        const part = gs.data.split(x, y, { validation, stratify: true, seed: 1, shuffle }).validation;
        const ones = numbers(part).filter((row) => y[row] === 1).length;
        expect(part.x.shape[0]).to.equal(rows * validation);
        expect(ones).to.equal((rows * validation) / 4);
      }
    }
  });

  it('gives what is left to the classes with the largest remainders', () => {
    // Classes of 5, 3 and 2 rows: 3 of 10 is 1.5, 0.9 and 0.6 of them, so 1, 1 and 1.
    const labels = [0, 0, 0, 0, 0, 1, 1, 1, 2, 2];
    const { validation } = gs.data.split(labels, labels, { validation: 0.3, stratify: true, seed: 3 });
    expect(Array.from(validation.y.data).sort()).to.deep.equal([0, 1, 2]);
  });

  it('splits several inputs alike', () => {
    const parts = gs.data.split({ a: x, b: y }, y, { seed: 2, validation: 0.5 });
    expect(Array.from(parts.train.x.b.data)).to.deep.equal(Array.from(parts.train.y.data));
    expect(parts.train.x.a.shape).to.deep.equal([20, 2]);
  });

  it('refuses what cannot be split', async () => {
    await expectFailure(() => gs.data.split(x, [0, 1]), 'ERR_SHAPE', 'Expected as many rows in y as in x but received 2 and 40');
    await expectFailure(() => gs.data.split([1], [1]), 'ERR_DATA', /at least 2 rows to split but received 1/);
    await expectFailure(() => gs.data.split([1, 2, 3], [0, 0, 1], { stratify: true }), 'ERR_DATA', /1 of class 1/);
    await expectFailure(() => gs.data.split([1, 2], [0.5, 1], { stratify: true }), 'ERR_LABEL_RANGE', /data.split.y\[0\]/);
    await expectFailure(
      () => gs.data.split(x, y, { validation: 1 }),
      'ERR_OPTION',
      /number in \(0, 1\) for data.split.validation/,
    );
    await expectFailure(() => gs.data.split(x, y, wrong({ stratifi: true })), 'ERR_OPTION', /did you mean "stratify"/);
    await expectFailure(() => gs.data.split(x, { y }, { stratify: true }), 'ERR_OPTION', /class numbers to stratify by/);
    await expectFailure(() => gs.data.split(x, x, { stratify: true }), 'ERR_SHAPE', /received 80 for 40 rows/);
  });
});

describe('data.classWeights', () => {
  it('is n / (k · n_c)', () => {
    expect(gs.data.classWeights([0, 0, 0, 2])).to.deep.equal({ 0: 4 / (2 * 3), 2: 4 / (2 * 1) });
    expect(gs.data.classWeights(Int32Array.of(1, 1))).to.deep.equal({ 1: 1 });
  });

  it('refuses labels that are no classes', async () => {
    await expectFailure(() => gs.data.classWeights([0.5]), 'ERR_LABEL_RANGE', /data.classWeights.labels\[0\]/);
    await expectFailure(() => gs.data.classWeights(new Int32Array(0)), 'ERR_OPTION', /at least one label/);
  });
});

describe('data.statistics', () => {
  it('mean and variance of each column, over all other axes', () => {
    const table = gs.tensor(Float32Array.of(1, 10, 2, 10, 6, 40), [3, 2]);
    expect(gs.data.statistics(table)).to.deep.equal({ mean: [3, 20], variance: [14 / 3, 200] });
    const pictures = gs.tensor(Uint8Array.of(0, 1, 2, 1, 4, 1, 6, 1), [2, 2, 1, 2]);
    expect(gs.data.statistics(pictures)).to.deep.equal({ mean: [3, 1], variance: [5, 0] });
  });

  it('of one axis one mean and one variance; nested arrays are data too', () => {
    expect(gs.data.statistics(Int32Array.of(2, 4))).to.deep.equal({ mean: [3], variance: [1] });
    expect(gs.data.statistics([[1], [5]])).to.deep.equal({ mean: [3], variance: [4] });
  });

  it('numbers far from 0 keep their variance', () => {
    const far = [16777216, 16777218, 16777220].map((v) => [v]);
    expect(gs.data.statistics(far).variance[0]).to.be.closeTo(8 / 3, 1e-12);
  });

  it('makes of normalization a layer that gives mean 0 and variance 1', async () => {
    const x = gs.tensor(Float32Array.of(1, 10, 2, 10, 6, 40), [3, 2]);
    using model = gs.sequential([gs.layers.normalization({ ...gs.data.statistics(x), inputShape: [2] })]);
    const { data } = await model.predict(x);
    const [a, b] = [Math.sqrt(14 / 3), Math.sqrt(200)];
    [-2 / a, -10 / b, -1 / a, -10 / b, 3 / a, 20 / b].forEach((v, i) => expect(data[i]).to.be.closeTo(v, 1e-6));
  });

  it('names the row of what is no number', async () => {
    const broken = gs.tensor(Float32Array.of(1, 2, 3, NaN), [2, 2]);
    await expectFailure(
      () => gs.data.statistics(broken),
      'ERR_DATA',
      'Expected finite numbers for data.statistics but received NaN in row 1',
    );
    await expectFailure(
      () => gs.data.statistics(new Float32Array(0)),
      'ERR_DATA',
      'Expected at least one row for data.statistics but received none',
    );
  });
});
