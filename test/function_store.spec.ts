/**
 * The memory that functions of gs.compile share: what is disposed or collected is used again, starts as new memory does, and
 * takes nothing from functions that live. Numbers against simulations in float64.
 */
import { expect } from 'chai';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as gs from '../lib/index.js';
import { acquireStore, releaseStore, type FunctionStore } from '../lib/train/function_store.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { Draws } from './helpers/draws.js';
import { expectFailure } from './helpers/failure.js';

const { ops } = gs;
/** As in no other spec, so that the store is this one's alone. */
const threads = 3;
const numbers = async (v: gs.VariableHandle): Promise<number[]> => [...(await v.value()).data];
const half = (value: gs.Value) => ops.mul(ops.sum(ops.square(value)), 0.5);

/** Variables that an optimizer moves by gradients that are equal to them. */
function descent(optimizer: gs.Optimizer, list: readonly gs.VariableHandle[], device: string) {
  return gs.compile(
    () => {
      const loss = list.map((v) => half(v.read())).reduce((a, b) => ops.add(a, b));
      gs.applyGradients(optimizer, gs.grad(loss, list), list);
      return loss;
    },
    { device: device as 'cpu', threads },
  );
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`memory of functions on ${name}`, () => {
    let store: FunctionStore;
    const reserved = async (): Promise<number> => (await store.session.memory()).persistent;

    beforeEach(async () => {
      store = await acquireStore(device, threads, false);
    });

    afterEach(async () => {
      // What `using` has begun.
      await setImmediate();
      await store.lock.run(() => Promise.resolve());
      expect(store.layout.bytes).to.equal(0);
      await releaseStore(store);
    });

    /** Entries of programs that are unloaded from now on. */
    const unloaded = (): number[] => {
      const entries: number[] = [];
      const { session } = store;
      const unload = session.unloadProgram.bind(session);
      session.unloadProgram = (entry) => {
        entries.push(entry);
        return unload(entry);
      };
      return entries;
    };

    it('is used again by functions that come later, while another one lives', async () => {
      const v = gs.variable({ value: [1, 2, 3] });
      using keep = gs.compile(() => v.assign(ops.add(v.read(), 1)), { device, threads });
      await keep();
      const [before, held] = [store.layout.bytes, [] as number[]];
      for (let i = 0; i < 12; i++) {
        const units = [8, 40, 16][i % 3]!;
        using model = gs.sequential([gs.layers.dense({ units, inputShape: [24] }), gs.layers.dense({ units: 1 })]);
        const adam = gs.optimizers.adam({ clipNorm: 1 });
        const f = gs.compile(
          ({ x }) => {
            const loss = ops.sum(model.call(x));
            gs.applyGradients(adam, gs.grad(loss, model.trainableVariables), model.trainableVariables);
            return loss;
          },
          { inputs: { x: { shape: [3 + (i % 2), 24] } }, device, threads },
        );
        await f({ x: new Float32Array((3 + (i % 2)) * 24).fill(1) });
        expect(store.layout.bytes).to.be.above(before);
        await f.dispose();
        expect(store.layout.bytes).to.equal(before);
        held.push(await reserved());
        await keep();
      }
      expect(held.slice(6)).to.deep.equal(held.slice(6).fill(held[5]!));
      expect(await numbers(v)).to.deep.equal([14, 15, 16]);
    });

    it('comes back from descriptions that fail', async () => {
      const v = gs.variable({ value: [1, 2, 3] });
      using bad = gs.compile(
        ({ x }) => {
          gs.applyGradients(gs.optimizers.adam(), [v.read()], [v]);
          return { x, wrong: 1 as unknown as gs.Value };
        },
        { inputs: { x: { shape: [100] } }, device, threads },
      );
      for (let i = 0; i < 2; i++) await expectFailure(() => bad({ x: new Float32Array(100) }), 'ERR_OPTION', /result wrong/);
      expect(store.layout.bytes).to.equal(0);
      expect(await numbers(v)).to.deep.equal([1, 2, 3]);
    });

    it('has no program left of a function that is disposed', async () => {
      using keep = gs.compile(({ x }) => ops.mul(x, 2), { inputs: { x: { shape: [1] } }, device, threads });
      await keep({ x: [1] });
      const f = gs.compile(({ x }) => ops.mul(x, 3), { inputs: { x: { shape: [1] } }, device, threads });
      await f({ x: [1] });
      const { session } = store;
      const unload = session.unloadProgram.bind(session);
      const entries = unloaded();
      await f.dispose();
      await f.dispose();
      expect(entries).to.have.length(1);
      await expectFailure(() => unload(entries[0]!), 'ERR_OPTION', /No program is loaded/);
      expect((await keep({ x: [4] })).data[0]).to.equal(8);
    });

    it('starts an optimizer from zeros where others have left numbers, between its tensors, too', async () => {
      const large = gs.variable({ value: new Float32Array(1000).fill(3e3) });
      using earlier = gs.compile(
        ({ x }) => {
          gs.applyGradients(gs.optimizers.adam({ learningRate: 1 }), [x], [large]);
          return ops.add(x, 1);
        },
        { inputs: { x: { shape: [1000] } }, device, threads },
      );
      await earlier({ x: new Float32Array(1000).fill(-2e3) }, { steps: 5 });
      await earlier.dispose();
      const before = await reserved();
      const start = [[0.5, -1.5, 2], [0.25], [1, -1, 3, -0.5, 0.75]];
      const list = start.map((value) => gs.variable({ value }));
      using step = descent(gs.optimizers.adam({ learningRate: 0.125, globalClipNorm: 1 }), list, device);
      const w = start.flat();
      const [m, v] = [w.map(() => 0), w.map(() => 0)];
      for (let t = 1; t <= 4; t++) {
        expectClose((await step()).data, [w.reduce((s, x) => s + (x * x) / 2, 0)], 1e-4);
        const cut = Math.min(1, 1 / Math.hypot(...w));
        w.forEach((x, i) => {
          const g = x * cut;
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.999 * v[i]! + 0.001 * g * g;
          w[i] = x - ((0.125 * Math.sqrt(1 - 0.999 ** t)) / (1 - 0.9 ** t)) * (m[i]! / (Math.sqrt(v[i]!) + 1e-7));
        });
      }
      expectClose((await Promise.all(list.map(numbers))).flat(), w);
      expect(await reserved()).to.equal(before);
    });

    it('keeps what a function that lives shares with one that is disposed, and the numbers when both are', async () => {
      const [a, b] = [gs.variable({ value: [1, 2] }), gs.variable({ value: [8] })];
      const optimizer = gs.optimizers.sgd({ learningRate: 0.5, momentum: 0.5 });
      const first = descent(optimizer, [a, b], device);
      const second = descent(optimizer, [a, b], device);
      await Promise.all([first(), second()]);
      // Velocities −w/2, then −w/4 − w/4; w, w/2, 0.
      expect([await numbers(a), await numbers(b)]).to.deep.equal([[0, 0], [0]]);
      await first.dispose();
      await second();
      // Velocity −w/4 goes on.
      expect([await numbers(a), await numbers(b)]).to.deep.equal([[-0.25, -0.5], [-2]]);
      const running = second();
      await Promise.all([running, second.dispose()]);
      expect([await numbers(a), await numbers(b)]).to.deep.equal([[-0.25, -0.5], [-2]]);
      using third = descent(optimizer, [a, b], device);
      await third();
      expect([await numbers(a), await numbers(b)]).to.deep.equal([[-0.125, -0.25], [-1]]);
    });

    it('holds the right numbers however functions come and go', async () => {
      for (const seed of [1, 2, 3]) await interleave(new Draws(seed), device);
    });

    it('comes back from functions that nobody refers to, though their description does', async () => {
      const v = gs.variable({ value: [1, 2, 3] });
      await (async () => {
        const f = gs.compile(
          ({ x }) => {
            expect(f).to.be.a('function');
            v.assign(ops.add(v.read(), 1));
            return x;
          },
          { inputs: { x: { shape: [100] } }, device, threads },
        );
        await f({ x: new Float32Array(100) });
      })();
      expect(store.layout.bytes).to.be.above(0);
      await collect(() => store.layout.bytes === 0);
      expect(await numbers(v)).to.deep.equal([2, 3, 4]);
    });

    it('keeps what an optimizer has of functions that were collected while others may ask for it', async () => {
      const gone = unloaded();
      await (async () => {
        const v = gs.variable({ value: [1] });
        const optimizer = gs.optimizers.sgd({ learningRate: 0.5, momentum: 0.5 });
        for (let n = 0; n < 3; n++) {
          await (async () => descent(optimizer, [v], device)())();
          await collect(() => gone.length > n);
        }
        // As in one function: 1, 1/2, 0, −1/4.
        expect(await numbers(v)).to.deep.equal([-0.25]);
      })();
      await collect(() => store.layout.bytes === 0);
    });
  });
}

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

