/**
 * Overlaps of what is labelled and what is predicted as a class, over the pass: intersection over union and Dice, for
 * segmentation. All come from one confusion matrix.
 */
import { GradstepError } from '../errors.js';
import { checkOptions, integer, optional, type SchemaOf } from '../options.js';
import type { NamedOptions } from './accuracy.js';
import { addToTable, numClassesOption, tableClasses, tableOf, type TableOptions } from './confusion_matrix.js';
import { THRESHOLD } from './labels.js';
import type { Metric } from './metric.js';
import { fraction, listOf, nameOption } from './options.js';

interface OverlapOptions extends NamedOptions {
  /** How many classes there are, from 2 to 4096. Default: as many as outputs, 2 for a single output. */
  numClasses?: number;
  /** Places with this label do not count. Default: all count. */
  ignoreClass?: number;
}

export type MeanIoUOptions = OverlapOptions;

export interface IoUOptions extends OverlapOptions {
  /** The classes to average over. Default: all. */
  targetClassIds?: readonly number[];
}

export interface BinaryIoUOptions extends NamedOptions {
  /** The classes to average over: 0, 1 or both. Default both. */
  targetClassIds?: readonly number[];
  /** An output of at least this is class 1. Default 0.5. */
  threshold?: number;
}

export interface DiceOptions extends IoUOptions {
  /** Of a single output: above it is class 1. Default 0.5. */
  threshold?: number;
}

/** Of one class: labelled and predicted, labelled, predicted. */
type Overlap = (both: number, labelled: number, predicted: number) => number;

const intersectionOverUnion: Overlap = (both, labelled, predicted) => both / (labelled + predicted - both);
const diceOf: Overlap = (both, labelled, predicted) => (2 * both) / (labelled + predicted);

interface Config {
  readonly name: string;
  readonly targetClassIds?: readonly number[] | undefined;
}

function overlapMetric(
  className: string,
  config: Config,
  table: TableOptions,
  overlap: Overlap,
  targets = config.targetClassIds,
): Metric {
  return {
    name: config.name,
    className,
    config: { ...config },
    labelRange: 'classes',
    size(setting) {
      const classes = tableClasses(table, setting);
      const beyond = targets?.find((c) => c >= classes);
      if (beyond !== undefined) {
        throw new GradstepError('ERR_OPTION', `Expected ${table.where}.targetClassIds below ${classes} but received ${beyond}`);
      }
      return classes ** 2;
    },
    update: (yTrue, yPred, context) => addToTable(yTrue, yPred, table, context),
    result(sums) {
      const rows = tableOf(sums);
      const add = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
      const each = (targets ?? rows.map((_, c) => c)).map((c) => ({
        both: rows[c]![c]!,
        labelled: add(rows[c]!),
        predicted: add(rows.map((row) => row[c]!)),
      }));
      const present = each.filter((c) => c.labelled + c.predicted > 0);
      return present.length === 0 ? 0 : add(present.map((c) => overlap(c.both, c.labelled, c.predicted))) / present.length;
    },
  };
}

const classId = integer(0);

const overlapSchema = (name: string) =>
  ({
    numClasses: numClassesOption,
    ignoreClass: optional(integer(Number.MIN_SAFE_INTEGER), undefined),
    name: nameOption(name),
  }) satisfies SchemaOf<OverlapOptions>;

/**
 * The mean over classes of |labelled ∩ predicted| / |labelled ∪ predicted|; classes that are neither do not count, and 0
 * if that is all of them. Labels: class numbers, distributions or, for a single output, 0 and 1.
 */
export function meanIoU(options?: MeanIoUOptions): Metric {
  const config = checkOptions('metrics.meanIoU', options, overlapSchema('meanIoU'));
  return overlapMetric('meanIoU', config, { where: 'metrics.meanIoU', threshold: THRESHOLD, ...config }, intersectionOverUnion);
}

/** Intersection over union of some classes, averaged; as meanIoU in all else. */
export function iou(options?: IoUOptions): Metric {
  const config = checkOptions('metrics.iou', options, {
    ...overlapSchema('iou'),
    targetClassIds: optional(listOf(classId), undefined),
  } satisfies SchemaOf<IoUOptions>);
  return overlapMetric('iou', config, { where: 'metrics.iou', threshold: THRESHOLD, ...config }, intersectionOverUnion);
}

/** Intersection over union of a single output that is compared with a threshold, averaged over 0 and 1. */
export function binaryIoU(options?: BinaryIoUOptions): Metric {
  const config = checkOptions('metrics.binaryIoU', options, {
    targetClassIds: optional(listOf(integer(0, 1)), [0, 1]),
    threshold: optional(fraction, THRESHOLD),
    name: nameOption('binaryIoU'),
  } satisfies SchemaOf<BinaryIoUOptions>);
  const table = { where: 'metrics.binaryIoU', numClasses: 2, passes: 'greaterEqual', ...config } as const;
  const metric = overlapMetric('binaryIoU', config, table, intersectionOverUnion);
  return {
    ...metric,
    size(setting) {
      const outputs = setting.output.at(-1) ?? 1;
      if (outputs === 1) return metric.size(setting);
      throw new GradstepError('ERR_OPTION', `metrics.binaryIoU expects a single output but the model has ${outputs}: use iou`);
    },
  };
}

/**
 * 2·|labelled ∩ predicted| / (|labelled| + |predicted|), averaged over classes that are one or the other; of a single
 * output, that of class 1 unless targetClassIds says otherwise. Labels as for meanIoU.
 */
export function dice(options?: DiceOptions): Metric {
  const config = checkOptions('metrics.dice', options, {
    ...overlapSchema('dice'),
    targetClassIds: optional(listOf(classId), undefined),
    threshold: optional(fraction, THRESHOLD),
  } satisfies SchemaOf<DiceOptions>);
  const table = { where: 'metrics.dice', ...config };
  const all = overlapMetric('dice', config, table, diceOf);
  const second = overlapMetric('dice', config, table, diceOf, config.targetClassIds ?? [1]);
  return { ...all, result: (sums, setting) => ((setting.output.at(-1) ?? 1) === 1 ? second : all).result(sums, setting) };
}
