/**
 * The state behind a model: its description, its compile options, and its engine while there is one. The engine is opened
 * by the first use after `compile`.
 */
import { GradstepError } from '../errors.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { rateAt } from '../optimizers/optimizer.js';
import { randomSeed } from '../random.js';
import { checkCompileOptions, type Compiled } from './compile_options.js';
import { Engine, type Snapshot, type TrainingState } from './engine.js';
import { initialWeight } from './initial_weights.js';
import { ACCUMULATED } from './memory.js';
import type { Network, PlacedWeight } from './network.js';
import type { DataLike } from './run_options.js';
import { VariableHandle } from './variable.js';
import { homeOf } from './weight_home.js';

/** What a saved model brings along. */
export interface Restored {
  readonly weights: readonly Float32Array[];
  readonly seed: number | undefined;
  readonly training: TrainingState | undefined;
}

export abstract class ModelCore {
  private options: Compiled | undefined;
  private seedNumber: number | undefined;
  /** State of earlier training, until an engine takes it. */
  private earlier: TrainingState | undefined;
  private current: Promise<Engine> | undefined;
  /** The engine of before the last `compile`, until its weights are taken over. */
  private previous: Promise<Engine> | undefined;
  private busy = false;
  private disposed = false;
  private attached = false;
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

  /** Lets data say what shape the inputs have, where nothing else did. */
  prepareFor(_x: DataLike): void {
    // The inputs say it themselves.
  }

  /** The network, for inputs of these shapes; ERR_SHAPE where it takes others. */
  networkFor(inputs: readonly Shape[]): Network {
    const { network } = this;
    const wanted = network.inputs.map((i) => i.shape);
    if (wanted.length !== inputs.length || !wanted.every((w, i) => sameShape(w, inputs[i]!))) {
      const list = (shapes: readonly Shape[]) => shapes.map((s) => formatShape(s)).join(', ');
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

  /** The rate that training begins with. */
  get initialLearningRate(): number {
    return rateAt(this.compiled.optimizer.learningRate, 0);
  }

  /** What training keeps for each weight, as `slot/weight` with its shape; `optional` where a file may lack it. */
  get keptNames(): { name: string; shape: Shape; optional: boolean }[] {
    const { optimizer } = this.compiled;
    const trained = this.network.weights.filter((w) => w.trained);
    const slots = [...optimizer.slots, ...(optimizer.common.useEma ? ['ema'] : []), ACCUMULATED];
    return slots.flatMap((slot) =>
      trained.map(({ name, shape }) => ({ name: `${slot}/${name}`, shape, optional: slot === ACCUMULATED })),
    );
  }

  get isCompiled(): boolean {
    return this.options !== undefined;
  }

  get seed(): number {
    return (this.seedNumber ??= randomSeed());
  }

  compile(options: unknown): void {
    const checked = checkCompileOptions(options, this.outputNames);
    this.checkFree('compile');
    this.options = checked;
    this.seedNumber = checked.seed ?? this.seedNumber;
    this.earlier = undefined;
    this.previous ??= this.current;
    this.current = undefined;
  }

  /** Takes over what a file held. */
  restore({ weights, seed, training }: Restored): void {
    this.seedNumber = seed ?? this.seedNumber;
    this.network.weights.forEach((w, i) => homeOf(w).set(Promise.resolve(weights[i]!)));
    this.earlier = training;
  }

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

  private async open(): Promise<Engine> {
    const { network, options, seed } = this;
    await this.retirePrevious();
    this.fillWeights();
    const engine = await Engine.open(network, options, options?.device ?? this.device, seed, this.earlier);
    if (this.disposed) {
      await engine.retire();
      this.checkUsable();
    }
    this.earlier = undefined;
    return engine;
  }

  /** Brings the weights of the engine before the last `compile` back to the host. */
  private async retirePrevious(): Promise<void> {
    const engine = await this.previous?.catch(() => undefined);
    if (!engine || !this.previous) return;
    await engine.inference.run(async () => {
      if (!this.previous) return;
      this.previous = undefined;
      await engine.retire();
    });
  }

  /** Weights that have no numbers yet get their first. */
  private fillWeights(): void {
    const { network, seed } = this;
    for (const weight of network.weights) {
      const home = homeOf(weight);
      if (!this.attached) home.users++;
      if (home.isEmpty) home.set(initialWeight(weight, seed));
    }
    this.attached = true;
  }

  /** The weights as variables of functions of the user's own. */
  get variables(): readonly { readonly weight: PlacedWeight; readonly handle: VariableHandle }[] {
    const { network } = this;
    if (this.handles?.network !== network) {
      const fill = () => this.fillWeights();
      const list = network.weights.map((weight) => ({
        weight,
        handle: new VariableHandle(weight.name, weight.shape, homeOf(weight), fill),
      }));
      this.handles = { network, list };
    }
    return this.handles.list;
  }

  /** Weights and state of training, wherever they are. */
  async snapshot(): Promise<Snapshot> {
    this.checkUsable();
    if (this.current) return (await this.engine()).snapshot();
    await this.retirePrevious();
    this.fillWeights();
    const weights = await Promise.all(this.network.weights.map((w) => homeOf(w).read()));
    return { weights: weights.map((w) => w.slice()), training: this.earlier };
  }

  /** Replaces the weights, in the network's order; undefined leaves one as it is. */
  async replaceWeights(values: readonly (Float32Array | undefined)[]): Promise<void> {
    this.checkFree('setWeights');
    await this.retirePrevious();
    this.fillWeights();
    this.network.weights.forEach((w, i) => {
      const value = values[i];
      if (value) homeOf(w).set(Promise.resolve(value));
    });
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    const engines = [this.current, this.previous];
    this.current = this.previous = undefined;
    const shared = this.attached && this.network.weights.map(homeOf).filter((home) => --home.users > 0).length > 0;
    for (const engine of engines) {
      await engine?.then((e) => (shared ? e.retire() : e.session.dispose())).catch(() => undefined);
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
