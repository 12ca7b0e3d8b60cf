/** Inputs and labels as `fit`, `evaluate` and `predict` take them, turned into tensors of rows that fit a model. */
import { GradstepError, optionError } from '../errors.js';
import { fitsShape, formatShape, isKnown, sameShape, sizeOf, type PartialShape, type Shape } from '../graph/shape.js';
import { unknownName } from '../options.js';
import { isRecord } from './structure.js';
import { dtypeOf, Tensor, tensorOf, type TensorLike } from './tensor.js';

/** Rows of data for each input and, for training and evaluation, as many rows of labels for each output that has a loss. */
export interface Samples {
  readonly x: readonly Tensor[];
  readonly y: readonly Tensor[];
  /** Of samples or of their positions, float32 [rows, …], for each output; undefined where all count alike. */
  readonly weights: readonly (Tensor | undefined)[];
}

export function rowsOf({ x }: Pick<Samples, 'x'>): number {
  return x[0]!.shape[0]!;
}

/** Shape of one row of each input. */
export function inputShapes({ x }: Pick<Samples, 'x'>): Shape[] {
  return x.map((t) => t.shape.slice(1));
}

/** Labels of the first output that has a loss in a row of them: what an error's position is counted in. */
export function labelsPerRow({ y }: Samples): number {
  return y[0] ? sizeOf(y[0].shape.slice(1)) : 1;
}

/** Rows `begin` to `end` (exclusive) of everything, over the same memory. */
export function sliceSamples({ x, y, weights }: Samples, begin: number, end: number): Samples {
  const slice = (t: Tensor) => t.rows(begin, end);
  return { x: x.map(slice), y: y.map(slice), weights: weights.map((w) => w && slice(w)) };
}

/** The rows of the first `batches` batches; all of them where that is undefined. */
export function rowsOfBatches(samples: Samples, batches: number | undefined, batchSize: number): Samples {
  const rows = rowsOf(samples);
  return batches === undefined ? samples : sliceSamples(samples, 0, Math.min(rows, batches * batchSize));
}

/** Data for one of several inputs or outputs; nothing where an output has no loss. */
type Part = TensorLike | null | undefined;

/** Data for several inputs or outputs: in their order, or by their names. Outputs without a loss may have any, and none. */
export type Several = readonly Part[] | Readonly<Record<string, Part>>;

/**
 * One thing for each of `names`: the thing itself where there is one name, an array or an object of them.
 * @param all names that may be given beside them; what is given for the others is passed over
 */
export function separate(
  given: TensorLike | Several,
  names: readonly string[],
  what: string,
  all: readonly string[] = names,
): TensorLike[] {
  const isObject = typeof given === 'object' && given !== null && !(given instanceof Tensor) && !ArrayBuffer.isView(given);
  if (isObject && !Array.isArray(given)) {
    if (typeof (given as { then?: unknown }).then === 'function')
      throw optionError(what, 'data, not a promise of it: await it first,', given);
    if (!isRecord(given)) throw optionError(what, `tensor, typed array, nested arrays, or object with ${all.join(', ')}`, given);
    const record = given as Readonly<Record<string, Part>>;
    for (const key of Object.keys(record)) if (!all.includes(key)) throw unknownName('entry', key, what, all);
    return names.map((name) => present(Object.hasOwn(record, name) ? record[name] : undefined, `${what}.${name}`));
  }
  if (names.length === 1 && !isList(given, all)) return [given as TensorLike];
  if (Array.isArray(given) && given.length === all.length)
    return names.map((name) => present(given[all.indexOf(name)] as Part, `${what}[${all.indexOf(name)}]`));
  if (Array.isArray(given) && given.length === names.length)
    return given.map((part, i) => present(part as Part, `${what}[${i}]`));
  const lengths = all.length === names.length ? names.length : `${names.length} or ${all.length}`;
  throw optionError(what, `array of ${lengths} tensors, or object with ${names.join(', ')}`, given);
}

