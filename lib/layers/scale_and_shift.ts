/** The options and weights that normalisations have in common: gamma scales the result, beta shifts it. */
import type { Shape } from '../graph/shape.js';
import { ones, zeros } from '../initializers/index.js';
import { boolean, optional, type SchemaOf } from '../options.js';
import type { WeightSpec } from './define_layer.js';
import { weight, weightOptions, type CheckedWeight, type WeightOptions } from './weight_options.js';

export interface ScaleAndShiftOptions extends WeightOptions<'gamma'>, WeightOptions<'beta'> {
  /** Whether beta is added. Default true. */
  center?: boolean;
  /** Whether the result is multiplied by gamma. Default true. */
  scale?: boolean;
}

export const scaleAndShift = {
  center: optional(boolean, true),
  scale: optional(boolean, true),
  ...weightOptions('gamma', ones()),
  ...weightOptions('beta', zeros()),
} satisfies SchemaOf<ScaleAndShiftOptions>;

/** gamma and beta, those that there are. */
export function scaleAndShiftWeights(
  o: CheckedWeight<'gamma'> & CheckedWeight<'beta'> & { readonly center: boolean; readonly scale: boolean },
  shape: Shape,
): WeightSpec[] {
  return [...(o.scale ? [weight(o, 'gamma', shape)] : []), ...(o.center ? [weight(o, 'beta', shape)] : [])];
}
