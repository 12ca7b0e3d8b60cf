/** The part of `gs.ops` whose kernels work along the last axis, along any. */
import type { Value } from '../graph/graph.js';
import { argmax as argmaxOf } from './argmax.js';
import { axisOf, floats } from './arguments.js';
import { logSoftmax as logSoftmaxOf } from './log_softmax.js';
import { elementwise } from './map.js';
import { softmax as softmaxOf } from './softmax.js';
import { axisFromLast, axisToLast } from './transpose.js';

/** What `make` makes of x with an axis as its last, brought back to where it was unless it is gone. */
function alongAxis(name: string, x: Value, axis: number, make: (x: Value) => Value): Value {
  const given = floats(`ops.${name} x`, x);
  const rank = given.shape.length;
  if (rank === 0) return make(given);
  const at = axisOf(`ops.${name} axis`, axis, rank);
  if (at === rank - 1) return make(given);
  const made = make(axisToLast(given, at));
  return made.shape.length < rank ? made : axisFromLast(made, at);
}

/** e^x / Σ e^x over an axis, by default the last. */
export function softmax(x: Value, axis = -1): Value {
  return alongAxis('softmax', x, axis, softmaxOf);
}

/** x − log Σ e^x over an axis, by default the last: the logarithm of softmax. */
export function logSoftmax(x: Value, axis = -1): Value {
  return alongAxis('logSoftmax', x, axis, logSoftmaxOf);
}

/** Position of the largest element along an axis, by default the last (int32), the first of equals; no gradient. */
export function argmax(x: Value, axis = -1): Value {
  return alongAxis('argmax', x, axis, argmaxOf);
}

/** Position of the smallest element along an axis, by default the last (int32), the first of equals; no gradient. */
export function argmin(x: Value, axis = -1): Value {
  return alongAxis('argmin', x, axis, (v) => argmaxOf(elementwise('neg', v)));
}
