/** Activations made of several scalar functions, which layers take by name (lib/activations) and recurrent cells have. */
import type { Value } from '../graph/graph.js';
import { elementwise } from './map.js';

/** The fixed point of mean 0 and variance 1 (Klambauer et al. 2017). */
const SELU_ALPHA = 1.6732632423543772;
const SELU_SCALE = 1.0507009873554805;

/** min(max(x, 0), 6). */
export function relu6(x: Value): Value {
  return elementwise('minimum', elementwise('relu', x), 6);
}

/** x above 0, alpha·(e^x − 1) below. */
export function elu(x: Value, alpha: number): Value {
  // e^x would overflow far above 0, where it is not wanted; its argument is cut off there.
  const below = elementwise('mul', elementwise('expm1', elementwise('minimum', x, 0)), alpha);
  return elementwise('add', elementwise('relu', x), below);
}

/** 1.0507·elu(x, 1.6733). */
export function selu(x: Value): Value {
  return elementwise('mul', elu(x, SELU_ALPHA), SELU_SCALE);
}

/** min(max(x + 3, 0), 6) / 6. */
export function hardSigmoid(x: Value): Value {
  return elementwise('mul', relu6(elementwise('add', x, 3)), 1 / 6);
}

/** x / (1 + |x|). */
export function softsign(x: Value): Value {
  return elementwise('div', x, elementwise('add', elementwise('abs', x), 1));
}
