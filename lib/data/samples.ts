/** Inputs and labels as `fit`, `evaluate` and `predict` take them, turned into tensors of rows that fit a model. */
import { GradstepError } from '../errors.js';
import { formatShape, sameShape, sizeOf, type Shape } from '../graph/shape.js';
import { dtypeOf, Tensor, tensor, type TensorLike } from './tensor.js';

/** Rows of data and, for training and evaluation, as many rows of labels. */
export interface Samples {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Any accepted data as a tensor; typed arrays are one row of numbers until a shape is known. */
function asTensor(data: TensorLike): Tensor {
  return data instanceof Tensor ? data : tensor(data);
}

/** The shape of one row, where the data says it: a bare typed array does not. */
export function rowShapeOf(data: TensorLike): Shape | undefined {
  return dtypeOf(data) ? undefined : asTensor(data).shape.slice(1);
}

/** Data as rows of the given shape; `layer` is who wants it. */
export function inputRows(data: TensorLike, row: Shape, layer: string): Tensor {
  const given = asTensor(data);
  const size = sizeOf(row);
  if (dtypeOf(data)) {
    if (given.data.length === 0 || given.data.length % size !== 0) {
      throw shapeError('x', row, layer, `${given.data.length} elements, which is not a multiple of ${size}`);
    }
    return new Tensor(given.data, [given.data.length / size, ...row]);
  }
  if (!given.shape[0] || !sameShape(given.shape.slice(1), row)) throw shapeError('x', row, layer, formatShape(given.shape));
  return given;
}

/** What a loss asks of labels. */
export interface LabelSpec {
  readonly dtype: 'int32' | 'float32';
  /** Shape of one sample's labels; undefined where any will do. */
  readonly row: Shape | undefined;
}

/** Labels as rows that fit the loss; a last axis of size 1 may be left out or added. `layer` is the one they are compared with. */
export function labelRows(data: TensorLike, { dtype, row }: LabelSpec, layer: string): Tensor {
  let given = asTensor(data);
  if (row && dtypeOf(data)) {
    const size = sizeOf(row);
    if (given.data.length % size !== 0)
      throw shapeError('y', row, layer, `${given.data.length} elements, which is not a multiple of ${size}`);
    given = new Tensor(given.data, [given.data.length / size, ...row]);
  }
  const squeezed = (shape: Shape) => (shape.at(-1) === 1 ? shape.slice(0, -1) : shape);
  if (row && !sameShape(squeezed(given.shape.slice(1)), squeezed(row)))
    throw shapeError('y', row, layer, formatShape(given.shape));
  const shaped = new Tensor(given.data, row ? [given.shape[0]!, ...row] : given.shape);
  return dtype === 'int32' ? integers(shaped) : shaped;
}

/** Checks that there are as many rows of labels as of data. */
export function pairSamples(x: Tensor, y: Tensor): Samples {
  if (x.shape[0] !== y.shape[0]) {
    throw new GradstepError('ERR_SHAPE', `Expected as many rows in y as in x but received ${y.shape[0]} and ${x.shape[0]}`);
  }
  return { x, y };
}

/** Class numbers given as floats become int32; ERR_DTYPE where one is not an integer. */
function integers(labels: Tensor): Tensor {
  if (!(labels.data instanceof Float32Array)) return labels;
  const converted = Int32Array.from(labels.data);
  const at = converted.findIndex((v, i) => v !== (labels.data as Float32Array)[i]);
  if (at >= 0)
    throw new GradstepError('ERR_DTYPE', `Expected integer labels but received ${labels.data[at]} at element ${at} of y`);
  return new Tensor(converted, labels.shape);
}

function shapeError(what: string, row: Shape, layer: string, received: string): GradstepError {
  return new GradstepError(
    'ERR_SHAPE',
    `Expected ${what} of shape ${formatShape([null, ...row])} for ${layer} but received ${received}`,
    { layer },
  );
}
