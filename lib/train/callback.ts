/** Callbacks hear of training as it goes on, and may steer it. */
import type { Snapshot } from './training_state.js';
import type { Logs, Progress } from './history.js';
import type { Model } from './model.js';

/** What a callback may know and do; the same object for all of a run. */
export interface TrainingContext {
  /** The model that is trained. It may be saved, and may predict and evaluate. */
  readonly model: Model;
  /** Epochs that the run ends at. */
  readonly epochs: number;
  /** Steps in each; undefined where only the data's end will tell. */
  readonly steps: number | undefined;
  /** Steps that the model has made in all, in this run and those before it. */
  readonly totalSteps: number;
  /** Whether there are data for validation: epochs that it is due after have logs `val_…`. */
  readonly validates: boolean;
  /** Whether the epoch under way was begun by an earlier run, and goes on in this one (`resume: true`). */
  readonly isResumed: boolean;
  /** Whether the optimizer's learning rate is a schedule: then it cannot be set. */
  readonly hasSchedule: boolean;
  /** Ends training after the step under way. An epoch that is cut short is not followed by validation. */
  stop(): void;
  /** The learning rate of the next update. */
  readLearningRate(): Promise<number>;
  /** Sets the learning rate, a number >= 0. ERR_OPTION where the optimizer has a schedule. */
  setLearningRate(rate: number): Promise<void>;
  /** Weights and optimizer state of this moment. */
  snapshot(): Promise<Snapshot>;
  /** Puts weights back that `snapshot` gave. ERR_SHAPE or ERR_DTYPE where they do not fit: all stay as they are then. */
  restoreWeights(weights: readonly Float32Array[]): Promise<void>;
}

/** What is waited for before training goes on. */
type Answer = void | Promise<void>;

/**
 * Every method may be left out, and may return a promise, which training waits for. An error in a callback ends training: `fit`
 * rejects with it.
 */
export interface Callback {
  /**
   * Where this is given, onBatchEnd is called only when the model has made a multiple of so many steps (`totalSteps`), and
   * onBatchBegin never. Default: both at every step, or at every `stepsPerExecution` of them.
   */
  readonly batchInterval?: number;
  onTrainBegin?(context: TrainingContext): Answer;
  /** @param epoch from 0 */
  onEpochBegin?(epoch: number, context: TrainingContext): Answer;
  /** Before each step, or before each `stepsPerExecution` of them. */
  onBatchBegin?(batch: number, context: TrainingContext): Answer;
  /** After each step: a run that has such a callback comes back to JavaScript after every one. @param logs running means of this epoch */
  onBatchEnd?(batch: number, logs: Logs, context: TrainingContext): Answer;
  /** Whenever a run comes back to report, about ten times a second: this costs training nothing. */
  onProgress?(progress: Progress, context: TrainingContext): unknown;
  /** @param logs means of the epoch, and of validation as `val_…`; entries that are added appear in the history */
  onEpochEnd?(epoch: number, logs: Logs, context: TrainingContext): Answer;
  onTrainEnd?(logs: Logs, context: TrainingContext): Answer;
  /** Instead of onTrainEnd when training fails or is aborted: the place to close what was opened. `fit` rejects with `error` afterwards. */
  onTrainError?(error: unknown, context: TrainingContext): Answer;
}

/** What a callback may be told. */
export const CALLBACK_METHODS = [
  'onTrainBegin',
  'onEpochBegin',
  'onBatchBegin',
  'onBatchEnd',
  'onProgress',
  'onEpochEnd',
  'onTrainEnd',
  'onTrainError',
] as const satisfies readonly (keyof Callback)[];
