/**
 * What a function made by `gs.compile` has of its store: its program and memory of its own, and its part in what functions
 * share: the places of variables, and what optimizers keep. Each goes with the last function that uses it, and its memory is used
 * again. Nothing here holds an object of the user's, so that functions that nobody can reach any more can be given back, too.
 */
import type { Program } from '../compile/program.js';
import type { DType } from '../graph/dtype.js';
import type { Variable } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import { blockBegins } from '../ops/clip_by_norm.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { placedBytes, type Block } from '../runtime/layout.js';
import type { Range } from '../runtime/session.js';
import {
  acquireStore,
  releaseStore,
  retainStore,
  type FunctionStore,
  type OptimizerState,
  type Place,
} from './function_store.js';
import type { ParameterGroup } from './memory.js';
import type { VariableHandle } from './variable.js';

type Words = Int32Array | Uint32Array;

export class FunctionMemory {
  private readonly own: Variable[] = [];
  private readonly places = new Set<Place>();
  private readonly states = new Set<OptimizerState>();
  /** What was placed and has no contents yet; zeros where no others are given. */
  private readonly fresh: { readonly variable: Variable; readonly first?: Words }[] = [];
  private entry: number | undefined;
  private released = false;

  private constructor(readonly store: FunctionStore) {}

  static async open(device: string, threads: number, deterministic: boolean): Promise<FunctionMemory> {
    return new FunctionMemory(await acquireStore(device, threads, deterministic));
  }

  /** Memory of the function's own. */
  variable(name: string, dtype: DType, shape: Shape, first?: Words): Variable {
    const variable = this.store.layout.declare(name, dtype, shape);
    this.place([variable]);
    if (first) this.fresh.push({ variable, first });
    return variable;
  }

  /** Places declared variables of the function's own side by side. */
  place(variables: readonly Variable[]): Range {
    this.own.push(...variables);
    this.fresh.push(...variables.map((variable) => ({ variable })));
    return this.store.layout.place(variables);
  }

  placeOf(handle: VariableHandle): Variable {
    return this.placeTogether([handle])[0]!.variable;
  }

  /** Lets variables that have no place yet lie side by side, in this order, so that one kernel can move them. */
  placeTogether(handles: readonly VariableHandle[]): Place[] {
    const { places, layout } = this.store;
    // A weight in two models has two handles.
    const missing = new Map(handles.filter((h) => !places.has(h.home)).map((h) => [h.home, h]));
    if (missing.size > 0) {
      const members = [...missing.values()];
      const block = layout.block(members.length === 1 ? members[0]!.name : 'params', members);
      this.fresh.push({ variable: block.whole });
      members.forEach(({ home }, index) => {
        const variable = block.members[index]!;
        places.set(home, { home: new WeakRef(home), variable, block, index, seen: -1, users: 0 });
      });
    }
    return handles.map(({ home }) => this.use(this.places, places.get(home)!));
  }

  private use<T extends { users: number }>(used: Set<T>, what: T): T {
    if (!used.has(what)) {
      used.add(what);
      what.users++;
    }
    return what;
  }

  /** What an optimizer keeps for these variables; functions that give the same list share it. */
  stateOf(optimizer: Optimizer, handles: readonly VariableHandle[]): OptimizerState {
    const places = this.placeTogether(handles);
    let states = this.store.states.get(optimizer);
    if (!states) this.store.states.set(optimizer, (states = new Set()));
    const known = [...states].find((s) => s.places.length === places.length && s.places.every((p, i) => p === places[i]));
    if (known) return this.use(this.states, known);
    const { layout } = this.store;
    const block = (name: string): Block => {
      const made = layout.block(name, handles);
      this.fresh.push({ variable: made.whole });
      return made;
    };
    const slots = new Map(optimizer.slots.map((s) => [s, block(`optimizer/${s}`)]));
    const grads = block('grads');
    const updates = layout.variable('updates', 'int32', [4]);
    this.fresh.push({ variable: updates });
    let begins: Variable | undefined;
    if (optimizer.common.clipNorm !== undefined) {
      begins = layout.variable('grads/begins', 'int32', [handles.length]);
      this.fresh.push({ variable: begins, first: blockBegins(grads.offsets) });
    }
    const groups = runsOf(handles, places).map(({ first, last }): ParameterGroup => {
      const [from, to] = [places[first]!, places[last]!];
      return {
        multiplier: handles[first]!.traits.learningRateMultiplier,
        first: grads.offsets[first]! / 4,
        params: layout.part(from.block, from.index, to.index),
        grads: layout.part(grads, first, last),
        slots: new Map([...slots].map(([name, s]) => [name, layout.part(s, first, last)])),
      };
    });
    const state = { optimizer: new WeakRef(optimizer), places, grads, slots, groups, updates, begins, users: 0 };
    states.add(state);
    return this.use(this.states, state);
  }

