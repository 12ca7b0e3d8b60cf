/** piecewiseConstantDecay: one learning rate up to each boundary, and one after the last. */
import { GradstepError, optionError } from '../errors.js';
import { checkOptions, type Check, type SchemaOf } from '../options.js';
import { defineSchedule, type Schedule } from './schedule.js';

export interface PiecewiseConstantDecayOptions {
  /** Numbers of updates, integers >= 0, each larger than the one before. */
  boundaries: readonly number[];
  /** Learning rates, numbers >= 0: one more than boundaries. */
  values: readonly number[];
}

const rising: Check<readonly number[]> = (value, name) => {
  const list: unknown[] = Array.isArray(value) ? value : [];
  const valid =
    list.length > 0 && list.every((v, i) => Number.isInteger(v) && (v as number) > (i > 0 ? (list[i - 1] as number) : -1));
  if (!valid) throw optionError(name, 'array of integers >= 0, each larger than the one before', value);
  return [...(list as number[])];
};

const rates: Check<readonly number[]> = (value, name) => {
  const valid = Array.isArray(value) && value.every((v) => typeof v === 'number' && Number.isFinite(v) && v >= 0);
  if (!valid) throw optionError(name, 'array of numbers >= 0', value);
  return [...(value as number[])];
};

const schema = { boundaries: rising, values: rates } satisfies SchemaOf<PiecewiseConstantDecayOptions>;

/** values[i] where boundaries[i − 1] < step <= boundaries[i]. */
export function piecewiseConstantDecay(options: PiecewiseConstantDecayOptions): Schedule {
  const config = checkOptions('schedules.piecewiseConstantDecay', options, schema);
  const { boundaries, values } = config;
  if (values.length !== boundaries.length + 1) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected ${boundaries.length + 1} numbers for schedules.piecewiseConstantDecay.values, one more than boundaries, but received ${values.length}`,
    );
  }
  return defineSchedule('piecewiseConstantDecay', config, (f, step) =>
    boundaries.reduce<typeof step | number>((rate, b, i) => f.ifGreater(step, b, values[i + 1]!, rate), values[0]!),
  );
}
