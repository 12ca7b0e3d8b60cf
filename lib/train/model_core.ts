/**
 * The state behind a model: its description, its compile options, and its engine while there is one. The engine is opened
 * by the first use after `compile`.
 */
import { onAbort } from '../abort.js';
import { GradstepError, optionError } from '../errors.js';
import { fitsShape, formatShape, type PartialShape } from '../graph/shape.js';
import { randomSeed } from '../random.js';
import { checkCompileOptions, type Compiled } from './compile_options.js';
import { Engine } from './engine.js';
import { withoutCarried, type Snapshot, type TrainingState } from './training_state.js';
import { initialWeight } from './initial_weights.js';
import type { Trainables } from './memory.js';
import type { Network, PlacedWeight } from './network.js';
import type { DataLike } from './run_options.js';
import { VariableHandle } from './variable.js';
import { differenceFrom, stateKind, takenUp, type StateKind, type WaitingState } from './waiting_state.js';
import { homeOf } from './weight_home.js';

/** What a saved model brings along. */
export interface Restored {
  readonly weights: readonly Float32Array[];
  readonly seed: number | undefined;
  readonly training: TrainingState | undefined;
  /** Where there are no compile options: what the state of training is of. */
  readonly kind?: StateKind | undefined;
}

export abstract class ModelCore {
  private options: Compiled | undefined;
  private seedNumber: number | undefined;
  /** State of earlier training, until an engine takes it. */
  private earlier: TrainingState | undefined;
  /** State from a file without compile options, until `compile`; and why that could not take it up. */
  private waiting: WaitingState | undefined;
  private dropped: string | undefined;
  private current: Promise<Engine> | undefined;
  /** Engines of before the last `compile`, until their weights are taken over. */
  private readonly previous: Promise<Engine>[] = [];
  private busy = false;
  private disposed = false;
  /** Weights that were frozen when the model was compiled. */
  private frozenThen: ReadonlySet<PlacedWeight> | undefined;
  /** Whether the model as a whole may be trained. */
  isTrainable: () => boolean = () => true;
  private handles: { network: Network; list: { weight: PlacedWeight; handle: VariableHandle }[] } | undefined;

  /** @param device where the model runs until `compile` says otherwise. */
  constructor(private readonly device: string) {}

  abstract readonly className: 'Sequential' | 'Functional';

  /** Throws ERR_SHAPE while the shape of the inputs is not known. */
  abstract get network(): Network;

  abstract get outputNames(): readonly string[];

  get isBuilt(): boolean {
    return true;
  }

  /** What the error of inputs of another shape ends in. */
  readonly shapeHint: string = '';

  /** Lets data say what shape the inputs have, where nothing else did. */
  prepareFor(_x: DataLike): void {
    // The inputs say it themselves.
  }

  /** The network, for inputs of these shapes; ERR_SHAPE where it takes others. */
  networkFor(inputs: readonly PartialShape[]): Network {
    const { network } = this;
    const wanted = network.inputs.map((i) => i.shape);
    if (wanted.length !== inputs.length || !wanted.every((w, i) => fitsShape(inputs[i]!, w))) {
      const list = (shapes: readonly PartialShape[]) => shapes.map((s) => formatShape(s)).join(', ');
      throw new GradstepError('ERR_SHAPE', `The model takes inputs of shape ${list(wanted)} but received ${list(inputs)}`);
    }
    return network;
  }

  /** Batches that one update sees. */
  get batchesPerUpdate(): number {
    return this.compiled.optimizer.common.gradientAccumulationSteps;
  }

  get compiled(): Compiled {
    if (!this.options) throw new GradstepError('ERR_NOT_COMPILED', 'The model has not been compiled: call compile first');
    return this.options;
  }

  /** What the state of training is of; undefined where there is none. */
  get stateKind(): StateKind | undefined {
    return this.options ? stateKind(this.options) : this.waiting?.kind;
  }

  /** The weights that training changes. */
  get trained(): readonly PlacedWeight[] {
    return this.network.weights.filter(this.isTrained);
  }

  get isCompiled(): boolean {
    return this.options !== undefined;
  }

  get seed(): number {
    return (this.seedNumber ??= randomSeed());
  }

  /** Takes a seed, unless it has one. */
  seedUnless(seed: number): void {
    this.seedNumber ??= seed % Number.MAX_SAFE_INTEGER;
  }

  compile(options: unknown): void {
    const checked = checkCompileOptions(options, this.outputNames);
    this.checkFree('compile');
    this.options = checked;
    this.seedNumber = checked.seed ?? this.seedNumber;
    this.earlier = undefined;
    this.rememberFrozen();
    this.takeUp(checked);
    if (this.current) this.previous.push(this.current);
    this.current = undefined;
  }

  /** Takes up the state that waits for `compile`, where it can. */
  private takeUp(compiled: Compiled): void {
    const { waiting } = this;
    if (!waiting) return;
    this.dropped = differenceFrom(waiting, this.network, compiled, this.trainables);
    if (this.dropped === undefined) this.earlier = takenUp(waiting, compiled);
    this.waiting = undefined;
  }

