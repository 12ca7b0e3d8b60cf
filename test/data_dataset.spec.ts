/** gs.data.dataset: sources, stages and their order, what is copied and what is not. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import * as gs from '../lib/index.js';
import { counted, plain, takenAway, upTo, Watched } from './helpers/datasets.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { dataset, zip } = gs.data;

describe('data.dataset: sources', () => {
  const x = gs.tensor([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);

  it('takes columns: { x, y, sampleWeight }', async () => {
    const rows = await dataset({ x, y: Int32Array.of(7, 8, 9), sampleWeight: [0.5, 1, 2] }).toArray();
    expect(rows).to.deep.equal(
      [0, 1, 2].map((i) => ({
        x: gs.tensor([1 + 2 * i, 2 + 2 * i]),
        y: new gs.Tensor(Int32Array.of(7 + i), []),
        sampleWeight: gs.tensor([0.5, 1, 2][i]!),
      })),
    );
    expect(rows[1]!.x.data.buffer, 'a view').to.equal(x.data.buffer);
  });

  it('takes [x, y] and [x, y, sampleWeight]', async () => {
    expect(
      await dataset([x, [7, 8, 9]])
        .take(1)
        .toArray(),
    ).to.deep.equal([{ x: gs.tensor([1, 2]), y: gs.tensor(7) }]);
    const weighted = await dataset([
      [
        [0, 1],
        [1, 0],
      ],
      [3, 4],
      [5, 6],
    ]).toTensors();
    expect(weighted.x.toArray()).to.deep.equal([
      [0, 1],
      [1, 0],
    ]);
    expect(weighted.y.toArray()).to.deep.equal([3, 4]);
    expect(weighted.sampleWeight.toArray()).to.deep.equal([5, 6]);
  });

  it('takes a tensor or typed array as x', async () => {
    expect(await dataset(x).skip(2).toArray()).to.deep.equal([{ x: gs.tensor([5, 6]) }]);
    expect((await dataset(Uint8Array.of(4, 5)).toTensors()).x).to.deep.equal(gs.tensor(Uint8Array.of(4, 5)));
  });

  it('takes several inputs, in arrays and records', async () => {
    const several = dataset({ x: { left: x, right: [x, Uint8Array.of(1, 2, 3)] }, y: [1, 2, 3] });
    expect(several.size).to.equal(3);
    const [batch] = await several.skip(1).batch(2).toArray();
    expect(batch!.x.left.toArray()).to.deep.equal([
      [3, 4],
      [5, 6],
    ]);
    expect(batch!.x.right[1]!.toArray()).to.deep.equal([2, 3]);
  });

  it('takes arrays of elements, iterables, async iterables and functions', async () => {
    const list = [{ file: 'a' }, { file: 'b' }];
    expect(await dataset(list).toArray()).to.deep.equal(list);
    expect(dataset(list).size).to.equal(2);
    expect(await dataset(['a', 'b', 'c']).toArray()).to.deep.equal(['a', 'b', 'c']);
    expect(await dataset(new Set([1, 2])).toArray()).to.deep.equal([1, 2]);
    expect(await dataset(new Watched(3)).toArray()).to.deep.equal([0, 1, 2]);
    expect(await counted(3).toArray()).to.deep.equal([0, 1, 2]);
    expect(counted(3).size).to.equal(undefined);
    expect(await dataset(() => [Promise.resolve(4), Promise.resolve(5)]).toArray()).to.deep.equal([4, 5]);
    const slow = async function* (): AsyncGenerator<number> {
      await sleep(1);
      yield 6;
    };
    const again = dataset(slow);
    expect(await again.toArray()).to.deep.equal([6]);
    expect(await again.toArray()).to.deep.equal([6]);
  });

  const refused: [what: string, code: gs.ErrorCode, message: string | RegExp, run: () => unknown][] = [
    [
      'nothing',
      'ERR_OPTION',
      /^Expected \{ x, y, sampleWeight \}, .* for data.dataset but received undefined$/,
      () => dataset(wrong(undefined)),
    ],
    ['an empty array', 'ERR_OPTION', /received an array of 0$/, () => dataset([])],
    ['many tensors, which may be rows or columns', 'ERR_OPTION', /received an array of 4$/, () => dataset(wrong([x, x, x, x]))],
    ['numbers', 'ERR_OPTION', /received an array of 3$/, () => dataset([1, 2, 3])],
    [
      'columns of another name',
      'ERR_OPTION',
      'Unknown part "Y" for data.dataset: did you mean "y"?',
      () => dataset(wrong({ x, Y: x })),
    ],
    ['labels alone', 'ERR_OPTION', /for data.dataset.x but received undefined$/, () => dataset(wrong({ y: x }))],
    [
      'columns of different lengths',
      'ERR_SHAPE',
      'Expected as many rows in y as in x but received 2 and 3',
      () => dataset([x, [1, 2]]),
    ],
    [
      'inputs of different lengths',
      'ERR_SHAPE',
      'Expected as many rows in x.b[0] as in x.a but received 1 and 3',
      () => dataset({ x: { a: x, b: [gs.tensor([[1]]), x] } }),
    ],
    ['words as data', 'ERR_DTYPE', /for x but received "abc"/, () => dataset(wrong({ x: 'abc' }))],
    ['a number as data', 'ERR_SHAPE', 'Expected rows in x but received a single number', () => dataset({ x: 3 })],
    ['columns taken away', 'ERR_OPTION', 'The memory of x was transferred elsewhere', () => dataset({ x: takenAway() })],
    [
      'elements taken away',
      'ERR_OPTION',
      'The memory of x of element 1 was transferred elsewhere',
      () =>
        dataset([{ x: gs.tensor([1]) }, { x: takenAway() }])
          .batch(2)
          .toArray(),
    ],
    [
      'arrays taken away',
      'ERR_OPTION',
      /^The memory of x of element 1 was transferred elsewhere$/,
      () =>
        dataset([{ x: Float32Array.of(1, 2) }, { x: takenAway().data }])
          .batch(2)
          .toArray(),
    ],
    [
      'only arrays taken away',
      'ERR_OPTION',
      /^The memory of x of element 0 was transferred elsewhere$/,
      async () => {
        using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [2] })]);
        await model.predict(dataset([takenAway().data, takenAway().data].map((data) => ({ x: data }))).batch(2));
      },
    ],
  ];
  for (const [what, code, message, run] of refused) it(`refuses ${what}`, () => expectFailure(run, code, message));

  it('refuses a function that gives no iterable, and a second pass over what can be read once', async () => {
    await expectFailure(() => dataset(wrong(() => 3)).toArray(), 'ERR_OPTION', /result of the function given to data.dataset/);
    const once = dataset(
      (function* () {
        yield 1;
      })(),
    );
    expect(await once.toArray()).to.deep.equal([1]);
    await expectFailure(() => once.toArray(), 'ERR_DATA', /can be read only once: use cache\(\)/);
  });
});

describe('data.dataset: stages', () => {
  it('map, with the index, and promises', async () => {
    expect(
      await counted(3)
        .map((n, i) => [n * 10, i])
        .toArray(),
    ).to.deep.equal([
      [0, 0],
      [10, 1],
      [20, 2],
    ]);
    expect(
      await counted(3)
        .map((n) => Promise.resolve(n + 1))
        .toArray(),
    ).to.deep.equal([1, 2, 3]);
  });

  it('map keeps the order, and no more than `concurrency` under way', async () => {
    for (const concurrency of [1, 3]) {
      let running = 0;
      let most = 0;
      const slow = async (n: number): Promise<number> => {
        most = Math.max(most, ++running);
        await sleep(n % 2 === 0 ? 8 : 1);
        running--;
        return n;
      };
      expect(await counted(9).map(slow, { concurrency }).toArray()).to.deep.equal(upTo(9));
      expect(most).to.equal(concurrency);
    }
  });

  it('filter, also with promises', async () => {
    expect(
      await counted(6)
        .filter((n) => n % 2 === 1)
        .toArray(),
    ).to.deep.equal([1, 3, 5]);
    expect(
      await counted(6)
        .filter((n, i) => Promise.resolve(i > 3))
        .toArray(),
    ).to.deep.equal([4, 5]);
  });

  it('take and skip, of rows and of anything', async () => {
    for (const source of [dataset({ x: upTo(5) }).map(({ x }) => x.data[0]!), counted(5)]) {
      expect(await source.take(2).toArray()).to.deep.equal([0, 1]);
      expect(await source.take(9).toArray()).to.deep.equal(upTo(5));
      expect(await source.take(0).toArray()).to.deep.equal([]);
      expect(await source.skip(3).toArray()).to.deep.equal([3, 4]);
      expect(await source.skip(9).toArray()).to.deep.equal([]);
    }
    const rows = dataset({ x: upTo(9) })
      .skip(2)
      .take(5)
      .skip(1)
      .batch(10);
    expect(plain((await rows.toArray()).map(({ x }) => x))).to.deep.equal([[3, 4, 5, 6]]);
    const source = new Watched();
    expect(await dataset(source).take(3).toArray()).to.deep.equal([0, 1, 2]);
    expect([source.made, source.closed]).to.deep.equal([3, 1]);
  });

  it('batch: numbers, nested and typed arrays, records', async () => {
    const elements = [
      { x: [1, 2], y: 0, name: Uint8Array.of(7) },
      { x: [3, 4], y: 1, name: Uint8Array.of(8) },
      { x: [5, 6], y: 2, name: Uint8Array.of(9) },
    ];
    const batches = await dataset(elements).batch(2).toArray();
    expect(batches).to.deep.equal([
      {
        x: gs.tensor([
          [1, 2],
          [3, 4],
        ]),
        y: gs.tensor([0, 1]),
        name: gs.tensor(Uint8Array.of(7, 8), [2, 1]),
      },
      { x: gs.tensor([[5, 6]]), y: gs.tensor([2]), name: gs.tensor(Uint8Array.of(9), [1, 1]) },
    ]);
    expect(await dataset(elements).batch(2, { dropRemainder: true }).toArray()).to.deep.equal(batches.slice(0, 1));
  });

  it('batch of rows that lie together copies nothing', async () => {
    const x = gs.tensor(Float32Array.from(upTo(10)), [5, 2]);
    const batches = await dataset({ x }).skip(1).batch(3).toArray();
    expect(plain(batches.map((batch) => batch.x))).to.deep.equal([
      [
        [2, 3],
        [4, 5],
        [6, 7],
      ],
      [[8, 9]],
    ]);
    for (const batch of batches) expect(batch.x.data.buffer).to.equal(x.data.buffer);
  });

  it('unbatch, and batches of another size from batches', async () => {
    const wide = dataset({ x: upTo(10), y: upTo(10) }).batch(4);
    expect(plain((await wide.unbatch().toArray()).map(({ y }) => y))).to.deep.equal(upTo(10));
    const batches = await wide.unbatch().batch(3).toArray();
    expect(plain(batches.map(({ y }) => y))).to.deep.equal([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]);
    expect(plain((await wide.unbatch().batch(3, { dropRemainder: true }).toArray()).map(({ x }) => x))).to.have.length(3);
  });

  it('repeat, a number of times or for ever', async () => {
    expect(await counted(2).repeat(3).toArray()).to.deep.equal([0, 1, 0, 1, 0, 1]);
    expect(await counted(2).repeat(0).toArray()).to.deep.equal([]);
    expect(await counted(2).repeat().take(5).toArray()).to.deep.equal([0, 1, 0, 1, 0]);
    expect(await counted(0).repeat().toArray(), 'nothing, for ever').to.deep.equal([]);
  });

  it('cache runs what comes before once, from the first whole pass on', async () => {
    let calls = 0;
    const cached = counted(3)
      .map((n) => {
        calls++;
        return n;
      })
      .cache();
    expect(cached.size).to.equal(undefined);
    expect(await cached.take(2).toArray()).to.deep.equal([0, 1]);
    expect(calls).to.equal(2);
    for (let i = 0; i < 3; i++) expect(await cached.toArray()).to.deep.equal([0, 1, 2]);
    expect(calls).to.equal(5);
    expect(cached.size).to.equal(3);
    const once = dataset(upTo(2).values()).cache();
    expect([await once.toArray(), await once.toArray()]).to.deep.equal([
      [0, 1],
      [0, 1],
    ]);
  });

  it('concatenate and zip', async () => {
    expect(
      await counted(2)
        .concatenate(dataset(['a']))
        .toArray(),
    ).to.deep.equal([0, 1, 'a']);
    expect(await zip([counted(3), dataset(['a', 'b'])]).toArray()).to.deep.equal([
      [0, 'a'],
      [1, 'b'],
    ]);
    const named = zip({ x: counted(2), y: counted(9).skip(1) });
    expect(await named.toArray()).to.deep.equal([
      { x: 0, y: 1 },
      { x: 1, y: 2 },
    ]);
    const longer = new Watched();
    await zip([dataset(longer), counted(2)]).toArray();
    expect(longer.closed).to.equal(1);
  });

  it('knows sizes where they can be known', () => {
    const rows = dataset({ x: upTo(10) });
    const file = dataset(['a', 'b', 'c']);
    expect(rows.size).to.equal(10);
    expect(rows.batch(4).size).to.equal(3);
    expect(rows.batch(4, { dropRemainder: true }).size).to.equal(2);
    expect(rows.shuffle(3).take(4).size).to.equal(4);
    expect(rows.skip(12).size).to.equal(0);
    expect(
      file
        .map(() => 1)
        .prefetch(2)
        .cache().size,
    ).to.equal(3);
    expect(file.skip(1).size).to.equal(2);
    expect(file.take(2).size).to.equal(2);
    expect(file.repeat(4).size).to.equal(12);
    expect(file.repeat().size).to.equal(Infinity);
    expect(counted(3).repeat().size).to.equal(Infinity);
    expect(counted(3).repeat(2).size).to.equal(undefined);
    expect(file.repeat().take(5).size).to.equal(5);
    expect(file.concatenate(file).size).to.equal(6);
    expect(zip([file, rows]).size).to.equal(3);
    expect(file.filter(() => true).size).to.equal(undefined);
    expect(counted(3).batch(2).size).to.equal(undefined);
    expect(zip([file, counted(3)]).size).to.equal(undefined);
    expect([
      rows.batched,
      rows.batch(2).batched,
      rows.batch(2).map((b) => b).batched,
      rows.batch(2).unbatch().batched,
    ]).to.deep.equal([false, true, true, false]);
  });

  it('toTensors stacks elements and joins batches', async () => {
    expect((await dataset([{ x: [1, 2] }, { x: [3, 4] }]).toTensors()).x.toArray()).to.deep.equal([
      [1, 2],
      [3, 4],
    ]);
    expect(
      (
        await dataset({ x: upTo(5) })
          .batch(2)
          .toTensors()
      ).x.toArray(),
    ).to.deep.equal(upTo(5));
    expect((await counted(3000).toTensors()).toArray()).to.deep.equal(upTo(3000));
    await expectFailure(() => counted(0).toTensors(), 'ERR_DATA', /at least one element/);
  });
});
