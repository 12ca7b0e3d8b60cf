/**
 * batchNormalization (Ioffe & Szegedy 2015): each channel by the mean and variance of the batch while training, by moving
 * statistics otherwise. A relu right behind it is applied in the same pass, forward and backward.
 */
import type { Value } from '../graph/graph.js';
import { ones, zeros } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import { batchNorm } from '../ops/channel_norm.js';
import { elementwise } from '../ops/map.js';
import { sum } from '../ops/reduce_sum.js';
import { reshape } from '../ops/reshape.js';
import { aboveZero, number, optional, type SchemaOf } from '../options.js';
import { axisOption, moveAxesLast, sampleAxes, withAxesLast } from './axes.js';
import { defineLayer, type CallContext, type Layer, type LayerOptions, type WeightSpec } from './define_layer.js';
import { scaleAndShift, type ScaleAndShiftOptions, scaleAndShiftWeights } from './scale_and_shift.js';

export interface BatchNormalizationOptions extends LayerOptions, ScaleAndShiftOptions {
  /** The channels' axis, the batch being 0. Default −1; any other costs a transposition there and back. */
  axis?: number;
  /** What the moving statistics keep of themselves each step, in [0, 1]. Default 0.99. */
  momentum?: number;
  /** Added to the variance, > 0. Default 1e-3. */
  epsilon?: number;
  /** First moving mean. Default `zeros`. */
  movingMeanInitializer?: InitializerName | Initializer;
  /** First moving variance. Default `ones`. */
  movingVarianceInitializer?: InitializerName | Initializer;
}

const options = {
  axis: optional(axisOption, -1),
  momentum: optional(
    number('number in [0, 1]', (v) => v >= 0 && v <= 1),
    0.99,
  ),
  epsilon: optional(aboveZero, 1e-3),
  ...scaleAndShift,
  movingMeanInitializer: optional(initializerOption, zeros()),
  movingVarianceInitializer: optional(initializerOption, ones()),
} satisfies SchemaOf<Omit<BatchNormalizationOptions, keyof LayerOptions>>;

interface Parameters {
  gamma: Value | undefined;
  beta: Value | undefined;
  epsilon: number;
}

/** x by given statistics [channels]: x·scale + shift, which maps before and after it may join. */
function normalise(x: Value, mean: Value, variance: Value, { gamma, beta, epsilon }: Parameters): Value {
  const scale = elementwise('div', gamma ?? 1, elementwise('sqrt', elementwise('add', variance, epsilon)));
  const shift = elementwise('sub', beta ?? 0, elementwise('mul', mean, scale));
  return elementwise('add', elementwise('mul', x, scale), shift);
}

/** A mask [rows, time] that broadcasts to x. */
const spread = (mask: Value, x: Value): Value =>
  reshape(mask, [...mask.shape, ...new Array<number>(x.shape.length - mask.shape.length).fill(1)]);

/** Mean and variance of each channel over what weights, of 0 and 1 and broadcast to x, leave. */
function maskedStatistics(x: Value, weights: Value): { mean: Value; variance: Value } {
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  const each = axes.reduce((n, axis) => (weights.shape[axis] === 1 ? n * x.shape[axis]! : n), 1);
  const count = elementwise('maximum', elementwise('mul', sum(weights, axes), each), 1);
  const mean = elementwise('div', sum(elementwise('mul', x, weights), axes), count);
  const squares = elementwise('mul', elementwise('square', elementwise('sub', x, mean)), weights);
  return { mean, variance: elementwise('div', sum(squares, axes), count) };
}

const make = defineLayer({
  className: 'BatchNormalization',
  factory: 'batchNormalization',
  baseName: 'batch_normalization',
  options,
  mask: 'pass',
  weights(o, input): WeightSpec[] {
    const channels = sampleAxes(o.axis, input).map((axis) => input[axis]!);
    return [
      ...scaleAndShiftWeights(o, channels),
      { role: 'moving_mean', shape: channels, initializer: o.movingMeanInitializer, trainable: false },
      { role: 'moving_variance', shape: channels, initializer: o.movingVarianceInitializer, trainable: false },
    ];
  },
  outputShape(o, input) {
    sampleAxes(o.axis, input);
    return input;
  },
  call(o, x, context: CallContext) {
    const parameters: Parameters = {
      gamma: o.scale ? context.weight('gamma') : undefined,
      beta: o.center ? context.weight('beta') : undefined,
      epsilon: o.epsilon,
    };
    const axes = sampleAxes(o.axis, x.shape.slice(1));
    return withAxesLast(x, axes, (last) => {
      if (!context.training || !context.trainable) {
        return normalise(last, context.weight('moving_mean'), context.weight('moving_variance'), parameters);
      }
      const { mask } = context;
      const { mean, variance, y } = mask
        ? { ...maskedStatistics(last, moveAxesLast(spread(mask, x), axes)), y: undefined }
        : batchNorm(last, parameters.gamma, parameters.beta, o.epsilon);
      context.update('moving_mean', mean, o.momentum);
      context.update('moving_variance', variance, o.momentum);
      return y ?? normalise(last, mean, variance, parameters);
    });
  },
});

/**
 * Batch normalisation, [rows, …, channels] → the same: while training y = (x − mean)/√(variance + epsilon)·gamma + beta
 * with the mean and the biased variance of each channel over the batch (over the steps that count, where there is a
 * mask); in prediction and evaluation, and where the layer is not trainable, with their moving averages
 * m ← momentum·m + (1 − momentum)·value, which as in Keras take the biased variance (PyTorch's take the unbiased).
 * Weights: gamma, beta, moving_mean, moving_variance, each [channels]; the last two are not trainable.
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): Layer {
  return make(options);
}
