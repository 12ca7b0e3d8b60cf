/** Callbacks hear of training as it goes on, and may steer it. */
import type { Logs } from './history.js';
import type { Snapshot } from './engine.js';

/** What a callback may know and do; the same object for all of a run. */
export interface TrainingContext {
  /** The model that is trained. */
  readonly model: object;
  /** Epochs that the run ends at. */
  readonly epochs: number;
  /** Steps in each; undefined where only the data's end will tell. */
  readonly steps: number | undefined;
  /** Ends training after the step under way. */
  stop(): void;
  /** The factor of the update, which a schedule multiplies further. */
  readLearningRate(): number;
  setLearningRate(rate: number): Promise<void>;
  /** Weights and optimizer state of this moment. */
  snapshot(): Promise<Snapshot>;
  /** Puts weights back that `snapshot` gave. */
  restoreWeights(weights: readonly Float32Array[]): Promise<void>;
}

/** What is waited for before training goes on. */
type Answer = void | Promise<void>;

/** Every method may be left out, and may return a promise, which training waits for. */
export interface Callback {
  onTrainBegin?(context: TrainingContext): Answer;
  /** @param epoch from 0 */
  onEpochBegin?(epoch: number, context: TrainingContext): Answer;
  /** Before each step, or before each `stepsPerExecution` of them. */
  onBatchBegin?(batch: number, context: TrainingContext): Answer;
  /** After each step: a run that has such a callback comes back to JavaScript after every one. @param logs running means of this epoch */
  onBatchEnd?(batch: number, logs: Logs, context: TrainingContext): Answer;
  /** @param logs means of the epoch, and of validation as `val_…`; entries that are added appear in the history */
  onEpochEnd?(epoch: number, logs: Logs, context: TrainingContext): Answer;
  onTrainEnd?(logs: Logs, context: TrainingContext): Answer;
}
