/**
 * Streams of several chunks: the next is made and copied while steps run on the one before, and the numbers are those of data
 * that lies on the device. On CUDA the emulation also refuses copies and steps that nothing orders.
 */
import { expect } from 'chai';
import { GradstepError } from '../lib/errors.js';
import * as gs from '../lib/index.js';
import type { Samples } from '../lib/data/samples.js';
import { Session, spareOf } from '../lib/runtime/session.js';
import { Feed } from '../lib/train/feed.js';
import type { SampleSlots } from '../lib/train/resident.js';
import type { Chunk } from '../lib/train/stream.js';
import { Traced } from './helpers/emulation.js';
import { expectFailure } from './helpers/failure.js';
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

    it('predict like arrays, also where the last batch has fewer rows', async () => {
      using model = network(device);
      for (const [rows, batchSize] of [
        [ROWS, 1],
        [ROWS - 1, 2],
      ] as const) {
        const resident = await model.predict(x.rows(0, rows), { batchSize });
        const predicted = await model.predict(gs.data.dataset({ x }).take(rows).batch(batchSize));
        expect(predicted.shape).to.deep.equal([rows, 1]);
        expect([...predicted.data]).to.deep.equal([...resident.data]);
      }
    });

    it('predict several outputs of several inputs', async () => {
      const [a, b] = [gs.input({ shape: [3], name: 'a' }), gs.input({ shape: [3], name: 'b' })];
      const both = gs.layers.concatenate().apply([a, b]);
      const outputs = [2, 1].map((units) => gs.layers.dense({ units }).apply(both));
      using model = gs.model({ inputs: [a, b], outputs });
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 1 });
      const resident = await model.predictAll({ a: x, b: x }, { batchSize: 1 });
      const predicted = await model.predictAll(gs.data.dataset({ x: { a: x, b: x } }).batch(1));
      expect(predicted.map(({ shape }) => shape)).to.deep.equal([
        [ROWS, 2],
        [ROWS, 1],
      ]);
      expect(predicted.map(({ data }) => [...data])).to.deep.equal(resident.map(({ data }) => [...data]));
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
  const { run, handOverSlot } = Session.prototype;

  afterEach(() => {
    Object.assign(Session.prototype, { run, handOverSlot });
  });

  /**
   * Holds back the end of every run until the next chunk has been copied, which ends with `last`; runs on the last chunk have none
   * to wait for.
   */
  function endRunsAfterCopies(last: 'x' | 'y'): { copied: number } {
    const seen = { copied: 0 };
    let ran = 0;
    let tell = (): void => undefined;
    Session.prototype.handOverSlot = async function (slot, tensor, name) {
      const handed = await handOverSlot.call(this, slot, tensor, name);
      await handed.copied;
      if (slot >= spareOf(0) && name === last) {
        seen.copied++;
        tell();
      }
      return handed;
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
    const seen = endRunsAfterCopies('y');
    using model = network('cpu');
    await model.fit(gs.data.dataset({ x, y }).batch(1), { epochs: 1 });
    expect(seen.copied).to.equal(CHUNKS);
  });

  it('evaluate has the next one copied', async () => {
    const seen = endRunsAfterCopies('y');
    using model = network('cpu');
    await model.evaluate(gs.data.dataset({ x, y }).batch(1));
    expect(seen.copied).to.equal(CHUNKS);
  });

  it('predict has the next one copied', async () => {
    const seen = endRunsAfterCopies('x');
    using model = network('cpu');
    await model.predict(gs.data.dataset({ x }).batch(1));
    expect(seen.copied).to.equal(CHUNKS);
  });
});

describe('chunks on CUDA', () => {
  const uses: Record<string, (model: gs.Sequential) => Promise<unknown>> = {
    fit: (model) => model.fit(gs.data.dataset({ x, y }).batch(1), { epochs: 1 }),
    evaluate: (model) => model.evaluate(gs.data.dataset({ x, y }).batch(1)),
    predict: (model) => model.predict(gs.data.dataset({ x }).batch(1)),
  };
  for (const [name, use] of Object.entries(uses)) {
    it(`are copied on a stream of their own by ${name}`, async () => {
      const traced = new Traced();
      try {
        using model = network('cuda-emulated');
        await use(model);
        const trace = traced.take();
        const launching = new Set(trace.filter(([what]) => what === 'launch').map(([, , stream]) => stream));
        const copies = trace.filter(([what, , stream]) => what === 'copy' && !launching.has(stream));
        const columns = name === 'predict' ? [3] : [3, 1];
        const bytes = [64, 64, 22].flatMap((rows) => columns.map((n) => 4 * rows * n));
        expect(copies.map(([, count]) => count)).to.deep.equal(bytes);
        expect(new Set(copies.map(([, , stream]) => stream)).size).to.equal(1);
      } finally {
        traced.end();
      }
    });
  }
});

describe('predictions of a stream', () => {
  const row = (): { x: gs.Tensor } => ({ x: new gs.Tensor(new Float32Array(3), [3]) });

  it('end when their signal says so', async () => {
    using model = network('cpu');
    const controller = new AbortController();
    let made = 0;
    const endless = gs.data.dataset(function* () {
      for (; ; made++) {
        if (made === ROWS) controller.abort();
        yield row();
      }
    });
    await expectFailure(() => model.predict(endless.batch(1), { signal: controller.signal }), 'ERR_ABORTED', /aborted/);
    expect((await model.predict(x)).shape).to.deep.equal([ROWS, 1]);
  });

  it('end with the error of what makes the data', async () => {
    using model = network('cpu');
    const failing = gs.data.dataset(function* () {
      for (let i = 0; i < 100; i++) yield row();
      throw new GradstepError('ERR_DATA', 'the disk is gone');
    });
    await expectFailure(() => model.predict(failing.batch(1)), 'ERR_DATA', /the disk is gone/);
    expect((await model.predict(x)).shape).to.deep.equal([ROWS, 1]);
  });

  it('count rows from the beginning of the stream when they tell of a mistake', async () => {
    using model = gs.sequential([gs.layers.embedding({ inputDim: 5, outputDim: 2, inputShape: [1] })]);
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const indices = Int32Array.from({ length: ROWS }, (_, i) => (i === 100 ? 9 : i % 5));
    const data = gs.data.dataset({ x: new gs.Tensor(indices, [ROWS, 1]) }).batch(1);
    await expectFailure(() => model.predict(data), 'ERR_INDEX_RANGE', /received 9 in row 100 of x/);
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
