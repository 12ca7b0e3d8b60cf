/** fromSums: a metric of the user's own that is more than a mean: some sums over the pass, and a formula for its value. */
import { optionError } from '../errors.js';
import { checkOptions, func, record, type Check } from '../options.js';
import { addMean, valueOf } from './mean_metric.js';
import type { Metric, MetricFunction } from './metric.js';
import { nameOption } from './options.js';

export interface FromSumsOptions {
  /** Its key in histories. */
  name: string;
  /** What is added up over the pass, by name: each a function over `gs.ops` that returns a float32 value [rows, …]. */
  sums: Readonly<Record<string, MetricFunction>>;
  /** The metric's value from the sums over a pass, which weights of samples have weighted. */
  result: (sums: Readonly<Record<string, number>>) => number;
}

const sumsOption: Check<Readonly<Record<string, MetricFunction>>> = (value, name) => {
  const expected = 'object of functions that is not empty';
  const sums = record(expected)(value, name);
  if (Object.keys(sums).length === 0) throw optionError(name, expected, value);
  return Object.fromEntries(Object.entries(sums).map(([key, f]) => [key, func<MetricFunction>()(f, `${name}.${key}`)]));
};

const nameCheck: Check<string> = (value, name) => {
  if (value === undefined) throw optionError(name, 'string that is not empty', value);
  return nameOption('')(value, name);
};

/** A metric from sums, for example a ratio of two: exact over the pass where a mean of ratios of batches is not. It cannot be saved. */
export function fromSums(options: FromSumsOptions): Metric {
  const { name, sums, result } = checkOptions('metrics.fromSums', options, {
    name: nameCheck,
    sums: sumsOption,
    result: func<FromSumsOptions['result']>(),
  });
  const entries = Object.entries(sums);
  return {
    name,
    className: undefined,
    config: {},
    size: () => 2 * entries.length,
    update(yTrue, yPred, context) {
      entries.forEach(([key, f], i) => addMean(valueOf(f, yTrue, yPred, `${name}.sums.${key}`), context, 2 * i));
    },
    result: (totals) => result(Object.fromEntries(entries.map(([key], i) => [key, totals[2 * i]!]))),
  };
}
