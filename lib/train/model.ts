/** Models and everything one does with them: the public face of lib/train. */
import { Dataset } from '../data/dataset.js';
import { rowsOfBatches } from '../data/samples.js';
import type { Tensor, TensorLike } from '../data/tensor.js';
import { GradstepError } from '../errors.js';
import { Value } from '../graph/graph.js';
import type { PartialShape, Shape } from '../graph/shape.js';
import { Layer } from '../layers/layer.js';
import { boolean, checkOptions, func, optional, unknownName, type SchemaOf } from '../options.js';
import { callModel } from './call_model.js';
import type { CompileOptions } from './compile_options.js';
import { evaluate } from './evaluate.js';
import type { History, Logs } from './history.js';
import { inputsOf, samplesOf } from './inputs.js';
import { readLearningRate, settableRate } from './learning_rate.js';
import { loadWeights, type LoadWeightsOptions, type LoadedWeights } from './load_weights.js';
import { coreOf, setCore, type ModelCore } from './model_core.js';
import { partsOf } from './nested.js';
import { regularizationLoss } from './penalty.js';
import { predict } from './predict.js';
import { profile, type ProfileOptions } from './profile/profile.js';
import type { Profile } from './profile/report.js';
import {
  checkEvaluateOptions,
  checkPredictOptions,
  checkTestOptions,
  labelsAndOptions,
  withoutWeights,
  type DataLike,
  type EvaluateOptions,
  type FitOptions,
  type PredictOptions,
  type TestOptions,
} from './run_options.js';
import { describeModel, saveModel, type SavedArchitecture, type SaveOptions } from './save_model.js';
import { startFit } from './start_fit.js';
import { firstBatches, inputReader, sampleReader, shapeFrom } from './stream.js';
import { summarize } from './summary.js';
import { epochReports, type EpochReport } from './train.js';
import { trainOnBatch, type BatchOptions } from './train_on_batch.js';
import type { VariableHandle } from './variable.js';
import { weightTensors, weightValues } from './weights.js';

export interface SummaryOptions {
  /** Receives the table line by line. Default: the standard output. */
  printFn?: (line: string) => void;
}

export interface CallOptions {
  /** Default true. */
  training?: boolean;
}

/** A weight as `model.weights` lists it. */
export interface WeightInfo {
  /** `dense_1/kernel`. */
  readonly name: string;
  readonly shape: Shape;
  /** Whether training changes it. */
  readonly trainable: boolean;
}

/** A model: layers that lead from inputs to outputs. It is a layer itself, so it can stand in other models. */
export class Model extends Layer {
  /** @internal */
  constructor(core: ModelCore, common: { readonly name: string | undefined; readonly inputShape: PartialShape | undefined }) {
    super(partsOf(core), { ...common, trainable: true, learningRateMultiplier: 1 });
    setCore(this, core);
    core.isTrainable = () => this.trainable;
  }

  /** The layers, each once; in a sequential model in their order, otherwise in Keras's: those furthest from the outputs first. */
  get layers(): readonly Layer[] {
    return coreOf(this).network.layers.map((l) => l.layer);
  }

  /** Names of the inputs, in their order. */
  get inputNames(): readonly string[] {
    return coreOf(this).network.inputs.map((i) => i.name);
  }

  /** Names of the outputs, in their order: what histories, labels and losses call them where there are several. */
  get outputNames(): readonly string[] {
    return coreOf(this).outputNames;
  }

  /** Every weight in the order of `getWeights`. */
  get weights(): readonly WeightInfo[] {
    return coreOf(this).network.weights.map(({ name, shape, trained }) => ({
      name,
      shape,
      trainable: this.trainable && trained,
    }));
  }

  /** The weights that training changes, for `gs.grad` and `gs.applyGradients` in functions of your own. */
  get trainableVariables(): readonly VariableHandle[] {
    return coreOf(this).trainableVariables.map((v) => v.handle);
  }

  /** The other weights, such as moving statistics and those of frozen layers: functions of your own may read and assign them. */
  get nonTrainableVariables(): readonly VariableHandle[] {
    const trained = new Set(this.trainableVariables);
    return coreOf(this)
      .variables.map((v) => v.handle)
      .filter((handle) => !trained.has(handle));
  }

