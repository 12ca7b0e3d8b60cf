/**
 * Options that every optimizer has, as in Keras: what a step does to gradients before the update and to parameters around
 * it. The optimizer only says what is wanted; the step is put together in lib/train. In order: gradients are added up over
 * gradientAccumulationSteps, cut, parameters decay, the optimizer's own update, constraints, the moving average.
 */
import { GradstepError } from '../errors.js';
import {
  aboveZero,
  boolean,
  checkOptions,
  float32,
  integer,
  number,
  optional,
  type Check,
  type Checked,
  type Schema,
  type SchemaOf,
} from '../options.js';

export interface CommonOptions {
  /** Every parameter also loses learningRate · weightDecay of itself, before its update; number >= 0. Default none. */
  weightDecay?: number;
  /** Elements of gradients are cut to [−clipValue, clipValue], infinite ones too; number > 0. Default none. */
  clipValue?: number;
  /** The gradient of each weight is scaled down to this norm where it is larger; number > 0. Default none. */
  clipNorm?: number;
  /** All gradients are scaled down together to this norm where theirs is larger; number > 0. Default none. */
  globalClipNorm?: number;
  /**
   * Whether a moving average of the parameters is kept, from their first values on and after constraints (Keras: from those after the
   * first update, and before constraints); they become it at the end of `fit`, unless that was stopped within an epoch, which may
   * go on. Default false.
   */
  useEma?: boolean;
  /** Part of that average that stays at each update, number in [0, 1]. Default 0.99. */
  emaMomentum?: number;
  /**
   * Steps whose gradients are averaged for one update, integer > 0. What is left at the end of an epoch, or of a pass over the data
   * within one (`stepsPerEpoch`), makes an update of its own, by the mean of its rows; Keras carries it on to the next epoch.
   * Schedules count updates and constraints follow them; in Keras they go by batches. Default 1.
   */
  gradientAccumulationSteps?: number;
}

/** What was asked for, complete. */
export interface CheckedCommonOptions {
  /** 0 where there is none, or where the optimizer's own update does it. */
  readonly weightDecay: number;
  /** At most one of these three. */
  readonly clipValue: number | undefined;
  readonly clipNorm: number | undefined;
  readonly globalClipNorm: number | undefined;
  readonly useEma: boolean;
  readonly emaMomentum: number;
  readonly gradientAccumulationSteps: number;
}

const positive: Check<number | undefined> = optional(aboveZero, undefined);

const commonSchema = {
  weightDecay: optional(
    float32('number >= 0', (v) => v >= 0),
    undefined,
  ),
  clipValue: positive,
  clipNorm: positive,
  globalClipNorm: positive,
  useEma: optional(boolean, undefined),
  emaMomentum: optional(
    number('number in [0, 1]', (v) => v >= 0 && v <= 1),
    undefined,
  ),
  gradientAccumulationSteps: optional(integer(1, 0x7fffffff), undefined),
} satisfies SchemaOf<CommonOptions>;

/** The options that an optimizer's own schema has to check. */
export type OwnOptions<O> = Omit<O, keyof CommonOptions>;

/** Checks an optimizer's options: its own, of which `config` has all, and the common ones, of which it has those given. */
export function checkOptimizer<S extends Schema>(
  name: string,
  options: unknown,
  schema: S,
): { config: Checked<S>; common: CheckedCommonOptions } {
  const where = `optimizers.${name}`;
  const checked = checkOptions(where, options, { ...schema, ...commonSchema, ...schema });
  const { weightDecay, clipValue, clipNorm, globalClipNorm, useEma, emaMomentum, gradientAccumulationSteps } = checked as Checked<
    typeof commonSchema
  >;
  const cuts = Object.entries({ clipValue, clipNorm, globalClipNorm }).filter(([, limit]) => limit !== undefined);
  if (cuts.length > 1) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected at most one of clipValue, clipNorm and globalClipNorm for ${where} but received ${cuts.map(([k]) => k).join(' and ')}`,
    );
  }
  return {
    config: Object.fromEntries(Object.entries(checked).filter(([, value]) => value !== undefined)) as Checked<S>,
    common: {
      weightDecay: weightDecay ?? 0,
      clipValue,
      clipNorm,
      globalClipNorm,
      useEma: useEma ?? false,
      emaMomentum: emaMomentum ?? 0.99,
      gradientAccumulationSteps: gradientAccumulationSteps ?? 1,
    },
  };
}
