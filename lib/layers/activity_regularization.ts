/** activityRegularization: what passes through adds to the loss, so that training keeps it small. */
import { l1l2 } from '../regularizers/l1l2.js';
import { strength } from '../regularizers/regularizer.js';
import type { SchemaOf } from '../options.js';
import { addActivityLoss } from './activity_loss.js';
import { defineLayer, type Layer, type LayerOptions } from './define_layer.js';

export interface ActivityRegularizationOptions extends LayerOptions {
  /** Factor of the sum of absolute values, >= 0. Default 0. */
  l1?: number;
  /** Factor of the sum of squares, >= 0. Default 0. */
  l2?: number;
}

const options = { l1: strength(0), l2: strength(0) } satisfies SchemaOf<Omit<ActivityRegularizationOptions, keyof LayerOptions>>;

const make = defineLayer({
  className: 'ActivityRegularization',
  factory: 'activityRegularization',
  baseName: 'activity_regularization',
  options,
  mask: 'pass',
  outputShape: (_options, input) => input,
  call(factors, x, context) {
    addActivityLoss(l1l2(factors), [x], context);
    return x;
  },
});

/** x → x; the loss grows by (l1 · Σ|x| + l2 · Σx²) / rows of the batch. */
export function activityRegularization(options?: ActivityRegularizationOptions): Layer {
  return make(options);
}