  /** Training begins, or goes on: ERR_OPTION where what it would go on from is gone. */
  checkResume(resume: boolean): void {
    if (!resume) this.dropped = undefined;
    if (this.dropped === undefined) return;
    throw new GradstepError(
      'ERR_OPTION',
      `Expected false for fit.resume but received true: compile could not take up the state that was loaded, as ${this.dropped}`,
    );
  }

  /** Takes over what a file held. */
  restore({ weights, seed, training, kind }: Restored): void {
    this.seedNumber = seed ?? this.seedNumber;
    this.network.weights.forEach((w, i) => homeOf(w).set(Promise.resolve(weights[i]!)));
    if (!training || !kind) {
      this.earlier = training;
      return;
    }
    if (!this.frozenThen) this.rememberFrozen();
    this.waiting = { kind, trained: this.trained, training };
  }

  /** What `trainable` says now is what counts until the model is compiled again. */
  protected rememberFrozen(): void {
    this.frozenThen = this.isBuilt ? new Set(this.placedWeights.filter(this.isFrozenNow)) : undefined;
  }

  /** Weights wherever they are placed: one that stands in several parts is there once for each. */
  private get placedWeights(): readonly PlacedWeight[] {
    return this.network.layers.flatMap((l) => l.weights);
  }

  private readonly isFrozenNow = (weight: PlacedWeight): boolean => weight.frozen || !this.isTrainable();

  /** Whether a weight's layers or the model are frozen: as it was said when the model was compiled. */
  private readonly isFrozen = (weight: PlacedWeight): boolean => this.frozenThen?.has(weight) ?? this.isFrozenNow(weight);

  /** Whether training changes a weight by its gradient. */
  readonly isTrained = (weight: PlacedWeight): boolean => weight.trainable !== false && !this.isFrozen(weight);

  /** Names of the weights that are not frozen, where `trainable` says otherwise since the model was compiled. */
  get trainedNames(): string[] | undefined {
    const { weights } = this.network;
    if (weights.every((w) => this.isFrozen(w) === this.isFrozenNow(w))) return undefined;
    return weights.filter((w) => !this.isFrozen(w)).map((w) => w.name);
  }

  /** Takes over what a file says of that; ERR_OPTION where it names a weight that there is not. */
  trainOnly(names: unknown): void {
    const { placedWeights } = this;
    if (!Array.isArray(names)) throw optionError('training.trained', 'array of names', names);
    names.forEach((name: unknown, i) => {
      if (!placedWeights.some((w) => w.name === name)) throw optionError(`training.trained[${i}]`, 'name of a weight', name);
    });
    this.frozenThen = new Set(placedWeights.filter((w) => !names.includes(w.name)));
  }

  get trainables(): Trainables {
    return { isTrained: this.isTrained, isFrozen: this.isFrozen };
  }

  /** What reads data, or runs: to be ended when the model is disposed of. */
  private readonly running = new Set<AbortController>();

  private readonly isWanted = (): boolean => !this.disposed;

  checkUsable(): void {
    if (this.disposed) throw new GradstepError('ERR_DISPOSED', 'The model has been disposed: its memory is gone');
  }

  /** Throws ERR_BUSY while `fit` runs. */
  checkFree(what: string): void {
    this.checkUsable();
    if (this.busy) throw new GradstepError('ERR_BUSY', `The model is being trained: await fit before ${what}`);
  }

  /** Keeps others from training or changing the model while `body` runs. */
  async whileBusy<T>(what: string, body: () => Promise<T>): Promise<T> {
    this.checkFree(what);
    this.busy = true;
    try {
      return await body();
    } finally {
      this.busy = false;
    }
  }

  /** Calls `body` with a signal that is aborted with `signal`, and when the model is disposed of: then ERR_DISPOSED. */
  async whileUsable<T>(signal: AbortSignal | undefined, body: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const run = new AbortController();
    const endWait = onAbort(signal, () => run.abort(signal!.reason));
    this.running.add(run);
    try {
      return await body(run.signal);
    } catch (error) {
      if (error instanceof GradstepError && error.code === 'ERR_ABORTED' && !signal?.aborted) this.checkUsable();
      throw error;
    } finally {
      endWait();
      this.running.delete(run);
    }
  }

  /** The engine, opened when there is none, with the newest weights. */
  async engine(): Promise<Engine> {
    this.checkUsable();
    const opening = (this.current ??= this.open());
    try {
      const engine = await opening;
      await engine.sync();
      return engine;
    } catch (error) {
      if (this.current === opening) this.current = undefined;
      throw error;
    }
  }

