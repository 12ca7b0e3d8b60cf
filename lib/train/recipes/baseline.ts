/**
 * baseline: a plain model for the data at hand, compiled, with options for `fit`: what a more elaborate model has to beat.
 * The rows say what kind of input it is, the labels what is asked.
 */
import { statisticsOf } from '../../data/statistics.js';
import { tensorOf, type Tensor, type TensorData, type TensorLike } from '../../data/tensor.js';
import { GradstepError } from '../../errors.js';
import { formatShape } from '../../graph/shape.js';
import * as layers from '../../layers/index.js';
import type { Layer } from '../../layers/layer.js';
import { checkOptions, integer, oneOf, optional, type Check, type SchemaOf } from '../../options.js';
import { deviceOption, type CompileOptions, type DeviceName } from '../compile_options.js';
import type { FitOptions } from '../run_options.js';
import { sequential, type Sequential } from '../sequential.js';
import { inputLayers } from './baseline_inputs.js';

/** What is asked: a number or several, one of two classes, one of several classes, or any of several labels. */
export type BaselineTask = 'regression' | 'binary' | 'classes' | 'labels';

export interface BaselineOptions {
  /** Rows of inputs: [rows, features], [rows, time, features], [rows, height, width, channels], or int32 [rows, time] of tokens. */
  x: TensorLike;
  /** Labels, as many rows. */
  y: TensorLike;
  /** Default: by the labels. */
  task?: BaselineTask;
  /** Default `auto`. */
  device?: DeviceName;
  /** Integer >= 0; random by default. */
  seed?: number;
}

export interface Baseline {
  readonly model: Sequential;
  readonly task: BaselineTask;
  /** Options for `model.fit(x, y, …)`: passes for about 3,000 updates, a fifth of the rows for validation. */
  readonly fitOptions: FitOptions;
  /**
   * What always giving the same answer comes to, in the model's metric: accuracy of the commonest class, or the mean
   * absolute error of the mean. A model that is no better has learned nothing.
   */
  readonly trivial: number;
  /** What was taken the data for, in words. */
  readonly notes: readonly string[];
}

const given: Check<Tensor> = (value, name) => tensorOf(value as TensorLike, name);

const schema = {
  x: given,
  y: given,
  task: optional(oneOf(['regression', 'binary', 'classes', 'labels']), undefined),
  device: optional(deviceOption, 'auto' as const),
  seed: optional(integer(0), undefined),
} satisfies SchemaOf<BaselineOptions>;

/** Updates that `fitOptions` asks for. */
const UPDATES = 3000;

/** Floats that are whole numbers count as classes where there are at most so many, each with ten rows. */
const CLASSES = 20;

/** What the labels ask for. */
interface Question {
  readonly task: BaselineTask;
  readonly units: number;
  readonly loss: CompileOptions['loss'];
  readonly metric: 'accuracy' | 'binaryAccuracy' | 'meanAbsoluteError';
  readonly activation: 'linear' | 'sigmoid' | 'softmax';
  readonly trivial: number;
  readonly words: string;
}

/**
 * A model for rows and labels, compiled with Adam: dense layers over scaled numbers, a small convolutional network for images
 * or series, an embedding for tokens (int32). Integer labels mean classes; floats do where they are few whole numbers; 0 and 1
 * mean two classes, rows of them one of several classes (or labels, where they do not add up to 1). Statistics for scaling
 * are part of the model. ERR_SHAPE and ERR_OPTION where data and task do not fit.
 */
export function baseline(options: BaselineOptions): Baseline {
  const { x, y, task, device, seed } = checkOptions('recipes.baseline', options, schema);
  const rows = x.shape[0]!;
  if (x.shape.length < 2)
    throw new GradstepError('ERR_SHAPE', `Expected x of shape [rows, …] but received ${formatShape(x.shape)}`);
  if (y.shape[0] !== rows) throw new GradstepError('ERR_SHAPE', `Expected ${rows} rows in y as in x but received ${y.shape[0]}`);
  const question = questionOf(y, task);
  const { body, words } = inputLayers(x);
  const model = sequential([...body, ...headOf(question, y)]);
  const optimizer = 'adam';
  model.compile({ optimizer, loss: question.loss, metrics: [question.metric], device, ...(seed !== undefined && { seed }) });
  const batchSize = rows >= 10_000 ? 128 : 32;
  const validationSplit = rows >= 50 ? 0.2 : 0;
  const updates = Math.ceil((rows * (1 - validationSplit)) / batchSize);
  const epochs = Math.min(200, Math.max(3, Math.ceil(UPDATES / updates)));
  const notes = [words, question.words];
  if (validationSplit > 0) notes.push('The last fifth of the rows is for validation: mix them first if they are sorted');
  return { model, task: question.task, fitOptions: { epochs, batchSize, validationSplit }, trivial: question.trivial, notes };
}

