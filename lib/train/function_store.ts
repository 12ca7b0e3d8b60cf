/**
 * The memory that functions made by `gs.compile` share on a device: one session in which every variable has one place, so
 * that functions which change the same variables in turn copy nothing. What a function has of it: function_memory.ts.
 */
import { GradstepError } from '../errors.js';
import type { Variable } from '../graph/graph.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { resolveDevice } from '../runtime/devices.js';
import { Layout, type Block } from '../runtime/layout.js';
import { Session } from '../runtime/session.js';
import { Lock } from './lock.js';
import type { ParameterGroup } from './memory.js';
import type { VariableHandle } from './variable.js';
import { readHeld, type WeightHolder, type WeightHome } from './weight_home.js';

/** A variable's place, as a member of a block, and the version of its numbers there. */
export interface Place {
  /** Weak, as in OptimizerState: what is to be given back when a user's objects are gone must not hold them. */
  readonly home: WeakRef<WeightHome>;
  readonly variable: Variable;
  readonly block: Block;
  readonly index: number;
  seen: number;
  /** Functions that use it. */
  users: number;
}

/** What an optimizer keeps for a list of variables. */
export interface OptimizerState {
  readonly optimizer: WeakRef<Optimizer>;
  /** Of the variables; who uses the state uses them, too. */
  readonly places: readonly Place[];
  readonly grads: Block;
  readonly slots: ReadonlyMap<string, Block>;
  /** Runs of variables that lie side by side and learn at one rate. */
  readonly groups: readonly ParameterGroup[];
  /** int32 [4], of which the first counts. */
  readonly updates: Variable;
  /** Where each gradient begins, for clipping one by one. */
  readonly begins: Variable | undefined;
  /** Functions that use it. */
  users: number;
}

export class FunctionStore implements WeightHolder {
  readonly layout = new Layout();
  readonly lock = new Lock();
  readonly places = new WeakMap<WeightHome, Place>();
  readonly states = new WeakMap<Optimizer, Set<OptimizerState>>();
  private reserved = 0;

  private constructor(
    readonly session: Session,
    readonly key: string,
  ) {}

  static async open(key: string, device: string, threads: number, deterministic: boolean): Promise<FunctionStore> {
    return new FunctionStore(await Session.open(device, threads, 0, deterministic), key);
  }

  /** Makes room for what was placed; returns the bytes that there were before: what lies behind them is zeros. */
  async makeRoom(): Promise<number> {
    const before = this.reserved;
    if (this.layout.bytes > before) {
      await this.session.reserve(this.layout.bytes);
      this.reserved = this.layout.bytes;
    }
    return before;
  }

  /** Fetches numbers that others changed. */
  async fetch(used: Iterable<VariableHandle>): Promise<void> {
    const missing = [...used].flatMap((handle) => {
      handle.fill();
      const { home } = handle;
      const place = this.places.get(home);
      if (!place) throw new GradstepError('ERR_INTERNAL', `${handle.name} has no place`);
      if (place.seen === home.version && (!home.isChanging(this) || home.isHeldBy(this))) return [];
      return [{ name: handle.name, home, place, version: home.version }];
    });
    const held = await readHeld(missing.map(({ home }) => home));
    for (const { name, home, place, version } of missing) {
      await this.session.writeRange(this.layout.offsetOf(place.variable), held.get(home) ?? (await home.read()), name);
      place.seen = version;
      if (home.isOnHost) home.take(this, false);
    }
  }

  /** Says that these variables have new numbers here. */
  claim(changed: Iterable<VariableHandle>): void {
    for (const { home } of changed) {
      home.take(this, true);
      this.places.get(home)!.seen = home.version;
    }
  }

  async readWeight(home: WeightHome): Promise<Float32Array> {
    const { variable } = this.places.get(home)!;
    const bytes = variable.shape.reduce((n, d) => n * d, 4);
    return new Float32Array(await this.session.read({ offset: this.layout.offsetOf(variable), bytes }));
  }

  /** Gives a place back; numbers that only this store has go to the host first. A place whose numbers cannot be read stays. */
  async vacate({ home: ref, variable }: Place): Promise<void> {
    const home = ref.deref();
    if (home?.isHeldBy(this)) {
      const values = await this.readWeight(home);
      if (home.isHeldBy(this)) home.keep(values);
    }
    if (home) this.places.delete(home);
    this.layout.release(variable);
  }

  /** Gives back what an optimizer kept. */
  drop(state: OptimizerState): void {
    const optimizer = state.optimizer.deref();
    if (optimizer) this.states.get(optimizer)!.delete(state);
    const blocks = [state.grads, ...state.slots.values()].map((b) => b.whole);
    for (const variable of [...blocks, state.updates, ...(state.begins ? [state.begins] : [])]) this.layout.release(variable);
  }
}

interface Shared {
  readonly opening: Promise<FunctionStore>;
  /** Who uses it. */
  users: number;
}

const stores = new Map<string, Shared>();

/** The store of a device, opened when there is none; release it afterwards. */
export async function acquireStore(device: string, threads: number, deterministic: boolean): Promise<FunctionStore> {
  const key = `${resolveDevice(device).name} ${threads} ${deterministic}`;
  let shared = stores.get(key);
  if (!shared) stores.set(key, (shared = { opening: FunctionStore.open(key, device, threads, deterministic), users: 0 }));
  shared.users++;
  try {
    return await shared.opening;
  } catch (error) {
    if (stores.get(key) === shared) stores.delete(key);
    throw error;
  }
}

/** One more use of a store that is in use. */
export function retainStore(store: FunctionStore): FunctionStore {
  stores.get(store.key)!.users++;
  return store;
}

/** Lets go of a store; the last one to do so disposes it. */
export async function releaseStore({ key, session }: FunctionStore): Promise<void> {
  if (--stores.get(key)!.users > 0) return;
  stores.delete(key);
  await session.dispose();
}
