/**
 * Streams of several chunks: the next is made and copied while steps run on the one before, and the numbers are those of data
 * that lies on the device. On CUDA the emulation also refuses copies and steps that nothing orders.
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import type { Samples } from '../lib/data/samples.js';
import { Session, spareOf } from '../lib/runtime/session.js';
import { Feed } from '../lib/train/feed.js';
import type { SampleSlots } from '../lib/train/resident.js';
import type { Chunk } from '../lib/train/stream.js';
import { weightedRows } from './helpers/rows.js';

// Batches of one row: chunks have 64 of them, so there are 64, 64 and 22.
const ROWS = 150;
const CHUNKS = 3;
const { x, y, weights } = weightedRows(ROWS);
const streamed = () => gs.data.dataset({ x, y, sampleWeight: weights }).batch(1);

function network(device: string): gs.Sequential {
  const model = gs.sequential([
    gs.layers.dense({ units: 4, activation: 'tanh', inputShape: [3] }),
    gs.layers.dropout({ rate: 0.2 }),
    gs.layers.dense({ units: 1 }),
  ]);
  const loss = 'meanSquaredError';
  model.compile({ optimizer: 'adam', loss, metrics: ['meanAbsoluteError'], device, threads: 1, seed: 4 });
  return model;
}

const plain = async (model: gs.Model) => (await model.getWeights()).map((t) => [...t.data]);

for (const device of ['cpu', 'cuda-emulated']) {
  describe(`streams of several chunks on ${device}`, () => {
    it('train like arrays, bit for bit', async () => {
      using a = network(device);
      using b = network(device);
      const resident = await a.fit(x, y, { shuffle: false, epochs: 2, batchSize: 1, sampleWeight: weights });
      expect(await b.fit(streamed(), { epochs: 2 })).to.deep.equal(resident);
      expect(await plain(b)).to.deep.equal(await plain(a));
    });

    it('evaluate like arrays', async () => {
      using model = network(device);
      const resident = await model.evaluate(x, y, { batchSize: 1, sampleWeight: weights });
      expect(await model.evaluate(streamed())).to.deep.equal(resident);
    });

    it('train when chunks grow and shrink from one pass to the next', async () => {
      using a = network(device);
      using b = network(device);
      for (const rows of [70, 150, 3]) {
        const options = { shuffle: false, epochs: 1, batchSize: 1 } as const;
        await a.fit(x.rows(0, rows), y.rows(0, rows), options);
        await b.fit(gs.data.dataset({ x, y }).take(rows).batch(1));
      }
      expect(await plain(b)).to.deep.equal(await plain(a));
    });
  });
}

describe('while steps run on a chunk', () => {
  const { run, writeSlot } = Session.prototype;

  afterEach(() => {
    Object.assign(Session.prototype, { run, writeSlot });
  });

  /** Holds back the end of every run until the next chunk has been copied; runs on the last have none to wait for. */
  function endRunsAfterCopies(): { copied: number } {
    const seen = { copied: 0 };
    let ran = 0;
    let tell = (): void => undefined;
    Session.prototype.writeSlot = async function (slot, tensor, name) {
      await writeSlot.call(this, slot, tensor, name);
      // The labels are copied last.
      if (slot < spareOf(0) || name !== 'y') return;
      seen.copied++;
      tell();
    };
    Session.prototype.run = async function (stretches, report) {
      const result = await run.call(this, stretches, report);
      ran += result.steps;
      const chunk = Math.ceil(ran / 64);
      while (seen.copied < Math.min(chunk + 1, CHUNKS)) await new Promise<void>((heard) => (tell = heard));
      return result;
    };
    return seen;
  }

  it('fit has the next one copied', async () => {
    const seen = endRunsAfterCopies();
    using model = network('cpu');
    await model.fit(gs.data.dataset({ x, y }).batch(1), { epochs: 1 });
    expect(seen.copied).to.equal(CHUNKS);
  });

  it('evaluate has the next one copied', async () => {
    const seen = endRunsAfterCopies();
    using model = network('cpu');
    await model.evaluate(gs.data.dataset({ x, y }).batch(1));
    expect(seen.copied).to.equal(CHUNKS);
  });
});

describe('a feed', () => {
  const chunk = (rows: number): Chunk => ({ samples: { x: [x.rows(0, rows)], y: [], weights: [] }, batchSize: 1 });

  /** What it asks of the slots, as text. */
  function recorded(fails = false): { log: string[]; slots: SampleSlots } {
    const log: string[] = [];
    const slots = {
      stage: (samples: Samples): Promise<void> => {
        log.push(`stage ${samples.x[0]!.shape[0]}`);
        return fails ? Promise.reject(new Error('no room')) : Promise.resolve();
      },
      turn: (): Promise<void> => {
        log.push('turn');
        return Promise.resolve();
      },
    };
    return { log, slots: slots as unknown as SampleSlots };
  }

  async function* chunks(log: string[], ...rows: number[]): AsyncGenerator<Chunk, void, undefined> {
    await Promise.resolve();
    try {
      for (const n of rows) yield chunk(n);
    } finally {
      log.push('left');
    }
  }

  const settled = (): Promise<void> => new Promise((tick) => setImmediate(tick));

  it('copies the next chunk when it is told to, and turns when it is asked for it', async () => {
    const { log, slots } = recorded();
    const feed = new Feed(chunks(log, 2, 3), slots);
    expect((await feed.take())!.samples.x[0]!.shape[0]).to.equal(2);
    expect(log).to.deep.equal(['stage 2', 'turn']);
    feed.prepare();
    feed.prepare();
    await settled();
    expect(log).to.deep.equal(['stage 2', 'turn', 'stage 3']);
    expect((await feed.take())!.samples.x[0]!.shape[0]).to.equal(3);
    expect(await feed.take()).to.equal(undefined);
    await feed.close();
    expect(log).to.deep.equal(['stage 2', 'turn', 'stage 3', 'turn', 'left']);
  });

  it('tells of a failure when the chunk is asked for', async () => {
    const { log, slots } = recorded(true);
    const feed = new Feed(chunks(log, 2), slots);
    feed.prepare();
    await settled();
    await feed.take().then(
      () => expect.fail('took a chunk that could not be copied'),
      (error: Error) => expect(error.message).to.equal('no room'),
    );
    await feed.close();
    expect(log).to.deep.equal(['stage 2', 'left']);
  });

  it('waits for what it copies before it leaves the stream', async () => {
    const { log, slots } = recorded();
    const feed = new Feed(chunks(log, 2, 3), slots);
    feed.prepare();
    await feed.close();
    expect(log).to.deep.equal(['stage 2', 'left']);
  });
});