  /**
   * The model's output for a value, inside a function that `gs.compile` describes: `training` says whether dropout drops
   * and batch statistics are used (default true). With several inputs or outputs: arrays, in their order.
   */
  call(x: Value, options?: CallOptions): Value;
  call(x: readonly Value[], options?: CallOptions): readonly Value[];
  call(x: Value | readonly Value[], options?: CallOptions): Value | readonly Value[] {
    const { training } = checkOptions('call', options, { training: optional(boolean, true) } satisfies SchemaOf<CallOptions>);
    const outputs = callModel(coreOf(this), x instanceof Value ? [x] : x, training, this.trainable);
    return x instanceof Value && outputs.length === 1 ? outputs[0]! : outputs;
  }

  /**
   * What the regularizers of weights that are trained add to a loss, and layers in the calls of the model before; a number [], 0 where
   * there is nothing; inside a function that `gs.compile` describes. `fit` adds it by itself.
   */
  regularizationLoss(): Value {
    return regularizationLoss(coreOf(this));
  }

  /** The layer of that name; ERR_OPTION when there is none. */
  getLayer(name: string): Layer {
    const { layers } = coreOf(this).network;
    const found = layers.find((l) => l.name === name);
    if (!found)
      throw unknownName(
        'layer',
        name,
        'getLayer',
        layers.map((l) => l.name),
      );
    return found.layer;
  }

  /** Prints a table of the layers, their output shapes and parameters, which layers are frozen, and how many parameters are trained. */
  summary(options?: SummaryOptions): void {
    const print = (line: string): void => void process.stdout.write(`${line}\n`);
    const { printFn } = checkOptions('summary', options, { printFn: optional(func<(line: string) => void>(), print) });
    for (const line of summarize(coreOf(this).network, this.trainable).split('\n')) printFn(line);
  }

  /** The architecture as plain JSON, without weights: `gs.modelFromJson` takes it back. */
  toJSON(): SavedArchitecture {
    // What layers hold stays theirs.
    return structuredClone(describeModel(coreOf(this), this.name));
  }

  /**
   * Says how to train: optimizer, loss, metrics, device. Compiling again keeps the weights and begins the optimizer
   * anew. A model that was loaded without compile options, as its loss or a metric was a function of your own, takes the saved
   * state of training up at its first `compile`, if the optimizer keeps the same (`adam` moments of the same weights); a learning
   * rate that callbacks had set stays, unless the optimizer now begins with another than the saved one did. ERR_OPTION for options that are wrong or unknown; ERR_BUSY while `fit` runs. A device that is not there is
   * reported by the first call that needs it.
   */
  compile(options: CompileOptions): void {
    coreOf(this).compile(options);
  }

  /**
   * Trains on rows of data. `x` is [rows, ...inputShape] (or a bare typed array of so many numbers, or nested arrays);
   * `y` has as many rows, of the shape and type that the loss wants, and is null where the model was compiled with `loss: null`.
   * With several inputs or outputs: an array of them, or an object by their names. Resolves with the means of every epoch.
   * ERR_SHAPE, ERR_DTYPE, ERR_OPTION before anything runs; ERR_LABEL_RANGE, ERR_NAN, ERR_ABORTED, ERR_DISPOSED, ERR_OOM
   * during the run: the model then holds the weights of the last step that went well, and where the loss was finite but a
   * gradient was not, moved by the other gradients of that step. ERR_BUSY while another `fit` runs.
   */
  fit(x: DataLike, y: DataLike | null, options?: FitOptions): Promise<History>;
  /** Trains on batches { x, y, sampleWeight } of a dataset, one pass an epoch; samples are put into batches of `batchSize`. */
  fit(dataset: Dataset, options?: FitOptions): Promise<History>;
  async fit(x: DataLike | Dataset, ...rest: readonly unknown[]): Promise<History> {
    const core = coreOf(this);
    const [y, options] = labelsAndOptions<FitOptions>('fit', x, rest);
    return core.whileBusy('fit', () => startFit(this, core, x, y, options));
  }

