/** The part of `gs.ops` that looks up by number: elements along an axis, sums of those of the same number, the largest ones. */
import { GradstepError, optionError } from '../errors.js';
import { placeNumber } from '../graph/places.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import { axisOf, floats, lastAxis, value } from './arguments.js';
import { addRows, lookUpIn } from './embedding.js';
import { reshape } from './reshape.js';
import { topPositions } from './top_mask.js';
import { axisFromLast, axisToLast, transpose } from './transpose.js';

/** Options of looking up. */
export interface GatherOptions {
  /** The axis of x that the numbers count along. Default: the one behind `batchDims`. */
  axis?: number;
  /** How many leading axes x and indices share: each of their elements is looked up for itself. Default 0. */
  batchDims?: number;
}

const anyInteger = (given: unknown): given is number | undefined => given === undefined || Number.isInteger(given);

const gatherOptions = {
  axis: (given: unknown, name: string) => {
    if (!anyInteger(given)) throw optionError(name, 'integer', given);
    return given;
  },
  batchDims: optional(integer(0), 0),
} satisfies SchemaOf<GatherOptions>;

function wholeNumbers(what: string, x: unknown): Value {
  const given = value(what, x);
  if (given.dtype === 'int32') return given;
  throw new GradstepError(
    'ERR_DTYPE',
    `Expected int32 for ${what} but received ${given.dtype}: ops.cast makes whole numbers of floats`,
  );
}

/** Elements of x along `axis` by number, `batch` leading axes each for themselves; numbers outside are told where a graph runs in steps. */
function elements(what: string, x: Value, indices: Value, axis: number, batch: number): Value {
  const shared = x.shape.slice(0, batch);
  if (!sameShape(shared, indices.shape.slice(0, batch))) {
    const shapes = `${formatShape(x.shape)} and ${formatShape(indices.shape)}`;
    throw new GradstepError(
      'ERR_SHAPE',
      `Expected values that share their first ${batch} axes for ${what} but received ${shapes}`,
    );
  }
  const tables = sizeOf(shared);
  const [between, length, inner] = [x.shape.slice(batch, axis), x.shape[axis]!, x.shape.slice(axis + 1)];
  const numbers = indices.shape.slice(batch);
  // The axis goes in front of those between, which come back in front of the numbers.
  const [b, k] = [sizeOf(between), sizeOf(numbers)];
  const [flatX, width] = [reshape(x, [tables, b, length, sizeOf(inner)]), b * sizeOf(inner)];
  const table = reshape(transpose(flatX, [0, 2, 1, 3]), [tables * length, width]);
  const place = placeNumber({
    layer: x.graph.scope,
    expected: `indices from 0 to ${length - 1} in ${what}`,
    of: indices.shape[0] === x.graph.step?.rows ? 'batch' : 'indices',
  });
  // Two axes: the first one's elements are the rows that an error tells.
  const rows = indices.shape[0] ?? 1;
  const found = lookUpIn(table, reshape(indices, [rows, (tables * k) / rows]), tables, place);
  const back = transpose(reshape(found, [tables, k, b, sizeOf(inner)]), [0, 2, 1, 3]);
  return reshape(back, [...shared, ...between, ...numbers, ...inner]);
}

/**
 * Elements of x (float32) along an axis by number (int32, from 0 on): [batch…, between…, length, inner…] and indices [batch…, k…] →
 * [batch…, between…, k…, inner…], where batch is of `batchDims` axes and between lies in front of `axis`. Gradients of an element
 * that was taken several times add up. A number outside ends a run with ERR_INDEX_RANGE. ERR_SHAPE where the shapes do not fit.
 */
export function gather(x: Value, indices: Value, options?: GatherOptions): Value {
  const given = floats('ops.gather x', x);
  const numbers = wholeNumbers('ops.gather indices', indices);
  const { axis: wanted, batchDims } = checkOptions('ops.gather', options, gatherOptions);
  const axis = axisOf('ops.gather.axis', wanted ?? batchDims, given.shape.length);
  if (batchDims > axis) throw optionError('ops.gather.batchDims', `integer from 0 to the axis (${axis})`, batchDims);
  return elements('ops.gather', given, numbers, axis, batchDims);
}

/**
 * For each element of `indices` (int32) the element of x that stands there along an axis: y[i, j] = x[i, indices[i, j]] along the
 * last axis of matrices. The shapes differ along that axis only. A number outside ends a run with ERR_INDEX_RANGE.
 */
export function takeAlongAxis(x: Value, indices: Value, axis = -1): Value {
  const what = 'ops.takeAlongAxis';
  const given = floats(`${what} x`, x);
  const numbers = wholeNumbers(`${what} indices`, indices);
  const rank = given.shape.length;
  const at = axisOf(`${what} axis`, axis, rank);
  if (numbers.shape.length !== rank || numbers.shape.some((d, i) => i !== at && d !== given.shape[i])) {
    const shapes = `${formatShape(numbers.shape)} and ${formatShape(given.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected indices of x's shape but for axis ${at} for ${what} but received ${shapes}`);
  }
  return axisFromLast(elements(what, axisToLast(given, at), axisToLast(numbers, at), rank - 1, rank - 1), at);
}

/**
 * Sums of the elements of x (float32) [n, …] with the same number: ids (int32) [n] → [numSegments, …], of which element s is
 * Σ x[i] over the i with ids[i] = s. Elements whose number is not from 0 to numSegments − 1 count nowhere.
 */
export function unsortedSegmentSum(x: Value, ids: Value, numSegments: number): Value {
  const what = 'ops.unsortedSegmentSum';
  const given = floats(`${what} x`, x);
  const numbers = wholeNumbers(`${what} ids`, ids);
  lastAxis(`${what} x`, given.shape);
  if (!sameShape(numbers.shape, given.shape.slice(0, 1))) {
    const shapes = `[${given.shape[0]!}] but received ${formatShape(numbers.shape)}`;
    throw new GradstepError('ERR_SHAPE', `Expected one id for each element of x for ${what}: ${shapes}`);
  }
  const segments = integer(1, 2 ** 31 - 1)(numSegments, `${what} numSegments`);
  const element = given.shape.slice(1);
  return reshape(addRows(reshape(given, [given.shape[0]!, sizeOf(element)]), numbers, segments), [segments, ...element]);
}

/** The k largest elements along the last axis, and where they stand. */
export type TopK = {
  /** The largest in front; gradients go to where they stand. */
  values: Value;
  /** int32; the first of equals comes first, and a NaN is largest. */
  indices: Value;
};

/** The k largest elements along the last axis of x (float32): [..., n] → values and indices [..., k]. Default k: 1. */
export function topk(x: Value, k = 1): TopK {
  const given = floats('ops.topk x', x);
  lastAxis('ops.topk x', given.shape);
  const count = integer(1, given.shape.at(-1))(k, 'ops.topk k');
  const indices = topPositions(given, count);
  return { values: takeAlongAxis(given, indices), indices };
}
