/** reduceLROnPlateau: lowers the learning rate when a value of the logs has not become better for some epochs. Keras's rules. */
import { checkOptions, integer, number, optional, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';
import { refuseSchedule } from './learning_rate_scheduler.js';
import { Monitor, monitorSchema, type MonitorMode } from './monitor.js';

export interface ReduceLROnPlateauOptions {
  /** The key of the logs that is watched. Default `val_loss`. */
  monitor?: string;
  /** What the rate is multiplied by, number in (0, 1). Default 0.1. */
  factor?: number;
  /** Epochs without anything better after which the rate is lowered, integer >= 0. Default 10. */
  patience?: number;
  /** Whether less or more is better. Default `auto`: as the key's name tells. */
  mode?: MonitorMode;
  /** A change counts as better when it is larger than this, number >= 0. Default 1e-4. */
  minDelta?: number;
  /** Epochs after lowering the rate in which nothing is counted, integer >= 0. Default 0. */
  cooldown?: number;
  /** The rate does not go below this, number >= 0. Default 0. */
  minLr?: number;
}

const atLeast0 = number('number >= 0', (v) => v >= 0);
const factor = number('number in (0, 1)', (v) => v > 0 && v < 1);

const schema = {
  ...monitorSchema,
  factor: optional(factor, 0.1),
  patience: optional(integer(0), 10),
  minDelta: optional(atLeast0, 1e-4),
  cooldown: optional(integer(0), 0),
  minLr: optional(atLeast0, 0),
} satisfies SchemaOf<ReduceLROnPlateauOptions>;

const WHERE = 'callbacks.reduceLROnPlateau';

/** Multiplies the rate by `factor` once `patience` epochs were not better. Logs and history get `learning_rate`. */
export function reduceLROnPlateau(options?: ReduceLROnPlateauOptions): Callback {
  const { monitor: key, mode, factor: by, patience, minDelta, cooldown, minLr } = checkOptions(WHERE, options, schema);
  const monitor = new Monitor(WHERE, key, mode);
  let wait = 0;
  let cooling = 0;
  let best: number | undefined;
  return {
    onTrainBegin(context: TrainingContext) {
      refuseSchedule(WHERE, context);
      wait = cooling = 0;
      best = undefined;
    },
    async onEpochEnd(_epoch: number, logs: Logs, context: TrainingContext) {
      const rate = await context.readLearningRate();
      logs.learning_rate = rate;
      const value = monitor.read(logs, context);
      if (value === undefined) return;
      if (cooling > 0) {
        cooling--;
        wait = 0;
      }
      if (monitor.isBetter(value, best, best === undefined ? 0 : minDelta)) {
        best = value;
        wait = 0;
        return;
      }
      if (cooling > 0 || ++wait < patience || rate <= minLr) return;
      await context.setLearningRate(Math.max(rate * by, minLr));
      cooling = cooldown;
      wait = 0;
    },
  };
}
