/** The activations, as functions of a value: what layers take by name, and what a user's own loss or layer may call. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { softmax as softmaxOf } from '../ops/softmax.js';

/** x → x. */
export function linear(x: Value): Value {
  return x;
}

/** x → max(x, 0). */
export function relu(x: Value): Value {
  return elementwise('relu', x);
}

/** x → 1 / (1 + e^−x), in (0, 1). */
export function sigmoid(x: Value): Value {
  return elementwise('sigmoid', x);
}

/** x → tanh x, in (−1, 1). */
export function tanh(x: Value): Value {
  return elementwise('tanh', x);
}

/** x → e^x / Σ e^x over the last axis: positive, adding up to 1. */
export function softmax(x: Value): Value {
  return softmaxOf(x);
}
