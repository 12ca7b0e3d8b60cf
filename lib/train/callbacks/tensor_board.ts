/** tensorBoard: writes what TensorBoard shows: loss and metrics of epochs and batches, the learning rate, histograms of weights. */
import { join } from 'node:path';
import { optionError } from '../../errors.js';
import { checkOptions, integer, optional, type Check, type SchemaOf } from '../../options.js';
import type { Callback, TrainingContext } from '../callback.js';
import type { Logs } from '../history.js';
import { EventFileWriter } from './event_file.js';

export interface TensorBoardOptions {
  /** The folder of the run; what TensorBoard's option `--logdir` names, or a folder in it. Default `logs`. */
  logDir?: string;
  /** Epochs between two histograms of every weight, integer >= 0; 0: none. Default 0. */
  histogramFreq?: number;
  /**
   * `epoch`: only means of epochs. `batch` or a number: also the running means whenever the model has made a multiple of so many
   * steps. Default `epoch`.
   */
  updateFreq?: 'epoch' | 'batch' | number;
}

const WHERE = 'callbacks.tensorBoard';

const folder: Check<string> = (value, name) => {
  if (typeof value !== 'string' || value === '') throw optionError(name, 'path of a folder', value);
  return value;
};

const updateFreqOption: Check<number | undefined> = (value, name) => {
  if (value === 'epoch') return undefined;
  return value === 'batch' ? 1 : integer(1)(value, `${name} (or "epoch" or "batch")`);
};

const schema = {
  logDir: optional(folder, 'logs'),
  histogramFreq: optional(integer(0), 0),
  updateFreq: optional(updateFreqOption, undefined),
} satisfies SchemaOf<TensorBoardOptions>;

/**
 * Event files in Keras's layout: in the folder `train` epoch_loss, epoch_learning_rate and so on by epoch, batch_loss and so on by
 * step, and `layer/weight/histogram`; in `validation` epoch_loss and so on. Lists and matrices are not written. ERR_FILE where
 * a file cannot be written.
 */
export function tensorBoard(options?: TensorBoardOptions): Callback {
  return new TensorBoard(checkOptions(WHERE, options, schema));
}

class TensorBoard implements Callback {
  readonly batchInterval?: number;
  readonly onBatchEnd?: (batch: number, logs: Logs, context: TrainingContext) => Promise<void>;
  private readonly writers = new Map<'train' | 'validation', EventFileWriter>();

  constructor(private readonly options: { logDir: string; histogramFreq: number; updateFreq: number | undefined }) {
    if (options.updateFreq === undefined) return;
    this.batchInterval = options.updateFreq;
    this.onBatchEnd = (_batch, logs, context) => this.write('train', 'batch_', logs, context.totalSteps);
  }

  private async writer(part: 'train' | 'validation'): Promise<EventFileWriter> {
    let writer = this.writers.get(part);
    if (!writer) this.writers.set(part, (writer = await EventFileWriter.open(join(this.options.logDir, part))));
    return writer;
  }

  private async write(part: 'train' | 'validation', prefix: string, logs: object, step: number): Promise<void> {
    const writer = await this.writer(part);
    for (const [key, value] of Object.entries(logs)) if (typeof value === 'number') writer.scalar(`${prefix}${key}`, value, step);
  }

  async onTrainBegin(): Promise<void> {
    await this.close();
    await this.writer('train');
  }

  async onEpochEnd(epoch: number, logs: Logs, context: TrainingContext): Promise<void> {
    const isValidation = ([key]: [string, number]): boolean => key.startsWith('val_');
    const all = Object.entries(logs);
    const training = Object.fromEntries(all.filter((entry) => !isValidation(entry)));
    const validation = all.filter(isValidation).map(([key, value]) => [key.slice('val_'.length), value] as const);
    const rate = { learning_rate: await context.readLearningRate() };
    await this.write('train', 'epoch_', { ...rate, ...training }, epoch);
    if (validation.length > 0) await this.write('validation', 'epoch_', Object.fromEntries(validation), epoch);
    const { histogramFreq } = this.options;
    if (histogramFreq > 0 && epoch % histogramFreq === 0) await this.writeHistograms(epoch, context);
    for (const writer of this.writers.values()) await writer.flush();
  }

  private async writeHistograms(epoch: number, { model }: TrainingContext): Promise<void> {
    const writer = await this.writer('train');
    const values = await model.getWeights();
    model.weights.forEach(({ name }, i) => writer.histogram(`${name}/histogram`, values[i]!.data, epoch));
  }

  onTrainEnd(): Promise<void> {
    return this.close();
  }

  onTrainError(): Promise<void> {
    return this.close();
  }

  private async close(): Promise<void> {
    const open = [...this.writers.values()];
    this.writers.clear();
    for (const writer of open) await writer.close();
  }
}