/** Whether an array is one of tensors, not of the numbers of one: nested arrays may be either, and are taken for numbers. */
function isList(given: unknown, all: readonly string[]): boolean {
  const isPart = (e: unknown) =>
    e instanceof Tensor || ArrayBuffer.isView(e) || (all.length > 1 && (e === null || e === undefined));
  return Array.isArray(given) && given.some(isPart);
}

function present(part: Part, name: string): TensorLike {
  if (part === undefined || part === null) throw optionError(name, 'tensor', part);
  return part;
}

/** The shape of one row, where the data says it: a bare typed array does not. */
export function rowShapeOf(data: TensorLike): Shape | undefined {
  return dtypeOf(data) ? undefined : tensorOf(data, 'x').shape.slice(1);
}

/** Data as rows of the given shape; `layer` is who wants it. */
export function inputRows(data: TensorLike, row: PartialShape, layer: string, dtype: 'float32' | 'int32', hint: string): Tensor {
  const asGiven = tensorOf(data, 'x');
  const given = dtype === 'int32' ? integers(asGiven, 'x', 'inputs') : asGiven;
  if (dtypeOf(data)) {
    if (!isKnown(row)) throw shapeError('x', row, layer, 'a typed array without a shape: gs.tensor(data, shape) gives it one');
    const size = sizeOf(row);
    if (given.data.length === 0 || given.data.length % size !== 0) {
      throw shapeError('x', row, layer, `${given.data.length} elements, which is not a multiple of ${size}`);
    }
    return new Tensor(given.data, [given.data.length / size, ...row]);
  }
  if (!given.shape[0] || !fitsShape(given.shape.slice(1), row)) {
    const isTwiceBatched = given.shape.length === row.length + 2 && fitsShape(given.shape.slice(2), row);
    const advice = isTwiceBatched
      ? ': where elements of a dataset are batches already, .asBatches() says so, or .unbatch() makes them rows'
      : given.shape.length === row.length + 1
        ? hint
        : '';
    throw shapeError('x', row, layer, formatShape(given.shape) + advice);
  }
  return given;
}

/** What a loss asks of labels. */
export interface LabelSpec {
  readonly name: string | undefined;
  readonly labels: 'int32' | 'float32';
  /** Shape of one sample's labels for an output's shape and the one they are given in. */
  labelShape(output: Shape, given: Shape): Shape;
}

/**
 * Labels as rows that fit the loss; a last axis of size 1 may be left out or added.
 * @param rows how many there should be
 * @param output shape of one sample of what they are compared with, which `layer` yields
 */
export function labelRows(data: TensorLike, rows: number, loss: LabelSpec, output: Shape, layer: string): Tensor {
  let given = tensorOf(data, 'y');
  const row = loss.labelShape(output, given.shape.slice(1));
  if (given.shape.length === 0) throw shapeError('y', row, layer, 'a number');
  if (dtypeOf(data)) {
    const size = sizeOf(row);
    const { length } = given.data;
    const advice = length === rows * size ? '' : otherKind(loss, output, length / rows);
    if (advice || (size > 1 && length % size === 0 && length !== rows * size))
      throw shapeError('y', row, layer, `${length} elements for ${rows} rows${advice}`);
    if (length % size !== 0) throw shapeError('y', row, layer, `${length} elements, which is not a multiple of ${size}`);
    given = new Tensor(given.data, [length / size, ...row]);
  }
  const squeezed = (shape: Shape) => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape);
  if (!sameShape(squeezed(given.shape.slice(1)), squeezed(row))) {
    const advice = otherKind(loss, output, sizeOf(given.shape.slice(1)));
    throw shapeError('y', row, layer, formatShape(given.shape) + advice);
  }
  const shaped = new Tensor(given.data, [given.shape[0]!, ...row]);
  return loss.labels === 'int32' ? integers(shaped, 'y', 'labels') : shaped;
}

