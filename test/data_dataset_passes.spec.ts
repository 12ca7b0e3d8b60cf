/** gs.data.dataset: shuffling, how passes end, what goes wrong. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import * as gs from '../lib/index.js';
import { counted, sorted, upTo, Watched } from './helpers/datasets.js';
import { expectFailure, failure, wrong } from './helpers/failure.js';

const { dataset, zip } = gs.data;

describe('data.dataset: shuffling', () => {
  const numbers = (n: number): gs.data.Dataset<number> => dataset({ x: upTo(n) }).map(({ x }) => x.data[0]!);

  it('gives each element once, in an order that depends on the seed and the pass only', async () => {
    const shuffled = (seed: number) => counted(50).shuffle(50, { seed });
    const ds = shuffled(7);
    const [first, second] = [await ds.toArray(), await ds.toArray()];
    expect(sorted(first)).to.deep.equal(upTo(50));
    expect(sorted(second)).to.deep.equal(upTo(50));
    expect(first).not.to.deep.equal(second);
    const again = shuffled(7);
    expect([await again.toArray(), await again.toArray()]).to.deep.equal([first, second]);
    expect(await again.toArray({ epoch: 1 })).to.deep.equal(second);
    expect(await shuffled(8).toArray()).not.to.deep.equal(first);
    const random = [await counted(50).shuffle(50).toArray(), await counted(50).shuffle(50).toArray()];
    expect(random[0]).not.to.deep.equal(random[1]);
  });

  it('repeats with another order each time, or the same', async () => {
    const orders = async (reshuffleEachEpoch: boolean) => {
      const all = await counted(20).shuffle(20, { seed: 1, reshuffleEachEpoch }).repeat(2).toArray();
      return [all.slice(0, 20), all.slice(20)];
    };
    const [a, b] = await orders(true);
    expect(sorted(b!)).to.deep.equal(upTo(20));
    expect(a).not.to.deep.equal(b);
    const [c, d] = await orders(false);
    expect(c).to.deep.equal(d);
  });

  it('looks no further ahead than its buffer', async () => {
    const source = new Watched(100);
    const order = await dataset(source).shuffle(10, { seed: 3 }).toArray();
    order.forEach((n, i) => expect(n).to.be.lessThanOrEqual(i + 10));
    expect(sorted(order)).to.deep.equal(upTo(100));
    expect(await counted(5).shuffle(1).toArray()).to.deep.equal(upTo(5));
  });

  it('is the same for resident rows as for a stream of them, batched or not', async () => {
    for (const buffer of [1, 7, 100]) {
      const ds = dataset({ x: upTo(40), y: Uint8Array.from(upTo(40)) }).shuffle(buffer, { seed: 11 });
      const expected = await counted(40).shuffle(buffer, { seed: 11 }).toArray({ epoch: 2 });
      expect((await ds.toArray({ epoch: 2 })).map(({ x }) => x.data[0])).to.deep.equal(expected);
      const batches = await ds.batch(16).toArray({ epoch: 2 });
      expect(batches.flatMap(({ x }) => Array.from(x.data))).to.deep.equal(expected);
      expect(batches.flatMap(({ y }) => Array.from(y.data))).to.deep.equal(expected);
      const middle = await ds.skip(5).take(20).toArray({ epoch: 2 });
      expect(middle.map(({ x }) => x.data[0])).to.deep.equal(expected.slice(5, 25));
      const rest = await ds.skip(0).take(40).shuffle(buffer, { seed: 1 }).toArray({ epoch: 2 });
      expect(sorted(rest.map(({ x }) => x.data[0]!))).to.deep.equal(upTo(40));
      const late = await dataset({ x: upTo(40) })
        .skip(9)
        .shuffle(buffer, { seed: 6 })
        .batch(50)
        .toArray({ epoch: 0 });
      const lateStreamed = await counted(40).skip(9).shuffle(buffer, { seed: 6 }).toArray({ epoch: 0 });
      expect(Array.from(late[0]!.x.data)).to.deep.equal(lateStreamed);
      const twice = await ds.shuffle(buffer, { seed: 4 }).toArray({ epoch: 0 });
      const streamed = await counted(40).shuffle(buffer, { seed: 11 }).shuffle(buffer, { seed: 4 }).toArray({ epoch: 0 });
      expect(twice.map(({ x }) => x.data[0])).to.deep.equal(streamed);
    }
  });

  it('gives every order of three elements about as often', async () => {
    const counts = new Map<string, number>();
    const ds = numbers(3).shuffle(3, { seed: 5 });
    for (let i = 0; i < 3000; i++) {
      const order = (await ds.toArray()).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    // 500 of each expected, standard deviation 20; the seed is fixed.
    expect(counts.size).to.equal(6);
    for (const [order, count] of counts) expect(count, order).to.be.within(400, 600);
  });
});

describe('data.dataset: passes', () => {
  it('asks its source for no more than it needs', async () => {
    const source = new Watched();
    const elements = dataset(source)
      .map((n) => n)
      .batch(4)
      .elements();
    await elements.next();
    expect(source.made).to.equal(4);
    await elements.return!();
    expect(source.closed).to.equal(1);
    expect(await elements.next()).to.deep.equal({ done: true, value: undefined });
  });

  it('prefetch makes elements while the consumer works, and only so many', async () => {
    const source = new Watched();
    const elements = dataset(source).prefetch(3).elements();
    await elements.next();
    await sleep(50);
    expect(source.made).to.equal(4);
    await elements.next();
    await sleep(50);
    expect(source.made).to.equal(5);
    await elements.return!();
    expect(source.closed).to.equal(1);
    expect(await counted(5).prefetch(3).toArray()).to.deep.equal(upTo(5));
  });

  it('asks for no more elements than there are, however many may be under way', async () => {
    let asked = 0;
    const source = {
      [Symbol.iterator]: () => ({ next: () => (++asked > 12 ? { done: true, value: 0 } : { done: false, value: asked }) }),
    };
    expect(
      await dataset(source as Iterable<number>)
        .prefetch(1_000_000)
        .map((n) => n, { concurrency: 1024 })
        .toArray(),
    ).to.deep.equal(upTo(13).slice(1));
    expect(asked).to.equal(13);
  });

  it('closes every source when the consumer leaves', async () => {
    const [a, b] = [new Watched(), new Watched()];
    for await (const pair of zip([dataset(a).prefetch(2).shuffle(3), dataset(b).batch(2)]).repeat()) {
      expect(pair).to.have.length(2);
      break;
    }
    expect([a.open, a.closed, b.open, b.closed]).to.deep.equal([1, 1, 1, 1]);
  });

  it('waits until a source that can be closed is closed', async () => {
    let isClosed = false;
    const source = async function* (): AsyncGenerator<number> {
      try {
        yield 1;
        yield 2;
      } finally {
        await sleep(20);
        isClosed = true;
      }
    };
    for await (const _ of dataset(source).map((n) => n)) break;
    expect(isClosed).to.equal(true);
  });

  it('leaves although its source hangs', async () => {
    const source = new Watched(Infinity, 2);
    const taken: number[] = [];
    for await (const n of dataset(source).prefetch(5)) {
      taken.push(n);
      if (n === 1) break;
    }
    expect(taken).to.deep.equal([0, 1]);
    expect(await dataset(source).prefetch(5).take(2).toArray()).to.deep.equal([0, 1]);
    expect(source.closed).to.equal(2);
  });

  it('ends with ERR_ABORTED when its signal says so: before, between and while it waits', async () => {
    const message = 'The pass over the dataset was aborted';
    const reason = new Error('enough');
    const early = await failure(counted(3).toArray({ signal: AbortSignal.abort(reason) }));
    expect([early.code, early.message, early.cause]).to.deep.equal(['ERR_ABORTED', message, reason]);

    const source = new Watched(Infinity, 2);
    const stuck = new AbortController();
    setTimeout(() => stuck.abort(), 5);
    await expectFailure(() => dataset(source).batch(8).toArray({ signal: stuck.signal }), 'ERR_ABORTED', message);
    await sleep(20);
    expect(source.closed).to.equal(1);

    const inMap = new AbortController();
    setTimeout(() => inMap.abort(), 5);
    const never = counted(3).map(() => new Promise<number>(() => undefined), { concurrency: 2 });
    await expectFailure(() => never.toTensors({ signal: inMap.signal }), 'ERR_ABORTED', message);

    const between = new AbortController();
    const elements = counted(3).elements({ signal: between.signal });
    await elements.next();
    between.abort();
    expect((await failure(elements.next())).code).to.equal('ERR_ABORTED');
    expect((await elements.next()).done).to.equal(true);
  });

  it('gives way to the event loop', async () => {
    let fired = false;
    setTimeout(() => (fired = true), 1);
    const deadline = performance.now() + 10_000;
    await dataset({ x: upTo(100) })
      .repeat()
      .filter(() => fired || performance.now() > deadline)
      .take(1)
      .toArray();
    expect(fired).to.equal(true);
  });
});

describe('data.dataset: failures', () => {
  const boom = (at: number) => (n: number) => {
    if (n === at) throw new RangeError('boom');
    return n;
  };

  it('name the element, and keep the error as the cause', async () => {
    const error = await failure(counted(9).map(boom(4)).toArray());
    expect([error.code, error.message]).to.deep.equal(['ERR_DATA', 'map of the dataset failed at element 4: boom']);
    expect(error.cause).to.be.instanceOf(RangeError);
    await expectFailure(
      () =>
        counted(9)
          .filter((n) => Promise.resolve(boom(2)(n) > 0))
          .toArray(),
      'ERR_DATA',
      'filter of the dataset failed at element 2: boom',
    );
    await expectFailure(
      () =>
        dataset({ x: upTo(3) })
          .map(() => gs.tensor([[1], [2, 3]]))
          .toArray(),
      'ERR_SHAPE',
      /^map of the dataset failed at element 0: Expected 1 elements at data\[1\]/,
    );
    const source = dataset(function* () {
      yield 1;
      throw new Error('the disk is gone');
    });
    await expectFailure(
      () => source.batch(4).toArray(),
      'ERR_DATA',
      'source of the dataset failed at element 1: the disk is gone',
    );
    await expectFailure(
      () =>
        counted(2)
          .filter(wrong(() => 'yes'))
          .toArray(),
      'ERR_DATA',
      /expected true or false but received string/,
    );
    await expectFailure(
      () => dataset(['a']).unbatch().toArray(),
      'ERR_DTYPE',
      /^unbatch of the dataset failed at element 0: .* "a"/,
    );
  });

  it('come after the elements before them, also with several under way', async () => {
    for (const concurrent of [
      counted(9).map(async (n) => boom(3)((await sleep(n === 1 ? 10 : 1), n)), { concurrency: 4 }),
      counted(9).map(boom(3)).prefetch(5),
    ]) {
      const seen: number[] = [];
      const error = await failure(async () => {
        for await (const n of concurrent) seen.push(n);
      });
      expect(seen).to.deep.equal([0, 1, 2]);
      expect(error.message).to.equal('map of the dataset failed at element 3: boom');
    }
  });

  it('close the source', async () => {
    const source = new Watched();
    await failure(dataset(source).prefetch(2).map(boom(1)).toArray());
    expect(source.closed).to.equal(1);
  });

  it('name elements of a batch that are unlike the first', async () => {
    const batch =
      (...elements: unknown[]) =>
      () =>
        dataset(wrong([{ x: [0] }, { x: [0] }, ...elements]))
          .batch(2)
          .toArray();
    await expectFailure(
      batch({ x: [1, 2] }, { x: [1] }),
      'ERR_SHAPE',
      'Expected shape [2] for x of element 3, as in element 2, but received [1]: paddedBatch fills up what is shorter',
    );
    await expectFailure(
      batch({ x: [1] }, { x: Uint8Array.of(1) }),
      'ERR_DTYPE',
      'Expected float32 for x of element 3, as in element 2, but received uint8',
    );
    await expectFailure(batch({ x: [1] }, { y: [1] }), 'ERR_SHAPE', /^Expected a record of x, as in element 2, for element 3/);
    await expectFailure(
      batch({ x: [1] }, { x: { y: 1 } }),
      'ERR_SHAPE',
      /^Expected a tensor, as in element 2, for x of element 3/,
    );
    await expectFailure(batch({ x: 'a' }, { x: 'b' }), 'ERR_DTYPE', /for x but received "a"/);
  });

  const options: [what: string, message: string | RegExp, run: () => unknown][] = [
    ['map', 'Expected function for dataset.map but received 3 of type number', () => counted(1).map(wrong(3))],
    ['concurrency', /dataset.map.concurrency but received 0/, () => counted(1).map((n) => n, { concurrency: 0 })],
    ['filter', /^Expected function for dataset.filter/, () => counted(1).filter(wrong('x'))],
    ['shuffle', /dataset.shuffle.bufferSize but received 0/, () => counted(1).shuffle(0)],
    ['a seed', /dataset.shuffle.seed but received -1/, () => counted(1).shuffle(1, { seed: -1 })],
    ['an order', /dataset.shuffle.reshuffleEachEpoch/, () => counted(1).shuffle(1, { reshuffleEachEpoch: wrong(1) })],
    ['a misspelling', /did you mean "reshuffleEachEpoch"/, () => counted(1).shuffle(1, wrong({ reshuffleEachEpochs: true }))],
    ['batch', /dataset.batch.size but received 1.5/, () => counted(1).batch(1.5)],
    ['a remainder', /dataset.batch.dropRemainder/, () => counted(1).batch(1, { dropRemainder: wrong('no') })],
    ['repeat', /dataset.repeat.times but received -1/, () => counted(1).repeat(-1)],
    ['take', /dataset.take.size but received -1/, () => counted(1).take(-1)],
    ['skip', /dataset.skip.size but received NaN/, () => counted(1).skip(NaN)],
    ['prefetch', /dataset.prefetch.size but received 0/, () => counted(1).prefetch(0)],
    ['concatenate', /^Expected Dataset for dataset.concatenate.other/, () => counted(1).concatenate(wrong([1]))],
    ['zip', /^Expected Dataset for data.zip.datasets.1/, () => zip(wrong([counted(1), 2]))],
    ['zip of nothing', /at least one dataset/, () => zip([])],
    ['zip of a word', /array or record of datasets/, () => zip(wrong('ab'))],
    ['a signal', /^Expected AbortSignal for dataset.elements.signal/, () => counted(1).elements({ signal: wrong(1) })],
    ['an epoch', /dataset.toTensors.epoch but received -1/, () => counted(1).toTensors({ epoch: -1 })],
  ];
  for (const [what, message, run] of options) it(`of options: ${what}`, () => expectFailure(run, 'ERR_OPTION', message));
});
