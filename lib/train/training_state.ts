/** What training has come to: what one engine takes up from another, and checkpoints keep. */
import type { NativeChoices } from '../../binding.js';
import type { Carried } from './carried.js';

/** A pass over the data of training: its number, which keys the order of rows, and the steps and updates made before it. */
export interface DataPass {
  readonly key: number;
  readonly start: number;
  readonly updates: number;
}

/** What lies of a pass in one epoch: the steps and updates made before it. */
export interface PassPart {
  readonly pass: DataPass;
  readonly step: number;
  readonly updates: number;
}

/** What training has come to, apart from the weights: what a checkpoint restores. */
export interface TrainingState {
  readonly step: number;
  /** Epochs begun. */
  readonly epochs: number;
  readonly learningRate: number;
  /** Where training stopped in the middle of an epoch: the step that the epoch began at, and the report so far. */
  readonly unfinished?: { readonly epochStart: number; readonly updatesBefore: number; readonly report: Uint8Array };
  /** The pass over the data that training is in, or that ended last. */
  readonly pass?: DataPass;
  /** Updates of the parameters: fewer than steps where several batches make one. */
  readonly updates: number;
  /** Optimizer state by `slot/weight`; also the moving average of the weights and gradients added up so far. */
  readonly slots: ReadonlyMap<string, Float32Array>;
  /** What stateful layers carry over, by `layer/role`; absent before the first batch. */
  readonly carried?: ReadonlyMap<string, Carried>;
  /** What was chosen by measuring; absent where nothing was. */
  readonly choices?: NativeChoices;
}

/** Weights in the network's order, and the state of training, of one moment. */
export interface Snapshot {
  readonly weights: readonly Float32Array[];
  readonly training: TrainingState | undefined;
}

/** Training as it was, but for what stateful layers carry over. */
export function withoutCarried({ carried: _, ...rest }: TrainingState): TrainingState {
  return rest;
}
