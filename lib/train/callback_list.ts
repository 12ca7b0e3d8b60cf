/** The callbacks of a run, called one after the other, and when a run must come back to JavaScript for them. */
import type { Callback, TrainingContext } from './callback.js';
import type { Logs, Progress } from './history.js';

export class CallbackList {
  /** Those that hear of batches. */
  private readonly listeners: readonly Callback[];
  /** Steps of all that were made when the `stepsPerExecution` under way began; undefined where none are. */
  private begunAt: number | undefined;

  constructor(
    private readonly all: readonly Callback[],
    private readonly stepsPerExecution: number,
    private readonly context: TrainingContext,
  ) {
    this.listeners = all.filter((c) => c.onBatchBegin ?? c.onBatchEnd);
  }

  /** Steps until a callback hears of one; Infinity where none does. */
  stepsTillHeard(): number {
    const { totalSteps } = this.context;
    const each = this.listeners.map(({ batchInterval: n }) =>
      n === undefined ? this.stepsPerExecution - this.made : n - (totalSteps % n),
    );
    return Math.min(...each);
  }

  /** Steps made of the `stepsPerExecution` under way. */
  private get made(): number {
    const { totalSteps } = this.context;
    return totalSteps - (this.begunAt ?? totalSteps);
  }

  async trainBegin(): Promise<void> {
    for (const c of this.all) await c.onTrainBegin?.(this.context);
  }

  async epochBegin(epoch: number): Promise<void> {
    for (const c of this.all) await c.onEpochBegin?.(epoch, this.context);
  }

  async batchBegin(batch: number): Promise<void> {
    if (this.begunAt !== undefined) return;
    this.begunAt = this.context.totalSteps;
    for (const c of this.listeners) if (c.batchInterval === undefined) await c.onBatchBegin?.(batch, this.context);
  }

  async batchEnd(batch: number, logs: Logs): Promise<void> {
    const { totalSteps } = this.context;
    const isWhole = this.made === this.stepsPerExecution;
    if (isWhole) this.begunAt = undefined;
    for (const c of this.listeners) {
      if (c.batchInterval === undefined ? isWhole : totalSteps % c.batchInterval === 0) {
        await c.onBatchEnd?.(batch, logs, this.context);
      }
    }
  }

  /** The epoch has no more steps: those that were too few for `stepsPerExecution` have ended, too. */
  async batchesEnd(batch: number, logs: Logs): Promise<void> {
    const { made } = this;
    this.begunAt = undefined;
    if (made === 0) return;
    for (const c of this.listeners) if (c.batchInterval === undefined) await c.onBatchEnd?.(batch, logs, this.context);
  }

  async progress(progress: Progress): Promise<void> {
    for (const c of this.all) await c.onProgress?.(progress, this.context);
  }

  async epochEnd(epoch: number, logs: Logs): Promise<void> {
    for (const c of this.all) await c.onEpochEnd?.(epoch, logs, this.context);
  }

  async trainEnd(logs: Logs): Promise<void> {
    for (const c of this.all) await c.onTrainEnd?.(logs, this.context);
  }

  /** What goes wrong while callbacks close what they opened does not hide the error that training ended with. */
  async trainError(error: unknown): Promise<void> {
    for (const c of this.all)
      await Promise.resolve(error)
        .then((e) => c.onTrainError?.(e, this.context))
        .catch(() => undefined);
  }
}
