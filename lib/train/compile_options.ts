/** What `compile` takes, checked. */
import { optionError } from '../errors.js';
import type { Loss, LossFunction } from '../losses/loss.js';
import { lossOption, type LossName } from '../losses/registry.js';
import type { Metric, MetricFunction } from '../metrics/metric.js';
import { metricsOption, type MetricName } from '../metrics/registry.js';
import type { Optimizer } from '../optimizers/optimizer.js';
import { optimizerOption, type OptimizerName } from '../optimizers/registry.js';
import { checkOptions, integer, oneOf, optional, type Check, type Checked, type SchemaOf } from '../options.js';

/** A device by the name that `devices()` gives it; `auto` takes CUDA where it works, else the processor; `cuda` the first GPU. */
export type DeviceName = 'auto' | 'cpu' | 'cuda' | (string & {});

export interface CompileOptions {
  optimizer: OptimizerName | Optimizer;
  loss: LossName | Loss | LossFunction;
  /** Shown beside the loss. Default none. */
  metrics?: readonly (MetricName | Metric | MetricFunction)[];
  /** Default `auto`. */
  device?: DeviceName;
  /** Arithmetic of the step. Default `float32`: strict IEEE float32. */
  precision?: 'float32';
  /**
   * Fixes first weights (unless something has used them already), order of rows and dropout: the same seed, device and
   * threads give the same bits. Integer >= 0; random by default.
   */
  seed?: number;
  /** Threads on the processor. Default 0: as many as the process may use. */
  threads?: number;
  /** What a loss that is NaN or infinite does: `error` stops the run with ERR_NAN; `continue` trains on. Default `error`. */
  onNaN?: 'error' | 'continue';
}

export const deviceOption: Check<DeviceName> = (value, name) => {
  if (typeof value !== 'string' || !/^(auto|cpu|cuda(:\d{1,3})?|cuda-emulated)$/.test(value)) {
    throw optionError(name, '"auto", "cpu", "cuda" or "cuda:<number>"', value);
  }
  return value;
};

const schema = {
  optimizer: optimizerOption,
  loss: lossOption,
  metrics: optional(metricsOption, []),
  device: optional(deviceOption, 'auto' as const),
  precision: optional(oneOf(['float32']), 'float32' as const),
  seed: optional(integer(0), undefined),
  threads: optional(integer(0, 1024), 0),
  onNaN: optional(oneOf(['error', 'continue']), 'error' as const),
} satisfies SchemaOf<CompileOptions>;

/** Checked options: names are resolved, defaults filled. */
export type Compiled = Checked<typeof schema>;

export function checkCompileOptions(options: unknown): Compiled {
  return checkOptions('compile', options, schema);
}
