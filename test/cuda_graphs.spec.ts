/**
 * Which graphs the CUDA backend launches, on the emulated device: short steps run several to a graph, no batch of steps
 * takes longer than two milliseconds, and nobody can tell from the numbers. Events tell the time of a device whose
 * kernels take as long as the test says.
 */
import { expect } from 'chai';
import type { NativeSession } from '../binding.js';
import * as gs from '../lib/index.js';
import { COUNTERS, countingProgram, DOUBLED, emulatedSession, Traced, type Trace } from './helpers/emulation.js';
import { weightedRows } from './helpers/rows.js';

/** Kernels of the counting program's step. */
const NODES = 2;

describe('CUDA graphs', () => {
  let traced: Traced;
  let session: NativeSession;

  function open(pace: number): void {
    traced = new Traced(pace);
    session = emulatedSession();
  }

  afterEach(async () => {
    await session.dispose();
    traced.end();
  });

  const steps = (what: string, trace: Trace, nodes = NODES): number[] =>
    trace.filter(([name]) => name === what).map(([, count]) => count / nodes);
  const counted = async (): Promise<number> => new Int32Array(await session.read({ region: 'persistent', ...COUNTERS }))[0]!;
  const run = async (entry: number, n: number, budget = 0): Promise<number> =>
    (await session.run(entry, n, budget, COUNTERS)).steps;

  // The first two steps tell how long one takes; after them come batches of 64, and what is left.
  const HUNDRED = [1, 1, ...Array<number>(6).fill(16), 1, 1];

  it('hold 16 short steps; what does not fit is launched step by step', async () => {
    open(10);
    const entry = await session.load(countingProgram());
    expect(steps('capture', traced.take())).to.deep.equal([1]);
    expect(await run(entry, 100)).to.equal(100);
    const first = traced.take();
    expect(steps('launch', first)).to.deep.equal(HUNDRED);
    expect(steps('capture', first)).to.deep.equal([16]);
    expect(await run(entry, 100)).to.equal(100);
    const second = traced.take();
    expect(steps('launch', second)).to.deep.equal(HUNDRED);
    expect(steps('capture', second), 'captured once').to.deep.equal([]);
    expect(await counted()).to.equal(200);
  });

  it('are of one step in runs that are too short', async () => {
    open(10);
    const entry = await session.load(countingProgram());
    expect(await run(entry, 17)).to.equal(17);
    const trace = traced.take();
    expect(steps('launch', trace)).to.deep.equal(Array(17).fill(1));
    expect(steps('capture', trace)).to.deep.equal([1]);
  });

  it('are of one step where 16 would take longer than two milliseconds', async () => {
    open(100); // 200 µs a step: batches of 10
    const entry = await session.load(countingProgram());
    expect(await run(entry, 100)).to.equal(100);
    const trace = traced.take();
    expect(steps('launch', trace)).to.deep.equal(Array(100).fill(1));
    expect(steps('capture', trace)).to.deep.equal([1]);
    expect(await counted()).to.equal(100);
  });

  it('batches are whole graphs where that fits into two milliseconds', async () => {
    open(40); // 80 µs a step: batches of 25, of which 16 are a graph
    const entry = await session.load(countingProgram());
    expect(await run(entry, 50)).to.equal(50);
    expect(steps('launch', traced.take())).to.deep.equal([1, 1, 16, 16, 16]);
  });

  it('hold at most 512 nodes', async () => {
    open(0.1);
    for (const [nodes, held] of [
      [32, 16],
      [33, 8],
      [256, 2],
      [257, 1],
    ] as const) {
      const entry = await session.load(countingProgram(128, nodes - 1));
      expect(await run(entry, 66)).to.equal(66);
      const expected = [1, 1, ...Array<number>(64 / held).fill(held)];
      expect(steps('launch', traced.take(), nodes), `${nodes} nodes a step`).to.deep.equal(expected);
    }
  });

  it('are made anew when memory has moved, and count and double on', async () => {
    open(10);
    const entry = await session.load(countingProgram());
    await session.write({ region: 'persistent', offset: DOUBLED.offset }, new Float32Array([2 ** -100]));
    expect(await run(entry, 100)).to.equal(100);
    await session.reserve(1 << 16);
    traced.take();
    expect(await run(entry, 100)).to.equal(100);
    const trace = traced.take();
    expect(steps('launch', trace)).to.deep.equal(HUNDRED);
    expect(steps('capture', trace)).to.deep.equal([1, 16]);
    expect(await counted()).to.equal(200);
    const [doubled] = new Float32Array(await session.read({ region: 'persistent', ...DOUBLED }));
    expect(doubled).to.equal(2 ** 100);
  });

  it('end at the budget, having finished the steps that the run says', async () => {
    open(10);
    const entry = await session.load(countingProgram());
    const ran = await run(entry, 1e9, 100);
    expect(ran).to.be.within(1, 1e9 - 1);
    expect(await counted()).to.equal(ran);
    const launched = steps('launch', traced.take());
    expect(launched).to.include(16);
    expect(launched.reduce((a, b) => a + b)).to.equal(ran);
  });

  it('end when they are stopped, having finished the steps that the run says', async () => {
    open(10);
    const entry = await session.load(countingProgram());
    const running = run(entry, 1e9);
    // The trace shows that the run is under way; nothing but `stop` would end it.
    while (!steps('launch', traced.take()).includes(16)) await new Promise((tick) => setTimeout(tick, 1));
    session.stop();
    const ran = await running;
    expect(ran).to.be.within(1, 1e9 - 1);
    expect(await counted()).to.equal(ran);
  });
});

describe('training with several steps a graph', () => {
  const ROWS = 75;
  const { x, y } = weightedRows(ROWS);

  /** Two epochs, and what was launched meanwhile. */
  async function train(callbacks: gs.Callback[]): Promise<{ loss: number[]; weights: number[][]; launches: number }> {
    const traced = new Traced(1);
    try {
      using model = gs.sequential([
        gs.layers.dense({ units: 4, activation: 'tanh', inputShape: [3] }),
        gs.layers.dropout({ rate: 0.2 }),
        gs.layers.dense({ units: 1 }),
      ]);
      model.compile({ optimizer: 'adam', loss: 'meanSquaredError', device: 'cuda-emulated', seed: 4 });
      const { loss } = await model.fit(x, y, { epochs: 2, batchSize: 1, callbacks });
      const weights = (await model.getWeights()).map((t) => [...t.data]);
      return { loss, weights, launches: traced.take().filter(([what]) => what === 'launch').length };
    } finally {
      traced.end();
    }
  }

  it('has the bits of single steps', async () => {
    const several = await train([]);
    const single = await train([{ onBatchEnd: () => undefined }]);
    expect(single.launches).to.equal(2 * ROWS);
    // 2 + 64 / 16 + 9 graphs an epoch, if a graph holds 16 steps; it holds at least 8.
    expect(several.launches).to.be.at.most(2 * (2 + 8 + 9));
    expect(several.loss).to.deep.equal(single.loss);
    expect(several.weights).to.deep.equal(single.weights);
  });
});
