/** earlyStopping: ends training when a value of the logs has not become better for some epochs. Keras's rules. */
import { boolean, checkOptions, integer, number, optional, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';
import { Monitor, monitorSchema, type MonitorMode } from './monitor.js';

export interface EarlyStoppingOptions {
  /** The key of the logs that is watched. Default `val_loss`. */
  monitor?: string;
  /** A change counts as better when it is larger than this, number >= 0. Default 0. */
  minDelta?: number;
  /** Epochs without anything better after which training ends, integer >= 0. Default 0. */
  patience?: number;
  /** Whether less or more is better. Default `auto`: as the key's name tells. */
  mode?: MonitorMode;
  /** What is no better than this does not count as better, however much it improved. Default: no such value. */
  baseline?: number;
  /** Whether the weights of the best epoch are put back at the end, whatever ends training but an error. Default false. */
  restoreBestWeights?: boolean;
  /** Epochs before this one, counted from 0, do not count at all. Default 0. */
  startFromEpoch?: number;
}

/** An early stopping, which knows afterwards what it did. */
export interface EarlyStopping extends Callback {
  /** The epoch after which it ended training; undefined where it did not. */
  readonly stoppedEpoch: number | undefined;
  /** The best epoch so far, and the value it had. */
  readonly bestEpoch: number | undefined;
  readonly best: number | undefined;
}

const schema = {
  ...monitorSchema,
  minDelta: optional(
    number('number >= 0', (v) => v >= 0),
    0,
  ),
  patience: optional(integer(0), 0),
  baseline: optional(number(), undefined),
  restoreBestWeights: optional(boolean, false),
  startFromEpoch: optional(integer(0), 0),
} satisfies SchemaOf<EarlyStoppingOptions>;

const WHERE = 'callbacks.earlyStopping';

/**
 * Ends training once `patience` epochs in a row were not better, by more than minDelta, than the best before them (and than the
 * baseline). ERR_OPTION during training where the logs have no such key.
 */
export function earlyStopping(options?: EarlyStoppingOptions): EarlyStopping {
  const {
    monitor: key,
    mode,
    minDelta,
    patience,
    baseline,
    restoreBestWeights,
    startFromEpoch,
  } = checkOptions(WHERE, options, schema);
  const monitor = new Monitor(WHERE, key, mode);
  let wait = 0;
  let best: number | undefined;
  let bestEpoch: number | undefined;
  let bestWeights: readonly Float32Array[] | undefined;
  let stoppedEpoch: number | undefined;

  /** The weights of the first epoch count as the best until there are better ones. */
  async function keep(epoch: number, context: TrainingContext): Promise<void> {
    bestEpoch = epoch;
    if (restoreBestWeights) bestWeights = (await context.snapshot()).weights;
  }

  return {
    get stoppedEpoch() {
      return stoppedEpoch;
    },
    get bestEpoch() {
      return bestEpoch;
    },
    get best() {
      return best;
    },
    onTrainBegin() {
      wait = 0;
      best = bestEpoch = bestWeights = stoppedEpoch = undefined;
    },
    async onEpochEnd(epoch: number, logs: Logs, context: TrainingContext) {
      const value = monitor.read(logs, context);
      if (value === undefined || epoch < startFromEpoch) return;
      if (bestEpoch === undefined) await keep(epoch, context);
      wait++;
      if (monitor.isBetter(value, best, best === undefined ? 0 : minDelta)) {
        best = value;
        if (bestEpoch !== epoch) await keep(epoch, context);
        if (monitor.isBetter(value, baseline, baseline === undefined ? 0 : minDelta)) wait = 0;
        return;
      }
      if (wait < patience || epoch === 0) return;
      stoppedEpoch = epoch;
      context.stop();
    },
    async onTrainEnd(_logs: Logs, context: TrainingContext) {
      if (bestWeights) await context.restoreWeights(bestWeights);
      bestWeights = undefined;
    },
    onTrainError() {
      bestWeights = undefined;
    },
  };
}