  /**
   * Calls `body` with the engine. It must enter the engine's inference lock at once: a model that is compiled meanwhile
   * waits for it before the engine goes.
   */
  async withEngine<T>(body: (engine: Engine) => Promise<T>): Promise<T> {
    for (;;) {
      const coming = this.engine();
      const opening = this.current;
      const engine = await coming.catch(async (error: unknown) => {
        // It may have gone while it fetched weights.
        const gone = await opening?.catch(() => undefined);
        if (this.disposed || !gone?.isRetiring) throw error;
        return gone;
      });
      if (!engine.isRetiring) return body(engine);
    }
  }

  private async open(): Promise<Engine> {
    const { network, options, seed } = this;
    await this.retirePrevious();
    this.fillWeights();
    const engine = await Engine.open(
      network,
      options,
      options?.device ?? this.device,
      seed,
      this.earlier,
      this.trainables,
      this.isWanted,
    );
    if (this.disposed) {
      await engine.retire();
      this.checkUsable();
    }
    this.earlier = undefined;
    return engine;
  }

  /** Brings the weights of engines of before the last `compile` back to the host. */
  private async retirePrevious(): Promise<void> {
    // Those of now: what is opened meanwhile waits for this.
    for (const opening of [...this.previous]) {
      const engine = await opening.catch(() => undefined);
      if (engine) engine.isRetiring = true;
      const retire = async (): Promise<void> => {
        const at = this.previous.indexOf(opening);
        if (at < 0) return;
        void this.previous.splice(at, 1);
        await engine?.retire();
      };
      await (engine ? engine.inference.run(retire) : retire());
    }
  }

  /** Weights that have no numbers yet get their first, as soon as they are read. */
  private fillWeights(): void {
    const { network, seed } = this;
    for (const weight of network.weights) {
      const home = homeOf(weight);
      if (home.isEmpty) home.begin((isWanted) => initialWeight(weight, seed, isWanted));
    }
  }

  /** The weights as variables of functions of the user's own. */
  get variables(): readonly { readonly weight: PlacedWeight; readonly handle: VariableHandle }[] {
    const { network } = this;
    if (this.handles?.network !== network) {
      const fill = () => this.fillWeights();
      const list = network.weights.map((weight) => ({
        weight,
        handle: new VariableHandle(weight.name, weight.shape, homeOf(weight), fill, weight),
      }));
      this.handles = { network, list };
    }
    return this.handles.list;
  }

  /** Those that training changes, as the layers say at the moment. */
  get trainableVariables(): ModelCore['variables'] {
    return this.isTrainable() ? this.variables.filter((v) => v.weight.trained) : [];
  }

  /** Weights and state of training, wherever they are. */
  async snapshot(isWhole = true): Promise<Snapshot> {
    this.checkUsable();
    const { current, waiting } = this;
    if (current) {
      const taken = this.engine().then((engine) => engine.snapshot(isWhole));
      // Compiled meanwhile, the model has another engine or none.
      const { weights, training } = await taken.catch((error: unknown) =>
        this.disposed || this.current === current ? Promise.reject(error as Error) : this.snapshot(isWhole),
      );
      return { weights, training: training ?? waiting?.training };
    }
    await this.retirePrevious();
    this.fillWeights();
    const weights = await Promise.all(this.network.weights.map((w) => homeOf(w).read(this.isWanted)));
    return { weights: weights.map((w) => w.slice()), training: waiting?.training ?? this.earlier };
  }

  /** Replaces the weights, in the network's order; undefined leaves one as it is. */
  async replaceWeights(values: readonly (Float32Array | undefined)[]): Promise<void> {
    this.checkFree('setWeights');
    await this.retirePrevious();
    this.fillWeights();
    const changed = this.network.weights.map((w, i) => ({ home: homeOf(w), value: values[i] })).filter((c) => c.value);
    for (const { home } of changed) home.checkFree(this, 'setWeights');
    for (const { home, value } of changed) home.set(Promise.resolve(value!));
  }

  /** Begins everything that stateful layers carry over anew. */
  async resetStates(): Promise<void> {
    this.checkUsable();
    if (this.current) await (await this.engine()).resetStates();
    else if (this.earlier) this.earlier = withoutCarried(this.earlier);
    if (this.waiting) this.waiting = { ...this.waiting, training: withoutCarried(this.waiting.training) };
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    for (const run of this.running) run.abort();
    const engines = [...this.previous, this.current];
    this.current = undefined;
    this.previous.length = 0;
    // The weights belong to the layers, which may stand in other models.
    for (const opening of engines) {
      const engine = await opening?.catch(() => undefined);
      engine?.session.stop();
      await engine?.retire().catch(() => undefined);
    }
  }
}

const cores = new WeakMap<object, ModelCore>();

/** Ties a public model to what is behind it. */
export function setCore(model: object, core: ModelCore): void {
  cores.set(model, core);
}

/** What is behind a public model; for modules of the library and for tests. */
export function coreOf(model: object): ModelCore {
  const core = cores.get(model);
  if (!core) throw new GradstepError('ERR_OPTION', 'Expected a model');
  return core;
}
