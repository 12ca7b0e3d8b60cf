/** Sequential models: layers in a row, and everything one does with them. The public face of lib/train. */
import { inputRows, labelRows, pairSamples, rowShapeOf, type Samples } from '../data/samples.js';
import type { Tensor, TensorLike } from '../data/tensor.js';
import { GradstepError, optionError } from '../errors.js';
import type { Layer } from '../layers/define_layer.js';
import { checkOptions, func, optional, shape as shapeOption } from '../options.js';
import { checkCompileOptions, type CompileOptions } from './compile_options.js';
import { evaluate } from './evaluate.js';
import { fit } from './fit.js';
import type { History, Logs } from './history.js';
import { coreOf, ModelCore, setCore } from './model_core.js';
import { predict } from './predict.js';
import { checkFitOptions, checkPassOptions, type FitOptions, type PassOptions } from './run_options.js';
import { saveModel, type SaveOptions } from './save_model.js';
import { summarize } from './summary.js';
import { packBlock, unpackBlock } from './weights.js';

export interface SummaryOptions {
  /** Receives the table line by line. Default: the standard output. */
  printFn?: (line: string) => void;
}

/** A model made of layers in a row; `gs.sequential` makes one. */
export class Sequential {
  /** @internal */
  constructor(core: ModelCore) {
    setCore(this, core);
  }

  /**
   * Fixes the shape of one sample, without the batch, where the first layer has no `inputShape`; `fit` and `predict`
   * otherwise do it from their data. ERR_SHAPE when a layer cannot take what it would get.
   */
  build(inputShape: readonly number[]): void {
    const core = coreOf(this);
    core.checkUsable();
    core.build(shapeOption(inputShape, 'build.inputShape'));
  }

  /** Prints a table of the layers, their output shapes and parameters. */
  summary(options?: SummaryOptions): void {
    const print = (line: string): void => void process.stdout.write(`${line}\n`);
    const { printFn } = checkOptions('summary', options, { printFn: optional(func<(line: string) => void>(), print) });
    for (const line of summarize(coreOf(this).network).split('\n')) printFn(line);
  }

  /**
   * Says how to train: optimizer, loss, metrics, device. Compiling again keeps the weights and begins the optimizer
   * anew. ERR_OPTION for options that are wrong or unknown; ERR_BUSY while `fit` runs. A device that is not there is
   * reported by the first call that needs it.
   */
  compile(options: CompileOptions): void {
    coreOf(this).compile(checkCompileOptions(options));
  }

  /**
   * Trains on rows of data. `x` is [rows, ...inputShape] (or a bare typed array of so many numbers, or nested arrays);
   * `y` has as many rows, of the shape and type that the loss wants. Resolves with the means of every epoch.
   * ERR_SHAPE, ERR_DTYPE, ERR_OPTION before anything runs; ERR_LABEL_RANGE, ERR_NAN, ERR_ABORTED, ERR_DISPOSED, ERR_OOM
   * during the run: the model then holds the weights of the last step that went well. ERR_BUSY while another `fit` runs.
   */
  async fit(x: TensorLike, y: TensorLike, options?: FitOptions): Promise<History> {
    const core = coreOf(this);
    return core.whileBusy('fit', async () => {
      const { validationData, validationSplit, ...run } = checkFitOptions(options);
      const given = this.#samples(x, y);
      let samples = given;
      let validation = validationData && this.#samples(...validationData);
      if (!validation && validationSplit > 0) [samples, validation] = split(given, validationSplit);
      const batchSize = Math.min(run.batchSize, samples.x.shape[0]!);
      return fit(await core.engine(), { ...run, samples, validation, batchSize });
    });
  }

  /** Loss and metrics over rows of data, without training. Arguments and errors as for `fit`. */
  async evaluate(x: TensorLike, y: TensorLike, options?: PassOptions): Promise<Logs> {
    const core = coreOf(this);
    core.checkUsable();
    const { batchSize, signal } = checkPassOptions('evaluate', options);
    const samples = this.#samples(x, y);
    return evaluate(await core.engine(), samples, Math.min(batchSize, samples.x.shape[0]!), signal);
  }