  /** Makes room for what was placed and gives it its first contents: memory that is used again holds others. */
  async fill(): Promise<void> {
    const { layout, session } = this.store;
    const used = await this.store.makeRoom();
    for (const { variable, first } of this.fresh.splice(0)) {
      const offset = layout.offsetOf(variable);
      if (first) await session.write(offset, first);
      else if (offset < used) await session.writeRange(offset, new Float32Array(placedBytes(variable) / 4), variable.name);
    }
  }

  /** Loads the function's program. */
  async load(program: Program): Promise<number> {
    return (this.entry = await this.store.session.loadProgram(program));
  }

  /** Gives back what no other function uses; variables keep their numbers. Call it under the store's lock. */
  async release(): Promise<void> {
    if (this.released) return;
    this.released = true;
    const { store, entry } = this;
    const unused = <T extends { users: number }>(used: Set<T>): T[] => [...used].filter((what) => --what.users === 0);
    for (const variable of this.own) store.layout.release(variable);
    for (const state of unused(this.states)) store.drop(state);
    const unloading = entry === undefined ? [] : [store.session.unloadProgram(entry)];
    const ends = await Promise.allSettled([...unloading, ...unused(this.places).map((place) => store.vacate(place))]);
    await releaseStore(store);
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** Lets the memory go when `owner` is collected. */
  goWith(owner: object): void {
    orphans.register(owner, this);
  }

  /**
   * For a function that was collected, not disposed: what an optimizer keeps stays as long as another function could ask for it, so
   * that no numbers depend on when garbage is collected.
   */
  async orphan(): Promise<void> {
    if (this.released) return;
    for (const state of this.states) {
      const keys = [state.optimizer, ...state.places.map((p) => p.home)].map((ref) => ref.deref());
      if (keptStates.has(state) || !keys.every((key) => key !== undefined)) continue;
      const kept = new FunctionMemory(retainStore(this.store));
      kept.use(kept.states, state);
      for (const place of state.places) kept.use(kept.places, place);
      keptStates.add(state);
      for (const key of keys) kept.goWith(key);
    }
    await this.release();
  }
}

/** States that stay though a function that used them was collected. */
const keptStates = new WeakSet<OptimizerState>();

const orphans = new FinalizationRegistry<FunctionMemory>((memory) => {
  // Nobody is left to hear of a failure.
  memory.store.lock.run(() => memory.orphan()).catch(() => undefined);
});

/** Cuts a list of variables where neighbours in it do not lie side by side, or learn at other rates. */
function runsOf(handles: readonly VariableHandle[], places: readonly Place[]): { first: number; last: number }[] {
  const runs: { first: number; last: number }[] = [];
  handles.forEach(({ traits }, i) => {
    const run = runs.at(-1);
    const before = run && places[run.last]!;
    const here = places[i]!;
    const follows = before?.block === here.block && before.index + 1 === here.index;
    const sameRate = run && handles[run.last]!.traits.learningRateMultiplier === traits.learningRateMultiplier;
    if (run && follows && sameRate) run.last = i;
    else runs.push({ first: i, last: i });
  });
  return runs;
}
