/** modelCheckpoint: saves the model after epochs, or after so many steps, and keeps all files, the last, or the best. */
import { rm } from 'node:fs/promises';
import { fileError } from '../../data/bytes.js';
import { GradstepError } from '../../errors.js';
import { boolean, checkOptions, integer, number, optional, type Check, type Checked, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';
import { Monitor, monitorSchema, type MonitorMode } from './monitor.js';
import { filePath, PathTemplate } from './path_template.js';

export interface ModelCheckpointOptions {
  /**
   * Where files go. Placeholders are filled: `{epoch}` counts from 1, `{step}` is the number of steps that the model has made,
   * `{batch}` (with saveFreq a number) the number in the epoch; others are keys of the logs. `{epoch:03d}` pads with zeros, `{val_loss:.2f}` rounds.
   */
  path: string;
  /** The key of the logs that saveBestOnly goes by. Default `val_loss`. */
  monitor?: string;
  /** Whether less or more of it is better. Default `auto`: as the key's name tells. */
  mode?: MonitorMode;
  /** Whether only a model that is better than all saved before is saved. Default false. */
  saveBestOnly?: boolean;
  /** With saveBestOnly: what the first model must be better than. Default: nothing. */
  initialValueThreshold?: number;
  /** Files to keep, integer > 0: the oldest of those that this callback wrote are deleted beyond that. Default: all. */
  keepLast?: number;
  /** `epoch`: after each epoch. A number: whenever the model has made a multiple of so many steps, in the midst of epochs. Default `epoch`. */
  saveFreq?: 'epoch' | number;
  /** Whether the optimizer and the place where training is are left out; training cannot go on from such a file. Default false. */
  saveWeightsOnly?: boolean;
}

/** A checkpoint callback, which knows what it wrote. */
export interface ModelCheckpoint extends Callback {
  /** Files that it wrote and that are still kept, the oldest first. */
  readonly files: readonly string[];
  /** With saveBestOnly: the value of the best model saved so far; before the first, `initialValueThreshold`. */
  readonly best: number | undefined;
}

const WHERE = 'callbacks.modelCheckpoint';

const saveFreqOption: Check<'epoch' | number> = (value, name) =>
  value === 'epoch' ? value : integer(1)(value, `${name} (or "epoch")`);

const schema = {
  path: filePath,
  ...monitorSchema,
  saveBestOnly: optional(boolean, false),
  initialValueThreshold: optional(number(), undefined),
  keepLast: optional(integer(1), Infinity),
  saveFreq: optional(saveFreqOption, 'epoch' as const),
  saveWeightsOnly: optional(boolean, false),
} satisfies SchemaOf<ModelCheckpointOptions>;

/**
 * Saves the model with `model.save`: each file appears whole or not at all. After `gs.loadModel`, `fit` with `resume: true` goes
 * on where the file was written, in the middle of an epoch if it was there. ERR_FILE where a file cannot be written, or with keepLast deleted.
 */
export function modelCheckpoint(options: ModelCheckpointOptions): ModelCheckpoint {
  return new Checkpoints(checkOptions(WHERE, options, schema));
}

class Checkpoints implements ModelCheckpoint {
  readonly batchInterval?: number;
  readonly onBatchEnd?: (batch: number, logs: Logs, context: TrainingContext) => Promise<void>;
  readonly onEpochEnd?: (epoch: number, logs: Logs, context: TrainingContext) => Promise<void>;
  private readonly template: PathTemplate;
  private readonly monitor: Monitor | undefined;
  private readonly written: string[] = [];
  private bestSoFar: number | undefined;
  private epoch = 0;

  constructor(private readonly options: Checked<typeof schema>) {
    const { path, saveBestOnly, monitor, mode, initialValueThreshold, saveFreq } = options;
    this.template = new PathTemplate(`${WHERE}.path`, path);
    this.monitor = saveBestOnly ? new Monitor(WHERE, monitor, mode) : undefined;
    this.bestSoFar = initialValueThreshold;
    if (saveFreq === 'epoch') {
      this.onEpochEnd = (_epoch, logs, context) => this.save({}, logs, context);
    } else {
      this.batchInterval = saveFreq;
      this.onBatchEnd = (batch, logs, context) => this.save({ batch: batch + 1 }, logs, context);
    }
  }

  get files(): readonly string[] {
    return [...this.written];
  }

  get best(): number | undefined {
    return this.bestSoFar;
  }

  onEpochBegin(epoch: number): void {
    this.epoch = epoch;
  }

  /** Whether these logs are worth a file. */
  private isWanted(logs: Logs, context: TrainingContext): boolean {
    const { monitor } = this;
    if (!monitor) return true;
    const value = monitor.read(logs, context);
    if (value === undefined && this.onBatchEnd) {
      throw new GradstepError('ERR_OPTION', `${WHERE}.monitor is ${monitor.key}, which is not known in the midst of an epoch`);
    }
    if (value === undefined || !monitor.isBetter(value, this.bestSoFar)) return false;
    this.bestSoFar = value;
    return true;
  }

  private async save(batch: { batch?: number }, logs: Logs, context: TrainingContext): Promise<void> {
    if (!this.isWanted(logs, context)) return;
    const { keepLast, saveWeightsOnly } = this.options;
    const path = this.template.fill({ ...logs, ...batch, epoch: this.epoch + 1, step: context.totalSteps });
    await context.model.save(path, { includeOptimizer: !saveWeightsOnly });
    const before = this.written.indexOf(path);
    if (before >= 0) this.written.splice(before, 1);
    this.written.push(path);
    for (const old of this.written.splice(0, this.written.length - keepLast)) await remove(old);
  }
}

async function remove(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw fileError(path, `cannot be deleted: ${(error as Error).message}`, error);
  }
}
