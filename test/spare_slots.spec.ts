/**
 * Spare slots: what is written to them while steps run, and which steps see it. On CUDA the emulation also refuses copies
 * and steps that nothing orders.
 */
import { expect } from 'chai';
import type { NativeSession } from '../binding.js';
import { encodeProgram } from '../lib/compile/encode.js';
import { assign, lower } from '../lib/compile/lower.js';
import { DTYPES } from '../lib/graph/dtype.js';
import { Graph, type Variable } from '../lib/graph/graph.js';
import { advance, gather } from '../lib/ops/gather.js';
import { elementwise } from '../lib/ops/map.js';
import { spareOf } from '../lib/runtime/session.js';
import { backends, openSession, type TestBackend } from './helpers/backends.js';
import { expectRejection } from './helpers/native_session.js';

const SLOT = 5;
const SPARE = spareOf(SLOT);
const WIDTH = 1000;
const STATE = { offset: 0, bytes: 16 };
const SUM = { offset: 128, bytes: 4 * WIDTH };

/** sum += the slot's first row. */
function summing(backend: TestBackend['kind']): Uint8Array {
  const state: Variable = { name: 'state', shape: [4], dtype: 'int32' };
  const flag: Variable = { name: 'flag', shape: [4], dtype: 'int32' };
  const sum: Variable = { name: 'sum', shape: [1, WIDTH], dtype: 'float32' };
  const graph = new Graph();
  const from = { slot: SLOT, indexSlot: -1, source: 'float32', dtype: 'float32', shape: [1, WIDTH] } as const;
  const row = gather(graph, from, graph.read(state), graph.read(flag));
  assign(sum, elementwise('add', graph.read(sum), row));
  advance(graph.read(state), 1, 0);
  const offsets = new Map([
    [state, STATE.offset],
    [flag, 64],
    [sum, SUM.offset],
  ]);
  const persistentBytes = (): number => SUM.offset + SUM.bytes;
  return encodeProgram(lower(graph, { name: 'summing', backend, offsetOf: (v) => offsets.get(v)!, persistentBytes }));
}

for (const backend of backends()) {
  describe(`spare slots, ${backend.name}`, () => {
    let session: NativeSession;
    let entry: number;

    beforeEach(async () => {
      session = openSession(backend);
      entry = await session.load(summing(backend.kind));
    });

    afterEach(() => session.dispose());

    const allocate = (slot: number, rows = 1): Promise<void> => session.allocateSlot(slot, DTYPES.float32.code, rows, WIDTH);
    const fill = (slot: number, value: number): Promise<void> =>
      session.write({ region: 'slot', slot, offset: 0 }, new Float32Array(WIDTH).fill(value));
    const run = async (steps: number): Promise<number> => (await session.run(entry, steps, 0, STATE)).steps;
    /** The sum, which is the same in every column. */
    const sum = async (): Promise<number> => {
      const all = new Float32Array(await session.read({ region: 'persistent', ...SUM }));
      expect(all.every((v) => v === all[0])).to.equal(true);
      return all[0]!;
    };

    it('are seen by the steps that come after their turn', async () => {
      await allocate(SLOT);
      await fill(SLOT, 1);
      await run(2);
      await allocate(SPARE);
      await fill(SPARE, 10);
      await run(3);
      expect(await sum()).to.equal(5);
      await session.turnSlot(SLOT);
      await run(4);
      expect(await sum()).to.equal(45);
      await session.turnSlot(SLOT);
      await run(1);
      expect(await sum()).to.equal(46);
    });

    it('take turns, each filled while the other is read', async () => {
      let expected = 0;
      for (let turn = 1; turn <= 6; turn++) {
        // Nothing is awaited in between: calls are done in their order.
        const filled = turn <= 2 ? [allocate(SPARE), fill(SPARE, turn)] : [fill(SPARE, turn)];
        await Promise.all([...filled, session.turnSlot(SLOT), run(20)]);
        expected += 20 * turn;
      }
      expect(await sum()).to.equal(expected);
    });

    it('are allocated, filled and released while steps run', async () => {
      await allocate(SLOT);
      await fill(SLOT, 1);
      // Only `stop` ends this run, and it is called when the rest is done.
      const running = run(1e9);
      await allocate(SPARE, 1000);
      await session.releaseSlot(SPARE);
      await allocate(SPARE);
      await fill(SPARE, -1);
      session.stop();
      const steps = await running;
      expect(steps).to.be.within(1, 1e9 - 1);
      const before = await sum();
      // Sums of ones are exact up to 2 ** 24.
      expect(before).to.equal(Math.min(steps, 2 ** 24));
      await session.turnSlot(SLOT);
      await run(1);
      expect(await sum()).to.equal(before - 1);
    });

    it('may differ from the slot in length, and be all there is', async () => {
      await allocate(SPARE, 3);
      await session.turnSlot(SLOT);
      await fill(SLOT, 2);
      await run(1);
      expect(await sum()).to.equal(2);
      expect((await session.memory()).slots).to.equal(3 * 4 * WIDTH);
      await expectRejection(session.turnSlot(SLOT), 'ERR_OPTION', `There is no spare of slot ${SLOT}`);
      await expectRejection(fill(SPARE, 1), 'ERR_OPTION', `There is no slot ${SPARE}`);
    });

    it('cannot be turned or named beyond the last', async () => {
      await expectRejection(session.turnSlot(128), 'ERR_OPTION', 'Expected integer >= 0 and <= 127 for slot');
      await expectRejection(allocate(256), 'ERR_OPTION', 'Expected integer >= 0 and <= 255 for slot');
    });
  });
}
