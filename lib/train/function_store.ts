/**
 * The memory that functions made by `gs.compile` share on a device: one session in which every variable has one place, so
 * that functions which change the same variables in turn copy nothing.
 */
import { GradstepError } from '../errors.js';
import type { Variable } from '../graph/graph.js';
import { blockBegins } from '../ops/clip_by_norm.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { resolveDevice } from '../runtime/devices.js';
import { Layout, type Block } from '../runtime/layout.js';
import { Session } from '../runtime/session.js';
import { Lock } from './lock.js';
import type { ParameterGroup } from './memory.js';
import type { VariableHandle } from './variable.js';
import type { WeightHolder, WeightHome } from './weight_home.js';

/** What an optimizer keeps for a list of variables. */
export interface OptimizerState {
  readonly grads: Block;
  /** Runs of variables that lie side by side and learn at one rate. */
  readonly groups: readonly ParameterGroup[];
  /** int32 [4], of which the first counts. */
  readonly updates: Variable;
  /** Where each gradient begins, for clipping one by one. */
  readonly begins: Variable | undefined;
}

/** A variable's place, as a member of a block, and the version of its numbers there. */
interface Place {
  readonly variable: Variable;
  readonly block: Block;
  readonly index: number;
  seen: number;
}

export class FunctionStore implements WeightHolder {
  readonly layout = new Layout();
  readonly lock = new Lock();
  private readonly places = new Map<WeightHome, Place>();
  private readonly states = new Map<Optimizer, { readonly homes: readonly WeightHome[]; readonly state: OptimizerState }[]>();
  /** What must be written before the next run. */
  private readonly initial: { readonly variable: Variable; readonly data: Int32Array | Uint32Array }[] = [];
  private reserved = 0;

  private constructor(readonly session: Session) {}

  static async open(device: string, threads: number, deterministic: boolean): Promise<FunctionStore> {
    return new FunctionStore(await Session.open(device, threads, 0, deterministic));
  }

  /** Memory of a function's own, with first contents. */
  counters(name: string, first: Uint32Array): Variable {
    const variable = this.layout.variable(name, 'int32', [first.length]);
    this.initial.push({ variable, data: first });
    return variable;
  }

  placeOf(handle: VariableHandle): Variable {
    this.placeTogether([handle]);
    return this.places.get(handle.home)!.variable;
  }

  /** Lets variables that have no place yet lie side by side, in this order, so that one kernel can move them. */
  placeTogether(handles: readonly VariableHandle[]): void {
    const fresh = handles.filter((h) => !this.places.has(h.home));
    if (fresh.length === 0) return;
    const block = this.layout.block(fresh.length === 1 ? fresh[0]!.name : 'params', fresh);
    fresh.forEach(({ home }, index) => this.places.set(home, { variable: block.members[index]!, block, index, seen: -1 }));
  }

  /** What an optimizer keeps for these variables; functions that give the same list share it. */
  stateOf(optimizer: Optimizer, handles: readonly VariableHandle[]): OptimizerState {
    const homes = handles.map((h) => h.home);
    let states = this.states.get(optimizer);
    if (!states) this.states.set(optimizer, (states = []));
    const known = states.find((s) => s.homes.length === homes.length && s.homes.every((h, i) => h === homes[i]));
    if (known) return known.state;
    this.placeTogether(handles);
    const { layout } = this;
    const slots = new Map(optimizer.slots.map((s) => [s, layout.block(`optimizer/${s}`, handles)]));
    const grads = layout.block('grads', handles);
    const updates = layout.variable('updates', 'int32', [4]);
    let begins: Variable | undefined;
    if (optimizer.common.clipNorm !== undefined) {
      begins = layout.variable('grads/begins', 'int32', [handles.length]);
      this.initial.push({ variable: begins, data: blockBegins(grads.offsets) });
    }
    const groups = this.runsOf(handles).map(({ first, last }): ParameterGroup => {
      const [from, to] = [this.places.get(homes[first]!)!, this.places.get(homes[last]!)!];
      return {
        multiplier: handles[first]!.traits.learningRateMultiplier,
        first: grads.offsets[first]! / 4,
        params: layout.part(from.block, from.index, to.index),
        grads: layout.part(grads, first, last),
        slots: new Map([...slots].map(([name, block]) => [name, layout.part(block, first, last)])),
      };
    });
    const state = { grads, groups, updates, begins };
    states.push({ homes, state });
    return state;
  }

  /** Cuts a list of variables where neighbours in it do not lie side by side, or learn at other rates. */
  private runsOf(handles: readonly VariableHandle[]): { first: number; last: number }[] {
    const runs: { first: number; last: number }[] = [];
    handles.forEach(({ home, traits }, i) => {
      const run = runs.at(-1);
      const before = run && this.places.get(handles[run.last]!.home)!;
      const here = this.places.get(home)!;
      const follows = before?.block === here.block && before.index + 1 === here.index;
      const sameRate = run && handles[run.last]!.traits.learningRateMultiplier === traits.learningRateMultiplier;
      if (run && follows && sameRate) run.last = i;
      else runs.push({ first: i, last: i });
    });
    return runs;
  }

  /** Makes room for what was placed, and fetches numbers that others changed. */
  async prepare(used: Iterable<VariableHandle>): Promise<void> {
    if (this.layout.bytes > this.reserved) {
      await this.session.reserve(this.layout.bytes);
      this.reserved = this.layout.bytes;
    }
    for (const { variable, data } of this.initial.splice(0)) {
      await this.session.write(this.layout.offsetOf(variable), data);
    }
    const missing = [...used].flatMap((handle) => {
      handle.fill();
      const { home } = handle;
      const place = this.places.get(home);
      if (!place) throw new GradstepError('ERR_INTERNAL', `${handle.name} has no place`);
      if (place.seen === home.version && (!home.isChanging(this) || home.isHeldBy(this))) return [];
      return [{ name: handle.name, home, place, version: home.version }];
    });
    // Reads that are asked for together come between two steps of whoever trains.
    const read = await Promise.all(missing.map(({ home }) => home.read()));
    for (const [i, { name, home, place, version }] of missing.entries()) {
      await this.session.writeRange(this.layout.offsetOf(place.variable), read[i]!, name);
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

  /** Brings what only this store has back to the host, then gives the memory back. */
  async dispose(): Promise<void> {
    try {
      for (const home of this.places.keys()) {
        if (!home.isHeldBy(this)) continue;
        const values = await this.readWeight(home);
        if (home.isHeldBy(this)) home.keep(values);
      }
    } finally {
      await this.session.dispose();
    }
  }
}

interface Shared {
  readonly opening: Promise<FunctionStore>;
  /** Functions that use it. */
  users: number;
}

const stores = new Map<string, Shared>();

/** The store of a device, opened when there is none; release it afterwards. */
export async function acquireStore(device: string, threads: number, deterministic: boolean): Promise<FunctionStore> {
  const key = `${resolveDevice(device).name} ${threads} ${deterministic}`;
  let shared = stores.get(key);
  if (!shared) stores.set(key, (shared = { opening: FunctionStore.open(device, threads, deterministic), users: 0 }));
  shared.users++;
  try {
    return await shared.opening;
  } catch (error) {
    if (stores.get(key) === shared) stores.delete(key);
    throw error;
  }
}

/** Lets go of a store; the last one to do so disposes it. */
export async function releaseStore(store: FunctionStore): Promise<void> {
  for (const [key, shared] of stores) {
    if ((await shared.opening.catch(() => undefined)) !== store) continue;
    if (--shared.users > 0) return;
    stores.delete(key);
    await store.dispose();
    return;
  }
}
