/** dataset.skip: whatever stages stand before it, what is left is the rest of what came without it, and no more is made than must be. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { counted, upTo } from './helpers/datasets.js';

const { dataset, zip } = gs.data;
type Numbers = gs.data.Dataset;

const rows = (n: number): Numbers => dataset({ x: Float32Array.from(upTo(n)), y: Int32Array.from(upTo(n)) });

/** Elements as plain values. */
async function valuesOf(from: Numbers, epoch: number): Promise<unknown[]> {
  return JSON.parse(JSON.stringify(await from.toArray({ epoch }))) as unknown[];
}

const CHAINS: Readonly<Record<string, () => Numbers>> = {
  'resident rows': () => rows(23),
  'rows of a part': () => rows(23).skip(2).take(17),
  'shuffled rows': () => rows(23).shuffle(5, { seed: 1 }),
  'a list': () => dataset(upTo(23).map((i) => ({ i }))),
  'a generator': () => counted(23),
  filter: () => counted(40).filter((i) => i % 2 === 0),
  'map with its index': () => counted(23).map((element, index) => [element, index]),
  'map with promises': () => counted(23).map((element, index) => Promise.resolve([element, index]), { concurrency: 4 }),
  prefetch: () => counted(23).prefetch(3),
  shuffle: () => counted(23).shuffle(6, { seed: 3 }),
  'repeat of a known size': () => rows(7).shuffle(7, { seed: 2 }).repeat(3),
  'repeat of an unknown size': () => counted(7).repeat(3),
  concatenate: () => rows(9).concatenate(rows(14)),
  'concatenate of an unknown size': () => counted(9).concatenate(counted(14)),
  'take and skip': () => counted(40).skip(4).take(23),
  'batch of rows': () => rows(95).batch(4),
  'batch of shuffled rows, without the rest': () => rows(95).shuffle(95, { seed: 5 }).batch(4, { dropRemainder: true }),
  'batch of a generator': () => counted(95).batch(4),
  'batch of repeated rows': () => rows(31).repeat(3).batch(4),
  paddedBatch: () =>
    counted(95)
      .map((i) => ({ x: new Float32Array((i % 5) + 1).fill(i) }))
      .paddedBatch(4),
  'unbatch of uneven batches': () => counted(23).batch(5).unbatch(),
  'batches of uneven batches': () => rows(95).batch(7).unbatch().batch(4),
  'as batches': () =>
    counted(23)
      .map((i) => ({ x: gs.tensor([i, i]) }))
      .asBatches(),
  zip: () => zip([rows(23), counted(30)]),
  'records of several': () => zip({ a: counted(23), b: rows(25).shuffle(25, { seed: 8 }) }),
  'a cache that is filled': () => counted(23).cache(),
  'repeat of a shuffled cache': () => rows(7).shuffle(7, { seed: 4 }).cache().repeat(3),
  'a shuffled cache': () => rows(23).shuffle(23, { seed: 4 }).batch(1).cache(),
  'repeat of a cache': () => counted(7).cache().repeat(3),
};

describe('data.dataset: skip', () => {
  for (const [name, make] of Object.entries(CHAINS)) {
    it(`of ${name}`, async () => {
      for (const epoch of [0, 1]) {
        const chain = make();
        const all = await valuesOf(chain, epoch);
        expect(all.length).to.be.greaterThan(16);
        for (const count of [0, 1, 5, 7, 13, all.length - 1, all.length, all.length + 3]) {
          // Caches that were filled, and others that were not.
          for (const from of [chain, make()]) {
            expect(await valuesOf(from.skip(count), epoch), `${count}`).to.deep.equal(all.slice(count));
            expect(await valuesOf(from.skip(1).skip(count), epoch), `1 + ${count}`).to.deep.equal(all.slice(1 + count));
            expect(await valuesOf(from.skip(count).take(3), epoch), `${count}, then 3`).to.deep.equal(
              all.slice(count, count + 3),
            );
            expect(await valuesOf(from.take(9).skip(count), epoch), `${count} of 9`).to.deep.equal(all.slice(count, 9));
          }
        }
      }
    });
  }

  it('does not make what is left out', async () => {
    const made: number[] = [];
    const noted = rows(50)
      .map((element) => {
        const { y } = element as gs.data.Sample;
        made.push(Number((y as gs.Tensor).data[0]));
        return { y };
      })
      .prefetch(1);
    await noted.batch(5).skip(8).toArray();
    expect(made).to.deep.equal(upTo(50).slice(40));
    made.length = 0;
    await noted.repeat().skip(1_000_000_012).take(2).toArray();
    expect(made.slice(0, 2)).to.deep.equal([12, 13]);
  });

  it('a cache keeps all, also what its first pass left out', async () => {
    let made = 0;
    const cached = counted(10)
      .map((i) => (made++, i))
      .cache();
    expect(await cached.skip(4).toArray()).to.deep.equal(upTo(10).slice(4));
    expect(await cached.toArray()).to.deep.equal(upTo(10));
    expect(made).to.equal(10);
  });
});
