/**
 * The state behind a model: its description, its compile options, and where its weights are: in an engine while there is
 * one, otherwise on the host. The engine is opened by the first use after `compile` and takes the weights with it.
 */
import { GradstepError } from '../errors.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import type { Layer } from '../layers/define_layer.js';
import { randomSeed } from '../random.js';
import type { Compiled } from './compile_options.js';
import { Engine, type TrainingState } from './engine.js';
import { initialWeights } from './initial_weights.js';
import { nameLayers, Network } from './network.js';

/** What a saved model brings along. */
export interface Restored {
  readonly weights: Float32Array;
  readonly seed: number | undefined;
  readonly training: TrainingState | undefined;
}

/** What a model consists of at one moment. */
export interface Snapshot {
  readonly weights: Float32Array;
  readonly training: TrainingState | undefined;
}

export class ModelCore {
  readonly names: readonly string[];
  private built: Network | undefined;
  private options: Compiled | undefined;
  private seedNumber: number | undefined;
  /** The weights while no engine holds them. */
  private host: Promise<Float32Array> | undefined;
  /** State of earlier training, until an engine takes it. */
  private earlier: TrainingState | undefined;
  private current: Promise<Engine> | undefined;
  /** The engine of before the last `compile`, until its weights are taken over. */
  private previous: Promise<Engine> | undefined;
  private busy = false;
  private disposed = false;

  constructor(
    private readonly layers: readonly Layer[],
    /** Where the model runs until `compile` says otherwise. */
    private readonly device: string,
  ) {
    this.names = nameLayers(layers);
    const input = layers[0]!.inputShape;
    if (input) this.built = new Network(layers, this.names, input);
  }

  get network(): Network {
    if (!this.built) {
      throw new GradstepError(
        'ERR_SHAPE',
        'The shape of the inputs is not known yet: give the first layer inputShape, or call build',
      );
    }
    return this.built;
  }

  get isBuilt(): boolean {
    return this.built !== undefined;
  }

  build(input: Shape): void {
    if (this.built && !sameShape(this.built.input, input)) {
      const shapes = `${formatShape(this.built.input)} and cannot be built for ${formatShape(input)}`;
      throw new GradstepError('ERR_SHAPE', `The model takes inputs of shape ${shapes}`);
    }
    this.built ??= new Network(this.layers, this.names, input);
  }

  get compiled(): Compiled {
    if (!this.options) throw new GradstepError('ERR_NOT_COMPILED', 'The model has not been compiled: call compile first');
    return this.options;
  }

  get isCompiled(): boolean {
    return this.options !== undefined;
  }

  get seed(): number {
    return (this.seedNumber ??= randomSeed());
  }

  compile(options: Compiled): void {
    this.checkFree('compile');
    this.options = options;
    this.seedNumber = options.seed ?? this.seedNumber;
    this.earlier = undefined;
    this.previous ??= this.current;
    this.current = undefined;
  }

  /** Takes over what a file held. */
  restore({ weights, seed, training }: Restored, options: Compiled | undefined): void {
    if (options) this.compile(options);
    this.seedNumber = seed;
    this.host = Promise.resolve(weights);
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

  /** The engine, opened when there is none. */
  async engine(): Promise<Engine> {
    this.checkUsable();
    const opening = (this.current ??= this.open());
    try {
      return await opening;
    } catch (error) {
      if (this.current === opening) this.current = undefined;
      throw error;
    }
  }

  private async open(): Promise<Engine> {
    const { network, options, seed } = this;
    await this.retirePrevious();
    const weights = await this.hostWeights();
    const engine = await Engine.open(network, options, options?.device ?? this.device, seed, weights, this.earlier);
    if (this.disposed) {
      await engine.session.dispose();
      this.checkUsable();
    }
    this.host = undefined;
    this.earlier = undefined;
    return engine;
  }

  /** Brings the weights of the engine before the last `compile` back to the host. */
  private async retirePrevious(): Promise<void> {
    const engine = await this.previous?.catch(() => undefined);
    if (!engine || !this.previous) return;
    await engine.inference.run(async () => {
      if (!this.previous) return;
      this.host = Promise.resolve(await engine.readWeights());
      this.previous = undefined;
      await engine.session.dispose();
    });
  }

  private hostWeights(): Promise<Float32Array> {
    return (this.host ??= initialWeights(this.network, this.seed));
  }

  /** Weights and state of training, wherever they are. */
  async snapshot(): Promise<Snapshot> {
    this.checkUsable();
    if (this.current) return (await this.engine()).snapshot();
    await this.retirePrevious();
    return { weights: await this.hostWeights(), training: this.earlier };
  }

  /** Replaces the parameter block. */
  async replaceWeights(weights: Float32Array): Promise<void> {
    this.checkFree('setWeights');
    if (!this.current) {
      await this.retirePrevious();
      this.host = Promise.resolve(weights);
      return;
    }
    const { session, memory } = await this.engine();
    await session.writeRange(memory.layout.offsetOf(memory.params.whole), weights, 'the weights');
  }

  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    const engines = [this.current, this.previous];
    this.host = this.current = this.previous = undefined;
    for (const engine of engines) await engine?.then((e) => e.session.dispose()).catch(() => undefined);
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
