/**
 * fBetaScore and f1Score: (1 + β²)·precision·recall / (β²·precision + recall), for each class, from counts over the pass.
 * Without a threshold the largest output of a sample is its class; labels may then be class numbers as well.
 */
import { GradstepError } from '../errors.js';
import { elementwise } from '../ops/map.js';
import { histogram } from '../ops/histogram.js';
import { topMask } from '../ops/top_mask.js';
import { checkOptions, number, oneOf, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { addBuckets, countsOf, divide } from './confusion.js';
import { choice, distributionsLike, ranked, THRESHOLD } from './labels.js';
import { weightsFor } from './mean_metric.js';
import type { Metric, MetricSetting } from './metric.js';
import { fraction, nameOption, wordOrNull } from './options.js';

export interface F1ScoreOptions extends NamedOptions {
  /**
   * How classes become one number: `micro` counts all together, `macro` is the mean over classes, `weighted` the mean
   * weighted by how often each class is in the labels; null gives a list, one number a class. Default null.
   */
  average?: 'micro' | 'macro' | 'weighted' | null;
  /** An output above it counts as positive, from 0 to 1. Default: a sample's largest output is, of equal ones the first; of a single output, 0.5. */
  threshold?: number;
}

export interface FBetaScoreOptions extends F1ScoreOptions {
  /** The weight of recall against precision, > 0. Default 1. */
  beta?: number;
}

/** Right, missed and false predictions of one class. */
interface ClassCounts {
  readonly tp: number;
  readonly fn: number;
  readonly fp: number;
}

function fScore({ tp, fn, fp }: ClassCounts, beta: number): number {
  return divide((1 + beta * beta) * tp, (1 + beta * beta) * tp + beta * beta * fn + fp);
}

type Config = { readonly [K in 'name' | 'average' | 'threshold']: F1ScoreOptions[K] } & { readonly name: string };

function fMetric(className: string, config: Config, beta: number): Metric {
  const { average, threshold } = config;
  const where = `metrics.${className}`;
  const classesOf = ({ output }: Pick<MetricSetting, 'output'>) => output.at(-1) ?? 1;
  /** Whether sums are those of class numbers: [class, missed or found] of labels, then [class] of predictions. */
  const counts = (sums: Float64Array, { labels, output }: MetricSetting): ClassCounts[] =>
    Array.from({ length: classesOf({ output }) }, (_, c) => {
      if (labels === 'float32') return countsOf(sums, 2, c)[0]!;
      const [fn, tp] = [sums[2 * c]!, sums[2 * c + 1]!];
      return { tp, fn, fp: sums[2 * classesOf({ output }) + c]! - tp };
    });
  return {
    name: config.name,
    className,
    config,
    labelRange: 'shares',
    size(setting) {
      if (setting.labels === 'int32' && threshold !== undefined) {
        throw new GradstepError(
          'ERR_OPTION',
          `Expected no ${where}.threshold for labels that are class numbers but received ${threshold}`,
        );
      }
      return classesOf(setting) * (setting.labels === 'int32' ? 3 : 4);
    },
    update(yTrue, yPred, context) {
      const classes = classesOf({ output: yPred.shape.slice(1) });
      if (context.labels === 'int32') {
        const { total, state, flag } = context;
        const chosen = choice(yPred);
        const weights = weightsFor(chosen.shape, context.weights);
        const right = elementwise('equal', chosen, yTrue);
        histogram({ row: yTrue, column: right, weights, rows: classes, columns: 2 }, total, state, flag);
        histogram({ column: chosen, weights, columns: classes, at: 2 * classes }, total, state, flag);
        return;
      }
      const label = distributionsLike(yTrue, yPred, where);
      const limit = threshold ?? (classes === 1 ? THRESHOLD : undefined);
      const positive = limit === undefined ? topMask(ranked(yPred), 1) : elementwise('greater', yPred, limit);
      addBuckets(label, positive, classes, 2, context);
    },
    result(sums, setting) {
      const each = counts(sums, setting);
      const scores = each.map((c) => fScore(c, beta));
      const add = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
      if (average === 'micro') {
        const [tp, fn, fp] = (['tp', 'fn', 'fp'] as const).map((key) => add(each.map((c) => c[key])));
        return fScore({ tp: tp!, fn: fn!, fp: fp! }, beta);
      }
      if (average === 'macro') return add(scores) / scores.length;
      if (average === 'weighted')
        return divide(add(scores.map((s, c) => s * (each[c]!.tp + each[c]!.fn))), add(each.map((c) => c.tp + c.fn)));
      return scores.length === 1 ? scores[0]! : scores;
    },
  };
}

const schema = (name: string) =>
  ({
    average: optional(wordOrNull(oneOf(['micro', 'macro', 'weighted'])), null),
    threshold: optional(fraction, undefined),
    name: nameOption(name),
  }) satisfies SchemaOf<F1ScoreOptions>;

/** The harmonic mean of precision and recall; 0 for a class that is neither labelled nor predicted. A list without `average`, unless there is one output. */
export function f1Score(options?: F1ScoreOptions): Metric {
  return fMetric('f1Score', checkOptions('metrics.f1Score', options, schema('f1Score')), 1);
}

/** The mean of precision and recall in which recall counts β times as much; as f1Score in all else. */
export function fBetaScore(options?: FBetaScoreOptions): Metric {
  const config = checkOptions('metrics.fBetaScore', options, {
    ...schema('fBetaScore'),
    beta: optional(
      number('number > 0', (v) => v > 0),
      1,
    ),
  } satisfies SchemaOf<FBetaScoreOptions>);
  return fMetric('fBetaScore', config, config.beta);
}
