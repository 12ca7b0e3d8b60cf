/** groupNormalization (Wu & He 2018): each sample's channels in groups, by a group's mean and variance over all positions. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape } from '../graph/shape.js';
import { groupNorm } from '../ops/channel_norm.js';
import { aboveZero, optional, type Check, type SchemaOf } from '../options.js';
import { axisOption, sampleAxes, withAxesLast } from './axes.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { scaleAndShift, type ScaleAndShiftOptions, scaleAndShiftWeights } from './scale_and_shift.js';

export interface GroupNormalizationOptions extends LayerOptions, ScaleAndShiftOptions {
  /** How many groups the channels make, a divisor of their number; −1: one for each (instance normalisation). Default 32. */
  groups?: number;
  /** The channels' axis, the batch being 0. Default −1; any other costs a transposition there and back. */
  axis?: number;
  /** Added to the variance, > 0. Default 1e-3. */
  epsilon?: number;
}

const groupsOption: Check<number> = (value, name) => {
  if (typeof value !== 'number' || !Number.isInteger(value) || (value < 1 && value !== -1)) {
    throw optionError(name, 'integer > 0 or -1', value);
  }
  return value;
};

const options = {
  groups: optional(groupsOption, 32),
  axis: optional(axisOption, -1),
  epsilon: optional(aboveZero, 1e-3),
  ...scaleAndShift,
} satisfies SchemaOf<Omit<GroupNormalizationOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'GroupNormalization',
  factory: 'groupNormalization',
  baseName: 'group_normalization',
  options,
  mask: 'pass',
  weights: (o, input) =>
    scaleAndShiftWeights(
      o,
      sampleAxes(o.axis, input).map((axis) => input[axis]!),
    ),
  outputShape(o, input) {
    const [axis] = sampleAxes(o.axis, input);
    const channels = input[axis!]!;
    if (o.groups !== -1 && channels % o.groups !== 0) {
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected a number of channels that ${o.groups} groups divide but received samples of shape ${formatShape(input)}`,
      );
    }
    return input;
  },
  call(o, x, context) {
    const gamma = o.scale ? context.weight('gamma') : undefined;
    const beta = o.center ? context.weight('beta') : undefined;
    return withAxesLast(x, sampleAxes(o.axis, x.shape.slice(1)), (last) => {
      const channels = last.shape.at(-1)!;
      return groupNorm(last, gamma, beta, o.groups === -1 ? channels : o.groups, o.epsilon).y;
    });
  },
});

/**
 * Group normalisation, [rows, …, channels] → the same: y = (x − mean)/√(variance + epsilon)·gamma + beta with the mean and
 * the biased variance of each sample's group of neighbouring channels, over all positions. One group is layer normalisation
 * over the sample, −1 instance normalisation. Weights: gamma, beta, each [channels].
 */
export function groupNormalization(options: GroupNormalizationOptions = {}): Layer {
  return make(options);
}
