/** precision, recall and the four counts they are made of, at one threshold or at several. */
import { GradstepError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { topMask } from '../ops/top_mask.js';
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { addBuckets, bucketOf, countsOf, divide, type Counts } from './confusion.js';
import { numbersLike, ranked, THRESHOLD } from './labels.js';
import type { Metric, MetricSetting } from './metric.js';
import { nameOption, thresholdsOption } from './options.js';

export interface ThresholdOptions extends NamedOptions {
  /** An output above it counts as positive: a number from 0 to 1, or several, which make the value a list. Default 0.5. */
  thresholds?: number | readonly number[];
}

export interface PrecisionOptions extends ThresholdOptions {
  /** Only the k largest outputs of a sample may be positive; without `thresholds` all of them are. Default: any number may be. */
  topK?: number;
  /** Counts this output only, from 0. Default: all outputs together. */
  classId?: number;
}

interface Config {
  readonly name: string;
  readonly thresholds: number | readonly number[] | undefined;
  readonly topK?: number | undefined;
  readonly classId?: number | undefined;
}

function expectAtMost(option: string, given: number, most: number, outputs: number): void {
  if (given <= most) return;
  const model = outputs === 1 ? 'the one output of the model' : `the model's ${outputs} outputs`;
  throw new GradstepError('ERR_OPTION', `Expected ${option} to be at most ${most}, for ${model}, but received ${given}`);
}

/** A metric whose value at each threshold follows from the counts there. */
function countMetric(className: string, config: Config, value: (counts: Counts) => number): Metric {
  const { topK, classId } = config;
  const where = `metrics.${className}`;
  const given = config.thresholds ?? (topK === undefined ? THRESHOLD : undefined);
  const list = given === undefined ? undefined : [...new Set(typeof given === 'number' ? [given] : given)].sort((a, b) => a - b);
  const buckets = (list?.length ?? 1) + 1;
  const groupsOf = ({ output }: Pick<MetricSetting, 'output'>) => (classId === undefined ? 1 : (output.at(-1) ?? 1));
  return {
    name: config.name,
    className,
    config: { ...config },
    labelRange: 'shares',
    size(setting) {
      const outputs = setting.output.at(-1) ?? 1;
      if (classId !== undefined) expectAtMost(`${where}.classId`, classId, outputs - 1, outputs);
      if (topK !== undefined) expectAtMost(`${where}.topK`, topK, outputs, outputs);
      return groupsOf(setting) * 2 * buckets;
    },
    update(yTrue, yPred, context) {
      const label = numbersLike(yTrue, yPred, where);
      const mask = topK === undefined ? undefined : topMask(ranked(yPred), topK);
      const bucket = list && bucketOf(yPred, list);
      const column = mask && bucket ? elementwise('mul', mask, bucket) : (mask ?? bucket!);
      addBuckets(label, column, groupsOf({ output: yPred.shape.slice(1) }), buckets, context);
    },
    result(sums) {
      const counts = countsOf(sums, buckets, classId ?? 0);
      if (given === undefined || typeof given === 'number') return value(counts[0]!);
      return given.length === 1 ? value(counts[0]!) : given.map((t) => value(counts[list!.indexOf(t)]!));
    },
  };
}

const precisionSchema = (name: string) =>
  ({
    thresholds: thresholdsOption,
    topK: optional(integer(1), undefined),
    classId: optional(integer(0), undefined),
    name: nameOption(name),
  }) satisfies SchemaOf<PrecisionOptions>;

const countSchema = (name: string) =>
  ({ thresholds: thresholdsOption, name: nameOption(name) }) satisfies SchemaOf<ThresholdOptions>;

/** tp / (tp + fp): the part of positive outputs that are right; 0 where none is positive. Labels 0 or 1, of the output's shape. */
export function precision(options?: PrecisionOptions): Metric {
  const config = checkOptions('metrics.precision', options, precisionSchema('precision'));
  return countMetric('precision', config, ({ tp, fp }) => divide(tp, tp + fp));
}

/** tp / (tp + fn): the part of positive labels that are found; 0 where there are none. Labels 0 or 1, of the output's shape. */
export function recall(options?: PrecisionOptions): Metric {
  const config = checkOptions('metrics.recall', options, precisionSchema('recall'));
  return countMetric('recall', config, ({ tp, fn }) => divide(tp, tp + fn));
}

/** How many positive labels have an output above the threshold; weighted by the weights of samples. */
export function truePositives(options?: ThresholdOptions): Metric {
  const config = checkOptions('metrics.truePositives', options, countSchema('truePositives'));
  return countMetric('truePositives', config, ({ tp }) => tp);
}

/** How many negative labels have an output that is not above the threshold. */
export function trueNegatives(options?: ThresholdOptions): Metric {
  const config = checkOptions('metrics.trueNegatives', options, countSchema('trueNegatives'));
  return countMetric('trueNegatives', config, ({ tn }) => tn);
}

/** How many negative labels have an output above the threshold. */
export function falsePositives(options?: ThresholdOptions): Metric {
  const config = checkOptions('metrics.falsePositives', options, countSchema('falsePositives'));
  return countMetric('falsePositives', config, ({ fp }) => fp);
}

/** How many positive labels have an output that is not above the threshold. */
export function falseNegatives(options?: ThresholdOptions): Metric {
  const config = checkOptions('metrics.falseNegatives', options, countSchema('falseNegatives'));
  return countMetric('falseNegatives', config, ({ fn }) => fn);
}