/** What takes labels of `size` numbers a sample, where those are the other kind that classes have: numbers, or one-hot rows. */
function otherKind({ name, labels }: LabelSpec, output: Shape, size: number): string {
  const classes = output.at(-1)!;
  if (classes === 1) return '';
  if (labels === 'int32') return size === sizeOf(output) ? ': one-hot rows are what categoricalCrossentropy takes' : '';
  const isNumbers = name?.startsWith('categorical') && size * classes === sizeOf(output);
  return isNumbers ? ': class numbers are what sparseCategoricalCrossentropy takes' : '';
}

/** Checks that there are as many rows of everything. */
export function pairSamples(x: readonly Tensor[], y: readonly Tensor[], weights: Samples['weights']): Samples {
  const rows = x[0]!.shape[0];
  const check = (what: string) => (t: Tensor | undefined, i: number, all: readonly unknown[]) => {
    if (!t || t.shape[0] === rows) return;
    const which = all.length === 1 ? what : `${what}[${i}]`;
    throw new GradstepError('ERR_SHAPE', `Expected as many rows in ${which} as in x but received ${t.shape[0]} and ${rows}`);
  };
  x.forEach(check('x'));
  y.forEach(check('y'));
  weights.forEach(check('sampleWeight'));
  return { x, y, weights };
}

/**
 * Weights of samples as float32 rows: [rows] or, for outputs with an axis of time, [rows, time].
 * @param row shape of one sample's labels
 */
export function weightRows(data: TensorLike, row: Shape | undefined, rows: number): Tensor<Float32Array> {
  const given = tensorOf(data, 'sampleWeight');
  const values = given.data instanceof Float32Array ? given.data : Float32Array.from(given.data);
  const shape = dtypeOf(data) && given.data.length !== rows && row ? [rows, ...row.slice(0, 1)] : given.shape;
  if (shape[0] !== rows || shape.length > 2 || sizeOf(shape) !== values.length) {
    throw new GradstepError('ERR_SHAPE', `Expected sample weights of shape [${rows}] but received ${formatShape(given.shape)}`);
  }
  const bad = values.findIndex((v) => !(v >= 0 && v < Infinity));
  if (bad >= 0)
    throw new GradstepError('ERR_OPTION', `Expected sample weights >= 0 but received ${values[bad]} at element ${bad}`);
  return new Tensor(values, shape);
}

/** Weights of samples after the class each belongs to: class numbers, or one-hot rows; classes without a weight count 1. */
export function classWeightRows(labels: Tensor, weights: ReadonlyMap<number, number>): Tensor<Float32Array> {
  const rows = labels.shape[0]!;
  const size = sizeOf(labels.shape.slice(1));
  const { data } = labels;
  const classOf = (i: number): number => {
    if (labels.dtype === 'int32' || size === 1) return data[i * size]!;
    let best = 0;
    for (let c = 1; c < size; c++) if (data[i * size + c]! > data[i * size + best]!) best = c;
    return best;
  };
  if (labels.dtype === 'int32' && size > 1) {
    throw new GradstepError('ERR_OPTION', 'Expected one label a sample where classWeight is given');
  }
  return new Tensor(
    Float32Array.from({ length: rows }, (_, i) => weights.get(classOf(i)) ?? 1),
    [rows],
  );
}

/** Whole numbers given as floats become int32; ERR_DTYPE where one is not an integer. */
export function integers(labels: Tensor, what: string, kind: string): Tensor {
  if (!(labels.data instanceof Float32Array)) return labels;
  const converted = Int32Array.from(labels.data);
  const at = converted.findIndex((v, i) => v !== (labels.data as Float32Array)[i]);
  if (at >= 0)
    throw new GradstepError('ERR_DTYPE', `Expected integer ${kind} but received ${labels.data[at]} at element ${at} of ${what}`);
  return new Tensor(converted, labels.shape);
}

function shapeError(what: string, row: PartialShape, layer: string, received: string): GradstepError {
  return new GradstepError(
    'ERR_SHAPE',
    `Expected ${what} of shape ${formatShape([null, ...row])} for ${layer} but received ${received}`,
    { layer },
  );
}
