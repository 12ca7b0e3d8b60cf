/** confusionMatrix: how often each class was taken for which; and the table that overlaps (iou.ts) are computed from. */
import { GradstepError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { histogram } from '../ops/histogram.js';
import { reshape } from '../ops/reshape.js';
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { predictedClasses, THRESHOLD, trueClasses } from './labels.js';
import { weightsFor } from './mean_metric.js';
import type { Metric, MetricContext, MetricSetting } from './metric.js';
import { fraction, nameOption } from './options.js';

export interface ConfusionMatrixOptions extends NamedOptions {
  /** How many classes there are, from 2 to 4096. Default: as many as outputs, 2 for a single output. */
  numClasses?: number;
  /** Of a single output: above it is class 1. Default 0.5. */
  threshold?: number;
}

export const numClassesOption = optional(integer(2, 4096), undefined);

export interface TableOptions {
  /** The metric's full name, for messages. */
  readonly where: string;
  readonly numClasses: number | undefined;
  readonly threshold: number;
  readonly passes?: 'greater' | 'greaterEqual';
  /** Samples whose label is this do not count. */
  readonly ignoreClass?: number | undefined;
}

/** How many classes a table has. */
export function tableClasses({ where, numClasses }: TableOptions, { output }: Pick<MetricSetting, 'output'>): number {
  const least = Math.max(2, output.at(-1) ?? 1);
  if (numClasses !== undefined && numClasses < least) {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected ${where}.numClasses to be at least ${least}, the model's classes, but received ${numClasses}`,
    );
  }
  return numClasses ?? least;
}

/** Adds a batch to the table [true class, predicted class]. */
export function addToTable(yTrue: Value, yPred: Value, options: TableOptions, context: MetricContext): void {
  const { where, threshold, passes, ignoreClass } = options;
  const classes = tableClasses(options, { output: yPred.shape.slice(1) });
  const column = predictedClasses(yPred, threshold, passes);
  let row = trueClasses(yTrue, yPred, where);
  let weights = weightsFor(row.shape, context.weights);
  if (ignoreClass !== undefined) {
    const counts = elementwise('notEqual', row, ignoreClass);
    const ones = Array.from({ length: row.shape.length - (weights?.shape.length ?? 0) }, () => 1);
    weights = weights ? elementwise('mul', counts, reshape(weights, [...weights.shape, ...ones])) : counts;
    row = elementwise('mul', row, counts);
  }
  const { total, state, flag } = context;
  histogram({ row, column, weights, rows: classes, columns: classes }, total, state, flag);
}

/** The table as its rows. */
export function tableOf(sums: Float64Array): number[][] {
  const classes = Math.sqrt(sums.length);
  return Array.from({ length: classes }, (_, r) => [...sums.subarray(r * classes, (r + 1) * classes)]);
}

/**
 * A matrix as an array of rows: rows are true classes, columns predicted ones, entries are counts, or sums of weights.
 * Labels: class numbers, distributions (their largest class) or, for a single output, 0 and 1.
 */
export function confusionMatrix(options?: ConfusionMatrixOptions): Metric {
  const config = checkOptions('metrics.confusionMatrix', options, {
    numClasses: numClassesOption,
    threshold: optional(fraction, THRESHOLD),
    name: nameOption('confusionMatrix'),
  } satisfies SchemaOf<ConfusionMatrixOptions>);
  const table: TableOptions = { where: 'metrics.confusionMatrix', ...config };
  return {
    name: config.name,
    className: 'confusionMatrix',
    config,
    labelRange: 'classes',
    size: (setting) => tableClasses(table, setting) ** 2,
    update: (yTrue, yPred, context) => addToTable(yTrue, yPred, table, context),
    result: tableOf,
  };
}
