/**
 * The memory that functions made by `gs.compile` share on a device: one session in which every variable has one place, so
 * that functions which change the same variables in turn copy nothing.
 */
import { GradstepError } from '../errors.js';
import type { Variable } from '../graph/graph.js';
import { blockBegins } from '../ops/clip_by_norm.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { Layout, type Block } from '../runtime/layout.js';
import { Session } from '../runtime/session.js';
import { Lock } from './lock.js';
import type { VariableHandle } from './variable.js';
import type { WeightHolder, WeightHome } from './weight_home.js';

/** What an optimizer keeps for a block of variables. */
export interface OptimizerState {
  readonly grads: Block;
  readonly slots: ReadonlyMap<string, Block>;
  /** int32 [4], of which the first counts. */
  readonly updates: Variable;
  readonly begins: Variable | undefined;
}

/** A variable's place, and the version of its numbers there. */
interface Place {
  readonly variable: Variable;
  seen: number;
}

export class FunctionStore implements WeightHolder {
  readonly layout = new Layout();
  readonly lock = new Lock();
  /** Functions that are in use. */
  users = 0;
  private readonly places = new Map<WeightHome, Place>();
  private readonly blocks: { readonly homes: readonly WeightHome[]; readonly block: Block }[] = [];
  private readonly states = new Map<Optimizer, Map<Block, OptimizerState>>();
  /** What must be written before the next run. */
  private readonly initial: { readonly variable: Variable; readonly data: Int32Array | Uint32Array }[] = [];
  private reserved = 0;

  private constructor(readonly session: Session) {}

  static async open(device: string, threads: number): Promise<FunctionStore> {
    return new FunctionStore(await Session.open(device, threads, 0));
  }

  /** Memory of a function's own, with first contents. */
  counters(name: string, first: Uint32Array): Variable {
    const variable = this.layout.variable(name, 'int32', [first.length]);
    this.initial.push({ variable, data: first });
    return variable;
  }

  placeOf(handle: VariableHandle): Variable {
    const known = this.places.get(handle.home);
    if (known) return known.variable;
    return this.placeTogether([handle]).members[0]!;
  }

  /** A block of these variables in this order; ERR_OPTION when some of them lie elsewhere already. */
  private placeTogether(handles: readonly VariableHandle[]): Block {
    const homes = handles.map((h) => h.home);
    const block = this.layout.block(handles.length === 1 ? handles[0]!.name : 'params', handles);
    this.blocks.push({ homes, block });
    homes.forEach((home, i) => this.places.set(home, { variable: block.members[i]!, seen: -1 }));
    return block;
  }

  /** The blocks in which these variables lie: one for all of them where they can still be put together. */
  blocksOf(handles: readonly VariableHandle[]): { readonly block: Block; readonly handles: readonly VariableHandle[] }[] {
    if (handles.length === 0) return [];
    const same = this.blocks.find((b) => b.homes.length === handles.length && b.homes.every((h, i) => h === handles[i]!.home));
    if (same) return [{ block: same.block, handles }];
    if (handles.every((h) => !this.places.has(h.home))) return [{ block: this.placeTogether(handles), handles }];
    return handles.map((handle) => {
      const variable = this.placeOf(handle);
      const alone = this.blocks.find((b) => b.homes.length === 1 && b.homes[0] === handle.home);
      return { block: alone?.block ?? this.layout.blockAt(variable), handles: [handle] };
    });
  }

  stateOf(optimizer: Optimizer, block: Block): OptimizerState {
    let states = this.states.get(optimizer);
    if (!states) this.states.set(optimizer, (states = new Map()));
    let state = states.get(block);
    if (!state) {
      const slots = new Map(optimizer.slots.map((s) => [s, this.layout.block(`optimizer/${s}`, block.members)]));
      const grads = this.layout.block('grads', block.members);
      const updates = this.layout.variable('updates', 'int32', [4]);
      let begins: Variable | undefined;
      if (optimizer.common.clipNorm !== undefined) {
        begins = this.layout.variable('grads/begins', 'int32', [block.members.length]);
        this.initial.push({ variable: begins, data: blockBegins(block.offsets) });
      }
      states.set(block, (state = { grads, slots, updates, begins }));
    }
    return state;
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
    for (const handle of used) {
      handle.fill();
      const { home } = handle;
      const place = this.places.get(home);
      if (!place) throw new GradstepError('ERR_INTERNAL', `${handle.name} has no place`);
      if (place.seen === home.version) continue;
      const { version } = home;
      await this.session.writeRange(this.layout.offsetOf(place.variable), await home.read(), handle.name);
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
    for (const home of this.places.keys()) {
      if (!home.isHeldBy(this)) continue;
      const values = await this.readWeight(home);
      if (home.isHeldBy(this)) home.keep(values);
    }
    await this.session.dispose();
  }
}

const stores = new Map<string, Promise<FunctionStore>>();

/** The store of a device, opened when there is none; `release` it afterwards. */
export async function acquireStore(device: string, threads: number): Promise<FunctionStore> {
  const key = `${device} ${threads}`;
  let opening = stores.get(key);
  if (!opening) stores.set(key, (opening = FunctionStore.open(device, threads)));
  try {
    const store = await opening;
    store.users++;
    return store;
  } catch (error) {
    stores.delete(key);
    throw error;
  }
}

/** Lets go of a store; the last one to do so disposes it. */
export async function releaseStore(store: FunctionStore): Promise<void> {
  if (--store.users > 0) return;
  for (const [key, opening] of stores) if ((await opening) === store) stores.delete(key);
  await store.dispose();
}