  /** The model's output for each row: [rows, ...outputShape]. During `fit` it uses the weights of the step just done. */
  async predict(x: TensorLike, options?: PassOptions): Promise<Tensor<Float32Array>> {
    const core = coreOf(this);
    core.checkUsable();
    const { batchSize, signal } = checkPassOptions('predict', options);
    const rows = this.#inputs(x);
    return predict(await core.engine(), rows, Math.min(batchSize, rows.shape[0]!), signal);
  }

  /** Copies of all weights, in Keras's order and layouts: dense [in, units], convolution [height, width, in, out]. */
  async getWeights(): Promise<Tensor<Float32Array>[]> {
    const core = coreOf(this);
    core.checkUsable();
    return unpackBlock(core.network.weights, (await core.snapshot()).weights);
  }

  /** Replaces all weights; ERR_SHAPE or ERR_DTYPE naming the first that does not fit, ERR_BUSY while `fit` runs. */
  async setWeights(weights: readonly TensorLike[]): Promise<void> {
    const core = coreOf(this);
    core.checkUsable();
    await core.replaceWeights(packBlock(core.network.weights, weights));
  }

  /**
   * Writes architecture and weights, and by default compile options and the optimizer's state, to one safetensors file.
   * The file appears whole or not at all. ERR_FILE when it cannot be written; ERR_OPTION when a layer holds a function
   * of your own. With a loss or metric of your own, compile options are left out: compile again after loading.
   */
  async save(path: string, options?: SaveOptions): Promise<void> {
    await saveModel(coreOf(this), path, options);
  }

  /** Ends what runs (ERR_DISPOSED) and gives the device's memory back; the model cannot be used afterwards. */
  dispose(): Promise<void> {
    return coreOf(this).dispose();
  }

  /** For `using model = …`: disposes without waiting. */
  [Symbol.dispose](): void {
    void this.dispose();
  }

  #inputs(x: TensorLike): Tensor {
    const core = coreOf(this);
    if (!core.isBuilt) {
      const row = rowShapeOf(x);
      if (row) core.build(row);
    }
    return inputRows(x, core.network.input, core.names[0]!);
  }

  #samples(x: TensorLike, y: TensorLike): Samples {
    const core = coreOf(this);
    const { loss } = core.compiled;
    const inputs = this.#inputs(x);
    const labels = { dtype: loss.labels, row: loss.labelShape(core.network.output) };
    return pairSamples(inputs, labelRows(y, labels, core.names.at(-1)!));
  }
}

/** The last part of the rows for validation, as Keras splits them. */
function split({ x, y }: Samples, part: number): [Samples, Samples] {
  const rows = x.shape[0]!;
  const at = Math.floor(rows * (1 - part));
  if (at < 1 || at >= rows) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected validationSplit to leave rows on both sides but ${part} of ${rows} rows does not`,
    );
  }
  return [
    { x: x.rows(0, at), y: y.rows(0, at) },
    { x: x.rows(at, rows), y: y.rows(at, rows) },
  ];
}

const placed = new WeakSet<Layer>();

/** Makes the core of a model; each layer can be in one model only, since it owns its weights. */
export function makeCore(layers: readonly Layer[], device: string): ModelCore {
  if (!Array.isArray(layers) || layers.length === 0)
    throw optionError('sequential.layers', 'array of at least one layer', layers);
  const seen = new Set<Layer>();
  layers.forEach((layer: Layer | undefined, i) => {
    if (typeof layer?.outputShape !== 'function') throw optionError(`sequential.layers[${i}]`, 'layer', layer);
    if (placed.has(layer) || seen.has(layer)) {
      throw new GradstepError(
        'ERR_OPTION',
        `Expected a layer of its own for sequential.layers[${i}] but it is already part of a model`,
      );
    }
    seen.add(layer);
  });
  const core = new ModelCore([...layers], device);
  for (const layer of layers) placed.add(layer);
  return core;
}

/** A model of layers in a row. The first layer gives `inputShape`, or the first `fit` or `build` does. */
export function sequential(layers: readonly Layer[]): Sequential {
  return new Sequential(makeCore(layers, 'auto'));
}