  /**
   * The same training as `fit` does, driven by the caller: `for await (const report of model.train(x, y, { epochs: 5 }))`. Yields
   * the means of each epoch, and begins the next when it is asked for. Leaving the loop ends training after the step under way;
   * errors are thrown in it. The model stays busy until the iterator has come to its end or its `return` has been called.
   */
  train(x: DataLike, y: DataLike | null, options?: FitOptions): AsyncIterableIterator<EpochReport, undefined>;
  train(dataset: Dataset, options?: FitOptions): AsyncIterableIterator<EpochReport, undefined>;
  train(x: DataLike | Dataset, ...rest: readonly unknown[]): AsyncIterableIterator<EpochReport, undefined> {
    const core = coreOf(this);
    return epochReports((listener) =>
      core.whileBusy('train', () => {
        const [y, options] = labelsAndOptions<FitOptions>('train', x, rest);
        return startFit(this, core, x, y, options, listener);
      }),
    );
  }

  /**
   * One step of training on all rows given, with an update whatever `gradientAccumulationSteps` says; resolves with their
   * loss and metrics, of before the update. Errors as for `fit`.
   */
  async trainOnBatch(x: DataLike, y: DataLike | null, options?: BatchOptions): Promise<Logs> {
    const core = coreOf(this);
    return core.whileBusy('trainOnBatch', () => trainOnBatch(core, x, y, options));
  }

  /** The learning rate of the next update. ERR_NOT_COMPILED before `compile`. */
  readLearningRate(): Promise<number> {
    return coreOf(this).withEngine(readLearningRate);
  }

  /**
   * Sets the learning rate, a number >= 0, from the next update on, also between calls of `trainOnBatch` and while `fit` runs; compiling
   * begins with the optimizer's again. ERR_OPTION where the optimizer has a schedule; ERR_NOT_COMPILED before `compile`.
   */
  async setLearningRate(rate: number): Promise<void> {
    const core = coreOf(this);
    const checked = settableRate(core.compiled, rate);
    await core.withEngine((engine) => engine.setLearningRate(checked));
  }

  /** Loss and metrics over rows of data, without training. Arguments and errors as for `fit`. */
  evaluate(x: DataLike, y: DataLike | null, options?: EvaluateOptions): Promise<Logs>;
  /** Loss and metrics over one pass of a dataset. What reads it must not await predictions of the model: they wait for the end. */
  evaluate(dataset: Dataset, options?: EvaluateOptions): Promise<Logs>;
  async evaluate(x: DataLike | Dataset, ...rest: readonly unknown[]): Promise<Logs> {
    const core = coreOf(this);
    core.checkUsable();
    const [y, options] = labelsAndOptions('evaluate', x, rest);
    const { batchSize, steps, signal, sampleWeight } = checkEvaluateOptions(options);
    if (x instanceof Dataset) {
      withoutWeights('evaluate', sampleWeight);
      const data = { batches: firstBatches(x, batchSize, steps, 'evaluate.steps'), read: sampleReader(core) };
      return core.whileUsable(signal, async (running) => {
        await shapeFrom(core, x, data.read, running);
        return core.withEngine((engine) => evaluate(engine, data, batchSize, running));
      });
    }
    core.prepareFor(x);
    const samples = rowsOfBatches(samplesOf(core, x, y, { sampleWeight }), steps, batchSize);
    return core.withEngine((engine) => evaluate(engine, samples, batchSize, signal));
  }

  /** Loss and metrics of all rows given as one batch. */
  async testOnBatch(x: DataLike, y: DataLike | null, options?: TestOptions): Promise<Logs> {
    return this.evaluate(x, y, { ...checkTestOptions(options), batchSize: 0x7fffffff } as EvaluateOptions);
  }

  /**
   * The model's output for each row: [rows, ...outputShape]. During `fit` it uses the weights of the step just done; of rows that are
   * more than one batch, later ones may see later weights.
   * ERR_OPTION for a model of several outputs: see predictAll.
   */
  async predict(x: DataLike | Dataset, options?: PredictOptions): Promise<Tensor<Float32Array>> {
    const outputs = await this.predictAll(x, options);
    if (outputs.length === 1) return outputs[0]!;
    throw new GradstepError('ERR_OPTION', `Expected a model of one output but it has ${outputs.length}: use predictAll`);
  }

