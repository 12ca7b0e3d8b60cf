/** The activations that Keras also has as layers: reLU, leakyReLU, thresholdedReLU, elu and softmax. All are elementwise but softmax. */
import { elu as eluOf, leakyRelu } from '../activations/index.js';
import { GradstepError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { reshape } from '../ops/reshape.js';
import { softmax as softmaxOf } from '../ops/softmax.js';
import { transpose } from '../ops/transpose.js';
import { sizeOf } from '../graph/shape.js';
import { number, optional, type Check, type SchemaOf } from '../options.js';
import { optionError } from '../errors.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface ReLUOptions extends LayerOptions {
  /** The largest result, >= 0. Default none. */
  maxValue?: number;
  /** Slope below the threshold, >= 0. Default 0. */
  negativeSlope?: number;
  /** Where the identity begins, >= 0. Default 0. */
  threshold?: number;
}

const notNegative = number('number >= 0', (v) => v >= 0);

const reLUOptions = {
  maxValue: optional(notNegative, undefined),
  negativeSlope: optional(notNegative, 0),
  threshold: optional(notNegative, 0),
} satisfies SchemaOf<Omit<ReLUOptions, keyof LayerOptions>>;

const makeReLU = defineLayer({
  className: 'ReLU',
  factory: 'reLU',
  baseName: 're_lu',
  options: reLUOptions,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call({ maxValue, negativeSlope, threshold }, x) {
    if (threshold === 0 && negativeSlope === 0) {
      const y = elementwise('relu', x);
      return maxValue === undefined ? y : elementwise('minimum', y, maxValue);
    }
    const above = maxValue === undefined ? x : elementwise('minimum', x, maxValue);
    const below = negativeSlope === 0 ? 0 : elementwise('mul', elementwise('sub', x, threshold), negativeSlope);
    // A NaN, which is not below anything, stays.
    return elementwise('where', elementwise('less', x, threshold), below, above);
  },
});

/** x → min(x, maxValue) from `threshold` on, negativeSlope · (x − threshold) below: [rows, …] → [rows, …]. */
export function reLU(options?: ReLUOptions): Layer {
  return makeReLU(options);
}

export interface LeakyReLUOptions extends LayerOptions {
  /** Slope below 0. Default 0.3. */
  negativeSlope?: number;
}

const makeLeakyReLU = defineLayer({
  className: 'LeakyReLU',
  factory: 'leakyReLU',
  baseName: 'leaky_re_lu',
  options: { negativeSlope: optional(notNegative, 0.3) } satisfies SchemaOf<Omit<LeakyReLUOptions, keyof LayerOptions>>,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call: ({ negativeSlope }, x) => leakyRelu(x, { negativeSlope }),
});

/** x → x above 0, negativeSlope · x below (Maas et al. 2013): [rows, …] → [rows, …]. */
export function leakyReLU(options?: LeakyReLUOptions): Layer {
  return makeLeakyReLU(options);
}

export interface ThresholdedReLUOptions extends LayerOptions {
  /** Results at or below it are 0; >= 0. Default 1. */
  theta?: number;
}

const makeThresholdedReLU = defineLayer({
  className: 'ThresholdedReLU',
  factory: 'thresholdedReLU',
  baseName: 'thresholded_re_lu',
  options: { theta: optional(notNegative, 1) } satisfies SchemaOf<Omit<ThresholdedReLUOptions, keyof LayerOptions>>,
  mask: 'pass',
  outputShape: (_options, input) => input,
  // A NaN stays.
  call: ({ theta }, x) => elementwise('where', elementwise('lessEqual', x, theta), 0, x),
});

/** x → x where x > theta, else 0 (Konda et al. 2014): [rows, …] → [rows, …]. */
export function thresholdedReLU(options?: ThresholdedReLUOptions): Layer {
  return makeThresholdedReLU(options);
}

export interface ELUOptions extends LayerOptions {
  /** The result tends to −alpha far below 0. Default 1. */
  alpha?: number;
}

const makeELU = defineLayer({
  className: 'ELU',
  factory: 'elu',
  baseName: 'elu',
  options: { alpha: optional(number(), 1) } satisfies SchemaOf<Omit<ELUOptions, keyof LayerOptions>>,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call: ({ alpha }, x) => eluOf(x, { alpha }),
});

/** x → x above 0, alpha · (e^x − 1) below (Clevert et al. 2016): [rows, …] → [rows, …]. */
export function elu(options?: ELUOptions): Layer {
  return makeELU(options);
}

export interface SoftmaxOptions extends LayerOptions {
  /** The axis that adds up to 1: 1 for the first after the batch, −1 for the last. Default −1. */
  axis?: number;
}

const axisOption: Check<number> = (value, name) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value === 0) {
    throw optionError(name, 'integer other than 0, the batch', value);
  }
  return value;
};

const makeSoftmax = defineLayer({
  className: 'Softmax',
  factory: 'softmax',
  baseName: 'softmax',
  options: { axis: optional(axisOption, -1) } satisfies SchemaOf<Omit<SoftmaxOptions, keyof LayerOptions>>,
  mask: 'pass',
  outputShape({ axis }, input) {
    if (axis > input.length || axis < -input.length) {
      throw new GradstepError('ERR_SHAPE', `Axis ${axis} is outside samples of ${input.length} axes`);
    }
    return input;
  },
  call({ axis }, x) {
    const at = axis < 0 ? axis + x.shape.length : axis;
    const inner = sizeOf(x.shape.slice(at + 1));
    if (inner === 1) return reshape(softmaxOf(reshape(x, x.shape.slice(0, at + 1))), x.shape);
    const view = reshape(x, [sizeOf(x.shape.slice(0, at)), x.shape[at]!, inner]);
    return reshape(transpose(softmaxOf(transpose(view, [0, 2, 1])), [0, 2, 1]), x.shape);
  },
});

/** x → e^x / Σ e^x over one axis: [rows, …] → [rows, …]. */
export function softmax(options?: SoftmaxOptions): Layer {
  return makeSoftmax(options);
}
