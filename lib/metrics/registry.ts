/** Metrics by name: what `compile` takes as strings, and what saved models name. */
import { GradstepError, optionError } from '../errors.js';
import { unknownName, type Check } from '../options.js';
import { accuracy } from './accuracy.js';
import type { Metric, MetricFunction } from './metric.js';

const METRICS = { accuracy } as const;

export type MetricName = keyof typeof METRICS;

function metricOf(value: unknown, name: string): Metric {
  if (typeof value === 'function') {
    if (!value.name) throw optionError(name, 'function with a name, which becomes its key in the history', value);
    return { name: value.name, named: false, perElement: (yTrue, yPred) => (value as MetricFunction)(yTrue, yPred) };
  }
  if (typeof value === 'object' && value !== null && typeof (value as Partial<Metric>).perElement === 'function')
    return value as Metric;
  if (typeof value !== 'string') throw optionError(name, 'name of a metric, a metric or a function', value);
  if (!Object.hasOwn(METRICS, value)) throw unknownName('metric', value, name, Object.keys(METRICS));
  return METRICS[value as MetricName]();
}

/** Names that a history uses itself. */
const TAKEN = ['epoch', 'loss', 'epochs', 'step', 'steps', 'samplesPerSecond', 'secondsLeft'];

/** Reads a list of metrics given by name, made by factories, or written as functions. */
export const metricsOption: Check<readonly Metric[]> = (value, name) => {
  if (!Array.isArray(value)) throw optionError(name, 'array of metrics', value);
  const metrics = value.map((m, i) => metricOf(m, `${name}[${i}]`));
  metrics.forEach((m, i) => {
    if (TAKEN.includes(m.name) || metrics.findIndex((other) => other.name === m.name) !== i) {
      throw new GradstepError('ERR_OPTION', `Expected a name of its own for ${name}[${i}] but "${m.name}" is taken`);
    }
  });
  return metrics;
};