  /**
   * The model's outputs for each row, or for each row of a dataset's pass, in the order of `outputNames`. What reads a dataset
   * must not await other predictions of the model: they wait for the end of the pass.
   */
  async predictAll(x: DataLike | Dataset, options?: PredictOptions): Promise<Tensor<Float32Array>[]> {
    const core = coreOf(this);
    core.checkUsable();
    const { batchSize, steps, signal } = checkPredictOptions(options);
    if (x instanceof Dataset) {
      const data = { batches: firstBatches(x, batchSize, steps, 'predict.steps'), read: inputReader(core) };
      return core.whileUsable(signal, async (running) => {
        await shapeFrom(core, x, data.read, running);
        return core.withEngine((engine) => predict(engine, data, batchSize, running));
      });
    }
    core.prepareFor(x);
    const samples = rowsOfBatches({ x: inputsOf(core, x), y: [], weights: [] }, steps, batchSize);
    return core.withEngine((engine) => predict(engine, samples, batchSize, signal));
  }

  /** The model's output for all rows given, as one batch. */
  predictOnBatch(x: DataLike): Promise<Tensor<Float32Array>> {
    return this.predict(x, { batchSize: 0x7fffffff });
  }

  /**
   * Makes stateful layers (`stateful: true`) begin anew: what training, evaluation and prediction carry from batch to batch
   * becomes 0, and the next batch may have another number of rows. May be called while `fit` runs, as between epochs.
   */
  resetStates(): Promise<void> {
    return coreOf(this).resetStates();
  }

  /**
   * Finds what is slow: runs a step of training on the rows given (of prediction, without `y`; `y` is null where the model was compiled with `loss: null`) again and again and times each
   * of its instructions in the midst of the others. Returns, and prints as a table, time, GFLOP/s, GB/s and the share of
   * what the device could do at best; `trace` writes a file for chrome://tracing or Perfetto. All of it happens on a copy:
   * weights and optimizer stay as they are. It should have the machine to itself. Errors as for `trainOnBatch`; ERR_FILE
   * where the trace cannot be written.
   */
  async profile(x: DataLike, y?: DataLike | null, options?: ProfileOptions): Promise<Profile> {
    return profile(coreOf(this), x, y, options);
  }

  /** All weights in Keras's order: layer by layer, kernel before bias. */
  async getWeights(): Promise<Tensor<Float32Array>[]> {
    const core = coreOf(this);
    core.checkUsable();
    const { weights } = core.network;
    return weightTensors(weights, (await core.snapshot(false)).weights);
  }

  /** Replaces all weights; the same order and shapes as `getWeights`. ERR_BUSY while `fit` runs. */
  async setWeights(weights: readonly TensorLike[]): Promise<void> {
    const core = coreOf(this);
    core.checkUsable();
    await core.replaceWeights(weightValues(core.network.weights, weights));
  }

  /**
   * Takes weights from a file that `save` wrote, or any safetensors file: all of them, or those of the same name; floats of 16 and
   * 64 bits become float32.
   * ERR_FILE when a weight is not there or has another shape; with `byName` those are left as they are, and named.
   */
  loadWeights(path: string | URL, options?: LoadWeightsOptions): Promise<LoadedWeights> {
    return loadWeights(coreOf(this), path, options);
  }

  /**
   * Writes architecture and weights, and by default compile options and the optimizer's state, to one safetensors file.
   * The file appears whole or not at all. ERR_FILE when it cannot be written; ERR_OPTION when a layer holds a function
   * of your own. Where the loss or a metric is one, compile options are left out: `compile` with the same ones after loading takes
   * the state of training up.
   */
  async save(path: string | URL, options?: SaveOptions): Promise<void> {
    await saveModel(coreOf(this), this.name, path, options);
  }

  /** Ends what runs (ERR_DISPOSED) and gives the device's memory back; the model cannot be used afterwards. */
  dispose(): Promise<void> {
    return coreOf(this).dispose();
  }

  /** For `using model = …`: disposes without waiting. */
  [Symbol.dispose](): void {
    void this.dispose();
  }
}
