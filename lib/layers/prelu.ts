/** prelu (He et al. 2015): a leaky ReLU whose slopes are learned. Weight: alpha, a sample's shape with 1 on shared axes. */
import { optionError, GradstepError } from '../errors.js';
import { zeros } from '../initializers/index.js';
import type { Initializer } from '../initializers/initializer.js';
import type { InitializerName } from '../initializers/registry.js';
import { elementwise } from '../ops/map.js';
import type { ConstraintOption } from '../constraints/registry.js';
import type { RegularizerOption } from '../regularizers/registry.js';
import { optional, type Check, type SchemaOf } from '../options.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';
import { weight, weightOptions } from './weight_options.js';

export interface PReLUOptions extends LayerOptions {
  /** First slopes. Default `zeros`. */
  alphaInitializer?: InitializerName | Initializer;
  /** Adds to the loss while training. Default none. */
  alphaRegularizer?: RegularizerOption;
  /** Applied after each update. Default none. */
  alphaConstraint?: ConstraintOption;
  /** Axes along which there is one slope only: 1 for the first after the batch. [1, 2] after a 2-D convolution. Default none. */
  sharedAxes?: number | readonly number[];
}

const axes: Check<readonly number[]> = (value, name) => {
  const list = typeof value === 'number' ? [value] : value;
  if (!Array.isArray(list) || list.some((v) => typeof v !== 'number' || !Number.isInteger(v) || v < 1)) {
    throw optionError(name, 'integer > 0 or array of them', value);
  }
  return [...(list as number[])];
};

const options = {
  ...weightOptions('alpha', zeros()),
  sharedAxes: optional(axes, undefined),
} satisfies SchemaOf<Omit<PReLUOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'PReLU',
  factory: 'prelu',
  baseName: 'p_re_lu',
  options,
  mask: 'pass',
  weights: (o, input) => [
    weight(
      o,
      'alpha',
      input.map((d, i) => (o.sharedAxes?.includes(i + 1) ? 1 : d)),
    ),
  ],
  outputShape({ sharedAxes }, input) {
    const outside = sharedAxes?.find((a) => a > input.length);
    if (outside !== undefined) {
      throw new GradstepError('ERR_SHAPE', `Shared axis ${outside} is outside samples of ${input.length} axes`);
    }
    return input;
  },
  call: (_options, x, context) =>
    elementwise('add', elementwise('relu', x), elementwise('mul', context.weight('alpha'), elementwise('minimum', x, 0))),
});

/** x → x above 0, alpha · x below, alpha learned: [rows, …] → [rows, …]. Weight: alpha [..., with 1 on shared axes]. */
export function prelu(options?: PReLUOptions): Layer {
  return make(options);
}