/** Collects garbage until `done`. */
async function collect(done: () => boolean): Promise<void> {
  for (let i = 0; i < 20 && !done(); i++) {
    gc();
    await sleep(10);
  }
  expect(done()).to.equal(true);
}

/** Functions over some variables are made, called and disposed at random, and numbers set; against the same in float64. */
async function interleave(draws: Draws, device: string): Promise<void> {
  const sizes = [1, 17, 5, 200, 33];
  const values = sizes.map((n) => Array.from({ length: n }, () => draws.number(-1, 1)));
  const variables = values.map((value) => gs.variable({ value }));
  const lists = [[0, 1, 2], [2, 1], [3], [4, 0, 3], [1, 2]];
  const rules = [0.5, 0.25].map((momentum) => ({ momentum, optimizer: gs.optimizers.sgd({ learningRate: 0.125, momentum }) }));
  const states = new Map<string, { users: number; velocity: number[][] }>();
  const live: { call: () => Promise<void>; dispose: () => Promise<void> }[] = [];

  /** v ← v/2 + x, and twice x is returned. */
  const assigning = () => {
    const list = draws.pick(lists);
    const size = draws.integer(1, 60);
    const f = gs.compile(
      ({ x }) => {
        for (const i of list) variables[i]!.assign(ops.add(ops.mul(variables[i]!.read(), 0.5), ops.mean(x)));
        return ops.mul(x, 2);
      },
      { inputs: { x: { shape: [size] } }, device: device as 'cpu', threads },
    );
    const call = async () => {
      const x = Array.from({ length: size }, () => draws.number(-1, 1));
      const mean = x.reduce((a, b) => a + b) / size;
      for (const i of list) values[i] = values[i]!.map((v) => v / 2 + mean);
      expectClose(
        (await f({ x })).data,
        x.map((v) => 2 * v),
      );
    };
    return { call, dispose: () => f.dispose() };
  };

  const moving = () => {
    const list = draws.pick(lists);
    const { momentum, optimizer } = draws.pick(rules);
    const f = descent(
      optimizer,
      list.map((i) => variables[i]!),
      device,
    );
    const key = `${momentum} ${list.join()}`;
    let uses = false;
    const call = async () => {
      const state = states.get(key) ?? { users: 0, velocity: list.map((i) => values[i]!.map(() => 0)) };
      states.set(key, state);
      if (!uses) state.users++;
      uses = true;
      const loss = list.flatMap((i) => values[i]!).reduce((s, v) => s + (v * v) / 2, 0);
      list.forEach((i, k) => {
        state.velocity[k] = state.velocity[k]!.map((v, j) => momentum * v - 0.125 * values[i]![j]!);
        values[i] = values[i]!.map((v, j) => v + state.velocity[k]![j]!);
      });
      expectClose((await f()).data, [loss], 1e-3);
    };
    const dispose = () => {
      if (uses && --states.get(key)!.users === 0) states.delete(key);
      return f.dispose();
    };
    return { call, dispose };
  };

  const leave = (at: number) => live.splice(at, 1)[0]!.dispose();
  for (let n = 0; n < 80; n++) {
    const choice = draws.integer(0, 9);
    const at = draws.integer(0, live.length - 1);
    if (live.length === 0 || (choice < 3 && live.length < 6)) live.push(draws.chance(0.5) ? assigning() : moving());
    else if (choice < 7) await live[at]!.call();
    else if (choice === 7) await leave(at);
    else if (choice === 8) {
      // Disposed while it runs.
      const running = live[at]!.call();
      await Promise.all([running, leave(at)]);
    } else {
      const i = draws.integer(0, sizes.length - 1);
      values[i] = values[i]!.map(() => draws.number(-1, 1));
      variables[i]!.set(values[i]);
    }
    const seen = draws.integer(0, sizes.length - 1);
    if (draws.chance(0.3)) expectClose(await numbers(variables[seen]!), values[seen]!, 1e-4);
  }
  while (live.length > 0) await leave(0);
  for (const [i, v] of variables.entries()) expectClose(await numbers(v), values[i]!, 1e-4);
}
