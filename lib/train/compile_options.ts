/** What `compile` takes, checked. */
import { GradstepError, optionError } from '../errors.js';
import type { PartialShape } from '../graph/shape.js';
import { anyOf, checkKnown } from '../layers/unknown_sizes.js';
import type { Loss, LossFunction } from '../losses/loss.js';
import { lossOption, type LossName } from '../losses/registry.js';
import type { Metric, MetricFunction } from '../metrics/metric.js';
import { checkKeys, checkNames, isMetric, metricsOption, type MetricName } from '../metrics/registry.js';
import { PRECISIONS, type Precision } from '../ops/precision.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { optimizerOption, type OptimizerName } from '../optimizers/registry.js';
import {
  boolean,
  checkOptions,
  integer,
  number,
  oneOf,
  optional,
  record,
  unknownName,
  type Check,
  type Checked,
  type SchemaOf,
} from '../options.js';
import { meanTotal, metricTotal, type Total } from './report.js';

/** A device by the name that `devices()` gives it; `auto` takes CUDA where it works, else the processor; `cuda` the first GPU. */
export type DeviceName = 'auto' | 'cpu' | 'cuda' | (string & {});

/** One thing for each output: in their order, or by the name of the layer that yields the output. */
export type PerOutput<T> = readonly T[] | Readonly<Record<string, T>>;

type LossLike = LossName | Loss | LossFunction;
type MetricLike = MetricName | Metric | MetricFunction;
type Metrics = MetricLike | readonly MetricLike[];

export interface CompileOptions {
  optimizer: OptimizerName | Optimizer;
  /**
   * What training minimises; with several outputs one for each (an output without is not trained), or one for all. `null`: nothing
   * but what layers add (`addLoss`, `activityRegularizer`, regularizers of weights); `fit` then takes no labels.
   */
  loss: LossLike | null | PerOutput<LossLike | null>;
  /** With several outputs: the factor of each output's loss in the sum. Default 1. */
  lossWeights?: PerOutput<number>;
  /**
   * Shown beside the loss: one or a list; with several outputs a list for each that has a loss, or one list for all of these.
   * Weights of samples do not touch them. Default none.
   */
  metrics?: Metrics | PerOutput<Metrics>;
  /** Metrics in which samples count by their weights. Default none. */
  weightedMetrics?: Metrics | PerOutput<Metrics>;
  /** Default `auto`. */
  device?: DeviceName;
  /**
   * Arithmetic of the step. Default `float32`: strict IEEE float32. `bfloat16`: the operands of all products of dense,
   * convolutional, recurrent and attention layers, forward and backward, are rounded to bfloat16 (8 bits of mantissa); weights,
   * their updates, sums and everything else stay float32. `devices()` says whether a device multiplies bfloat16 (`native`) or
   * rounded float32 (`emulated`). `tf32`: the same with TF32 (11 bits of mantissa) on CUDA; on the CPU, which has no unit for
   * it, the same as `float32`.
   */
  precision?: Precision;
  /**
   * Fixes first weights (unless something has used them already), order of rows and dropout: the same seed, device and
   * threads give the same bits. Integer >= 0; random by default.
   */
  seed?: number;
  /**
   * CUDA: nothing that is computed depends on how long something took. Otherwise the fastest of several algorithms is looked for
   * when a product of a new shape is first prepared, and remembered in a file for this machine and in checkpoints: bits repeat as
   * long as that file is there, and where training goes on from a checkpoint. Default false.
   */
  deterministic?: boolean;
  /**
   * Threads on the processor, 1 to 1,024: a bound on what training and prediction use. Default 0: as many as the process may use,
   * by its CPU affinity and its control group's quota; `gs.devices()` tells how many that are. More are allowed, and slower.
   */
  threads?: number;
  /**
   * What a loss or a gradient that is NaN or infinite does: `error` stops the run with ERR_NAN and does not follow it; `continue` trains
   * on. Default `error`.
   */
  onNaN?: 'error' | 'continue';
}

export const deviceOption: Check<DeviceName> = (value, name) => {
  if (typeof value !== 'string' || !/^(auto|cpu|cuda(:\d{1,3})?|cuda-emulated)$/.test(value)) {
    throw optionError(name, '"auto", "cpu", "cuda" or "cuda:<number>"', value);
  }
  return value;
};

const anything: Check<unknown> = (value) => value;

const schema = {
  optimizer: optimizerOption,
  loss: anything,
  lossWeights: anything,
  metrics: anything,
  weightedMetrics: anything,
  device: optional(deviceOption, 'auto' as const),
  precision: optional(oneOf(PRECISIONS), 'float32' as const),
  seed: optional(integer(0), undefined),
  deterministic: optional(boolean, false),
  threads: optional(integer(0, 1024), 0),
  onNaN: optional(oneOf(['error', 'continue']), 'error' as const),
} satisfies SchemaOf<CompileOptions>;

/** What one output is compared by. */
export interface CompiledOutput {
  readonly name: string;
  /** undefined: the output is not compared with anything. */
  readonly loss: Loss | undefined;
  readonly weight: number;
  readonly metrics: readonly Metric[];
  readonly weightedMetrics: readonly Metric[];
}

