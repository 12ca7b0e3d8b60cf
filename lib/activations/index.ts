/** The activations, as functions of a value: what layers take by name, and what a user's own loss or layer may call. */
import type { Value } from '../graph/graph.js';
import {
  elu as eluOf,
  hardSigmoid as hardSigmoidOf,
  relu6 as relu6Of,
  selu as seluOf,
  softsign as softsignOf,
} from '../ops/activation.js';
import { value } from '../ops/arguments.js';
import { logSoftmax as logSoftmaxOf } from '../ops/log_softmax.js';
import { elementwise } from '../ops/map.js';
import { softmax as softmaxOf } from '../ops/softmax.js';
import { boolean, checkOptions, number, optional, type SchemaOf } from '../options.js';

export interface LeakyReluOptions {
  /** Slope below 0. Default 0.2. */
  negativeSlope?: number;
}

export interface EluOptions {
  /** The result tends to −alpha far below 0. Default 1. */
  alpha?: number;
}

export interface GeluOptions {
  /** Whether the normal distribution function is replaced by a formula with tanh. Default false: exact, by erf. */
  approximate?: boolean;
}

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
  return softmaxOf(value('activations.softmax x', x));
}

/** x → x − log Σ e^x over the last axis: the logarithm of softmax, finite where softmax would round to 0. */
export function logSoftmax(x: Value): Value {
  return logSoftmaxOf(value('activations.logSoftmax x', x));
}

/** x → min(max(x, 0), 6). */
export function relu6(x: Value): Value {
  return relu6Of(x);
}

const leakyReluSchema = { negativeSlope: optional(number(), 0.2) } satisfies SchemaOf<LeakyReluOptions>;

/** x → x above 0, negativeSlope·x below (Maas et al. 2013). */
export function leakyRelu(x: Value, options?: LeakyReluOptions): Value {
  const { negativeSlope } = checkOptions('activations.leakyRelu', options, leakyReluSchema);
  return elementwise('where', elementwise('step', x), x, elementwise('mul', x, negativeSlope));
}

const eluSchema = { alpha: optional(number(), 1) } satisfies SchemaOf<EluOptions>;

/** x → x above 0, alpha·(e^x − 1) below (Clevert et al. 2016). */
export function elu(x: Value, options?: EluOptions): Value {
  const { alpha } = checkOptions('activations.elu', options, eluSchema);
  return eluOf(x, alpha);
}

/**
 * x → 1.0507·elu(x, alpha = 1.6733): keeps signals at mean 0 and variance 1, with `lecunNormal` weights (Klambauer et al.
 * 2017).
 */
export function selu(x: Value): Value {
  return seluOf(x);
}

/** x → min(max(x + 3, 0), 6) / 6, in [0, 1]. */
export function hardSigmoid(x: Value): Value {
  return hardSigmoidOf(x);
}

/** x → log(1 + e^x), positive. */
export function softplus(x: Value): Value {
  return elementwise('softplus', x);
}

/** x → x / (1 + |x|), in (−1, 1). */
export function softsign(x: Value): Value {
  return softsignOf(x);
}

const geluSchema = { approximate: optional(boolean, false) } satisfies SchemaOf<GeluOptions>;

/**
 * x → x·Φ(x), Φ the normal distribution function: ½·(1 + erf(x/√2)), or with `approximate`
 * ½·(1 + tanh(√(2/π)·(x + 0.044715·x³))) (Hendrycks & Gimpel 2016).
 */
export function gelu(x: Value, options?: GeluOptions): Value {
  const { approximate } = checkOptions('activations.gelu', options, geluSchema);
  if (approximate) return elementwise('gelu', x);
  const odd = elementwise('erf', elementwise('mul', x, Math.SQRT1_2));
  return elementwise('mul', elementwise('mul', x, 0.5), elementwise('add', odd, 1));
}

/** x → x·sigmoid(x). Also known as `swish`. */
export function silu(x: Value): Value {
  return elementwise('mul', x, sigmoid(x));
}

export { silu as swish };

/** x → x·tanh(softplus(x)) (Misra 2019). */
export function mish(x: Value): Value {
  return elementwise('mul', x, elementwise('tanh', softplus(x)));
}

/** x → e^x. */
export function exponential(x: Value): Value {
  return elementwise('exp', x);
}