function headOf({ units, activation, task }: Question, y: Tensor): Layer[] {
  const last = layers.dense({ units, activation });
  if (task !== 'regression') return [last];
  const { mean, variance } = statisticsOf(y, 'recipes.baseline.y');
  return [last, layers.normalization({ mean, variance: variance.map((v) => v || 1), invert: true })];
}

function questionOf(y: Tensor, asked: BaselineTask | undefined): Question {
  const row = y.shape.slice(1);
  if (row.length > 1)
    throw new GradstepError('ERR_SHAPE', `Expected y of shape [rows] or [rows, n] but received ${formatShape(y.shape)}`);
  const columns = row[0] ?? 1;
  const task = asked ?? guess(y, columns);
  const isWhole = y.data.every((v) => Number.isInteger(v) && v >= 0);
  if (task === 'regression') return regression(y, columns);
  if (!isWhole) throw new GradstepError('ERR_OPTION', `Expected whole numbers >= 0 in y for recipes.baseline.task ${task}`);
  if (task !== 'classes' || columns > 1) {
    if (y.data.some((v) => v > 1))
      throw new GradstepError('ERR_OPTION', `Expected 0 or 1 in y for recipes.baseline.task ${task}`);
  }
  if (task === 'binary' && columns !== 1) {
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected y of shape [rows] or [rows, 1] for recipes.baseline.task binary but received ${formatShape(y.shape)}`,
    );
  }
  if (task === 'classes') return classes(y, columns);
  const share = statisticsOf(y, 'recipes.baseline.y').mean.map((p) => Math.max(p, 1 - p));
  const trivial = share.reduce((a, b) => a + b, 0) / columns;
  const words =
    task === 'binary' ? 'y is 0 or 1: one of two classes' : `y is 0 or 1 in ${columns} columns: any of ${columns} labels`;
  const fixed = { loss: 'binaryCrossentropy', metric: 'binaryAccuracy', activation: 'sigmoid' } as const;
  return { task, units: columns, ...fixed, trivial, words };
}

function guess(y: Tensor, columns: number): BaselineTask {
  const { data } = y;
  const rows = y.shape[0]!;
  if (!data.every((v) => Number.isInteger(v) && v >= 0)) return 'regression';
  const isBinary = data.every((v) => v <= 1);
  if (columns > 1) {
    if (!isBinary) return 'regression';
    return Array.from({ length: rows }, (_, r) => sumOf(data.subarray(r * columns, (r + 1) * columns))).every((s) => s === 1)
      ? 'classes'
      : 'labels';
  }
  if (isBinary) return 'binary';
  if (!(data instanceof Float32Array)) return 'classes';
  const distinct = new Set(data).size;
  return distinct <= CLASSES && rows >= 10 * distinct ? 'classes' : 'regression';
}

const sumOf = (data: TensorData): number => (data as Float32Array).reduce((a, b) => a + b, 0);

function regression(y: Tensor, units: number): Question {
  const { mean } = statisticsOf(y, 'recipes.baseline.y');
  let error = 0;
  y.data.forEach((v, i) => (error += Math.abs(v - mean[i % units]!) / y.data.length));
  const words = units === 1 ? 'y is a number: regression' : `y is ${units} numbers: regression`;
  const fixed = { loss: 'meanSquaredError', metric: 'meanAbsoluteError', activation: 'linear' } as const;
  return { task: 'regression', units, ...fixed, trivial: error, words };
}

function classes(y: Tensor, columns: number): Question {
  const rows = y.shape[0]!;
  const labels =
    columns === 1 ? Array.from(y.data) : Array.from({ length: rows }, (_, r) => y.data.indexOf(1, r * columns) - r * columns);
  const units = columns === 1 ? labels.reduce((a, b) => Math.max(a, b), 0) + 1 : columns;
  if (units < 2)
    throw new GradstepError('ERR_OPTION', 'Expected at least two classes in y for recipes.baseline but received one');
  const counts = new Map<number, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const loss = columns === 1 ? 'sparseCategoricalCrossentropy' : 'categoricalCrossentropy';
  const trivial = [...counts.values()].reduce((a, b) => Math.max(a, b), 0) / rows;
  const words = `y is one of ${units} classes`;
  return { task: 'classes', units, loss, metric: 'accuracy', activation: 'softmax', trivial, words };
}
