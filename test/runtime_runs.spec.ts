/** Runs of the addon's Session on the real CPU and the fake device: budgets, the order of calls, stopping, disposing, devices that fail. */
import { expect } from 'chai';
import {
  addon,
  COUNTER,
  counted,
  cpuSession,
  EMPTY_PROGRAM,
  expectRejection,
  FAKE_PLUGIN,
  fakeSession,
} from './helpers/native_session.js';

describe('native session: running', () => {
  it('reports steps, time and the bytes asked for', async () => {
    const session = fakeSession(0);
    const entry = await session.load(EMPTY_PROGRAM);
    const run = await session.run(entry, 4, 0, COUNTER);
    expect(run.steps).to.equal(4);
    expect(run.seconds).to.be.at.least(0.02);
    expect(counted(run.report)).to.equal(4);
    await session.dispose();
  });

  it('tells the device whether it shall be deterministic', async () => {
    for (const [options, workspace] of [
      [{}, 2],
      [{ deterministic: false }, 2],
      [{ deterministic: true }, 1],
    ] as const) {
      const session = new addon.Session({ device: 'cuda:0', threads: 0, plugin: FAKE_PLUGIN, ...options });
      expect((await session.memory()).workspace).to.equal(workspace);
      await session.dispose();
    }
  });

  it('has no choices on the CPU, and takes none', async () => {
    const session = cpuSession();
    await session.recallChoices({ device: 'a GPU', taken: [['a', '00']] });
    expect(await session.choices()).to.deep.equal({ device: '', taken: [] });
    await session.dispose();
  });

  it('profiles: when each run began, and when each of its steps had ended', async () => {
    const session = fakeSession(0);
    const entry = await session.load(EMPTY_PROGRAM);
    // The fake's clock: a step a second.
    expect([...(await session.profile(entry, 3, 0))]).to.deep.equal([0, 1, 1, 2, 2, 3]);
    expect((await session.profile(entry, 1_000_000, 30)).length).to.be.within(2, 12);
    await expectRejection(session.profile(entry + 1, 1, 0), 'ERR_OPTION', 'No program is loaded as entry');
    await session.dispose();
    await expectRejection(session.profile(entry, 1, 0), 'ERR_DISPOSED', 'The session was disposed');
  });

  it('ends at the budget', async () => {
    const session = fakeSession(0);
    const run = await session.run(await session.load(EMPTY_PROGRAM), 1_000_000, 30, COUNTER);
    expect(run.steps).to.be.within(1, 6);
    await session.dispose();
  });

  for (const [device, make] of [
    ['the CPU', cpuSession],
    ['another device', () => fakeSession(0)],
  ] as const) {
    it(`gives way to what waits, long before the budget is spent: on ${device}`, async () => {
      const session = make();
      await session.reserve(64);
      const entry = await session.load(EMPTY_PROGRAM);
      const [run, memory] = await Promise.all([session.run(entry, 2 ** 50, 1e9, COUNTER), session.memory()]);
      expect(run.steps).to.be.within(1, 2 ** 40);
      expect(memory.persistent).to.be.at.least(64);
      await session.dispose();
    });
  }

  it('does not block the event loop', async () => {
    const session = fakeSession(1);
    const entry = await session.load(EMPTY_PROGRAM);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await session.run(entry, 1, 0, COUNTER);
    clearInterval(timer);
    expect(ticks).to.be.greaterThan(10);
    await session.dispose();
  });

  it('stop ends the runs that were called before it, not those after', async () => {
    const session = fakeSession(0);
    const entry = await session.load(EMPTY_PROGRAM);
    const runs = [session.run(entry, 1_000_000, 0, COUNTER), session.run(entry, 1_000_000, 0, COUNTER)];
    setTimeout(() => session.stop(), 30);
    const [first, second] = await Promise.all(runs);
    expect(first!.steps).to.be.within(1, 1000);
    expect(second!.steps).to.equal(0);
    expect((await session.run(entry, 3, 0, COUNTER)).steps).to.equal(3);
    await session.dispose();
  });

  it('serves other sessions between runs, in the order of calls', async () => {
    const [a, b] = [fakeSession(0), fakeSession(0)];
    const order: string[] = [];
    const [entryA, entryB] = [await a.load(EMPTY_PROGRAM), await b.load(EMPTY_PROGRAM)];
    await Promise.all([
      a.run(entryA, 2, 0, COUNTER).then(() => order.push('a1')),
      b.run(entryB, 2, 0, COUNTER).then(() => order.push('b')),
      a.run(entryA, 2, 0, COUNTER).then(() => order.push('a2')),
    ]);
    expect(order).to.deep.equal(['a1', 'b', 'a2']);
    await Promise.all([a.dispose(), b.dispose()]);
  });

  it('dispose ends what runs, rejects what waits, and everything after it', async () => {
    const session = fakeSession(0);
    const entry = await session.load(EMPTY_PROGRAM);
    const running = session.run(entry, 1_000_000, 0, COUNTER);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const waiting = [session.run(entry, 1, 0, COUNTER), session.memory()];
    const disposed = session.dispose();
    for (const call of waiting) await expectRejection(call, 'ERR_DISPOSED', 'disposed before this was done');
    expect((await running).steps).to.be.within(1, 1000);
    await disposed;
    await expectRejection(session.run(entry, 1, 0, COUNTER), 'ERR_DISPOSED', 'The session was disposed');
    await expectRejection(session.memory(), 'ERR_DISPOSED', 'The session was disposed');
    session.stop();
    await session.dispose();
  });

  it('a device that breaks within a step fails its session and no other', async () => {
    const [broken, whole] = [fakeSession(2), fakeSession(0)];
    const entry = await broken.load(EMPTY_PROGRAM);
    await expectRejection(broken.run(entry, 2, 0, COUNTER), 'ERR_DEVICE_FAILED', 'the fake broke');
    await expectRejection(broken.run(entry, 1, 0, COUNTER), 'ERR_DEVICE_FAILED', 'failed earlier (the fake broke)');
    await expectRejection(broken.memory(), 'ERR_DEVICE_FAILED', 'make a new session');
    await broken.dispose();
    expect((await whole.run(await whole.load(EMPTY_PROGRAM), 2, 0, COUNTER)).steps).to.equal(2);
    await whole.dispose();
  });

  it('a device that cannot be made says so on every call', async () => {
    const session = fakeSession(3);
    await expectRejection(session.memory(), 'ERR_DEVICE_UNAVAILABLE', 'There is no fake device 3');
    await expectRejection(session.reserve(64), 'ERR_DEVICE_UNAVAILABLE', 'There is no fake device 3');
    await session.dispose();
  });
});