/** Checked options: names are resolved, defaults filled. */
export interface Compiled extends Omit<Checked<typeof schema>, 'loss' | 'lossWeights' | 'metrics' | 'weightedMetrics'> {
  readonly outputs: readonly CompiledOutput[];
  /** The outputs that have a loss, in order: each has its labels in the data. */
  readonly compared: readonly CompiledOutput[];
  /** What a pass adds up: the loss, with several outputs the loss of each, and the metrics; by their keys in histories. */
  readonly totals: readonly string[];
}

const lossWeight = number('number >= 0', (v) => v >= 0 && v < Infinity);

/** Reads an option that may be given for each output: `single` tells a value for all of them from a collection. */
function perOutput<T>(
  value: unknown,
  names: readonly string[],
  where: string,
  single: (value: unknown) => boolean,
  read: (value: unknown, where: string) => T,
): T[] {
  if (typeof value !== 'object' || value === null || single(value)) return names.map(() => read(value, where));
  if (Array.isArray(value)) {
    if (value.length !== names.length) {
      throw new GradstepError(
        'ERR_OPTION',
        `Expected ${names.length} entries for ${where}, one an output, but received ${value.length}`,
      );
    }
    return value.map((v, i) => read(v, `${where}[${i}]`));
  }
  record('an object with outputs')(value, where);
  for (const key of Object.keys(value)) if (!names.includes(key)) throw unknownName('output', key, where, names);
  const given = (name: string): unknown => (Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined);
  return names.map((name) => read(given(name), `${where}.${name}`));
}

const isOneLoss = (value: unknown): boolean =>
  typeof value !== 'object' || value === null || typeof (value as Partial<Loss>).perPosition === 'function';

const isForAll = (value: unknown): boolean =>
  isMetric(value) || (Array.isArray(value) && !(value.length > 0 && value.every((e) => Array.isArray(e))));

/** The metrics of each output: what has no loss has no labels either. ERR_OPTION where metrics would find none. */
function metricsOfOutputs(
  value: unknown,
  names: readonly string[],
  hasLoss: readonly boolean[],
  where: string,
): (readonly Metric[])[] {
  const lists = perOutput(value, names, where, isForAll, (v, at) => (v === undefined ? [] : metricsOption(v, at)));
  if (!hasLoss.includes(true) && lists.flat().length > 0)
    throw optionError(where, 'no metrics where no output has a loss', value);
  const isEach = typeof value === 'object' && !isForAll(value);
  return lists.map((list, i) => {
    if (isEach && !hasLoss[i] && list.length > 0)
      throw optionError(`${where} of ${names[i]!}`, 'no metrics where there is no loss', list);
    return hasLoss[i] ? list : [];
  });
}

/** @param names the model's outputs. */
export function checkCompileOptions(options: unknown, names: readonly string[]): Compiled {
  const { loss, lossWeights, metrics, weightedMetrics, ...rest } = checkOptions('compile', options, schema);
  const several = names.length > 1;
  const losses = perOutput(loss, names, 'compile.loss', isOneLoss, (v, where) =>
    v === null || (several && v === undefined) ? undefined : lossOption(v, where),
  );
  // What was forgotten is no wish for none.
  const parts: readonly unknown[] = typeof loss === 'object' && loss !== null ? Object.values(loss) : [];
  const isNone = loss === null || (parts.length > 0 && parts.every((l) => l === null));
  if (!isNone && losses.every((l) => l === undefined)) throw optionError('compile.loss', 'loss for at least one output', loss);
  const weights = perOutput(
    lossWeights,
    names,
    'compile.lossWeights',
    () => false,
    (v, where) => (v === undefined ? 1 : lossWeight(v, where)),
  );
  const hasLoss = losses.map((l) => l !== undefined);
  const lists = metricsOfOutputs(metrics, names, hasLoss, 'compile.metrics');
  const weightedLists = metricsOfOutputs(weightedMetrics, names, hasLoss, 'compile.weightedMetrics');
  weightedLists.forEach((list, i) => checkNames([...lists[i]!, ...list], 'compile.weightedMetrics', lists[i]!.length));
  const outputs = names.map((name, i) => ({
    name,
    loss: losses[i],
    weight: weights[i]!,
    metrics: lists[i]!,
    weightedMetrics: weightedLists[i]!,
  }));
  const compared = outputs.filter((o) => o.loss);
  const totals = [
    'loss',
    ...(several ? compared.map((o) => `${o.name}_loss`) : []),
    ...compared.flatMap((o) => [...o.metrics, ...o.weightedMetrics].map((m) => (several ? `${o.name}_${m.name}` : m.name))),
  ];
  checkKeys(totals);
  return { ...rest, outputs, compared, totals };
}

/** The totals of a pass, for outputs of the given shapes. ERR_OPTION where a metric does not fit its output. */
export function totalsOf({ totals, outputs }: Compiled, shapes: readonly PartialShape[]): Total[] {
  const metrics = outputs.flatMap((o, i) => {
    const shape = shapes[i]!;
    const labels = o.loss?.labels ?? 'float32';
    return [...o.metrics, ...o.weightedMetrics].map((metric) => {
      checkKnown(shape, metric.name, (output) => metric.size({ output, labels }));
      return { metric, setting: { output: anyOf(shape), labels } };
    });
  });
  const means = totals.length - metrics.length;
  return totals.map((name, i) => {
    const of = metrics[i - means];
    return of ? metricTotal(name, of.metric, of.setting) : meanTotal(name);
  });
}
