/**
 * The three options that most weights have: how they begin, what the loss adds for their size, and where they are put
 * back to after each update. `kernelInitializer`, `kernelRegularizer`, `kernelConstraint`, and likewise for any other
 * prefix: a layer's options extend `WeightOptions<'depthwise'>`, its schema spreads `weightOptions('depthwise', …)`, and
 * its `weights` call `weight(options, 'depthwise', shape)`.
 */
import type { Constraint } from '../constraints/constraint.js';
import { constraintOption, type ConstraintOption } from '../constraints/registry.js';
import type { Shape } from '../graph/shape.js';
import type { Initializer } from '../initializers/initializer.js';
import { initializerOption, type InitializerName } from '../initializers/registry.js';
import { optional, type Check } from '../options.js';
import type { Regularizer } from '../regularizers/regularizer.js';
import { regularizerOption, type RegularizerOption } from '../regularizers/registry.js';
import type { WeightSpec } from './define_layer.js';

/** The options of a weight as a user writes them: first values, what the loss adds (default nothing), what holds it (default nothing). */
export type WeightOptions<Prefix extends string> = { [K in `${Prefix}Initializer`]?: InitializerName | Initializer } & {
  [K in `${Prefix}Regularizer`]?: RegularizerOption;
} & { [K in `${Prefix}Constraint`]?: ConstraintOption };

/** The options of a kernel. */
export interface KernelOptions extends WeightOptions<'kernel'> {
  /** First values. Default `glorotUniform`. */
  kernelInitializer?: InitializerName | Initializer;
  /** Adds to the loss while training. Default none. */
  kernelRegularizer?: RegularizerOption;
  /** Applied after each update. Default none. */
  kernelConstraint?: ConstraintOption;
}

/** The options of a bias. */
export interface BiasOptions extends WeightOptions<'bias'> {
  /** First values. Default `zeros`. */
  biasInitializer?: InitializerName | Initializer;
  /** Adds to the loss while training. Default none. */
  biasRegularizer?: RegularizerOption;
  /** Applied after each update. Default none. */
  biasConstraint?: ConstraintOption;
}

/** The checks of a weight's options: part of a layer's schema. */
export type WeightSchema<Prefix extends string> = { readonly [K in `${Prefix}Initializer`]: Check<Initializer> } & {
  readonly [K in `${Prefix}Regularizer`]: Check<Regularizer | undefined>;
} & { readonly [K in `${Prefix}Constraint`]: Check<Constraint | undefined> };

/** The checked options of a weight. */
export type CheckedWeight<Prefix extends string> = { readonly [K in `${Prefix}Initializer`]: Initializer } & {
  readonly [K in `${Prefix}Regularizer`]: Regularizer | undefined;
} & { readonly [K in `${Prefix}Constraint`]: Constraint | undefined };

/** Checks of the options `${prefix}Initializer`, `${prefix}Regularizer` and `${prefix}Constraint`. */
export function weightOptions<const Prefix extends string>(prefix: Prefix, initializer: Initializer): WeightSchema<Prefix> {
  return {
    [`${prefix}Initializer`]: optional(initializerOption, initializer),
    [`${prefix}Regularizer`]: optional(regularizerOption, undefined),
    [`${prefix}Constraint`]: optional(constraintOption, undefined),
  } as WeightSchema<Prefix>;
}

/** One weight of a layer, from its options. Its role is the prefix, unless another is given. */
export function weight<const Prefix extends string>(
  options: CheckedWeight<Prefix>,
  prefix: Prefix,
  shape: Shape,
  role: string = prefix,
): WeightSpec {
  const o = options as Record<string, unknown>;
  return {
    role,
    shape,
    initializer: o[`${prefix}Initializer`] as Initializer,
    regularizer: o[`${prefix}Regularizer`] as Regularizer | undefined,
    constraint: o[`${prefix}Constraint`] as Constraint | undefined,
  };
}
