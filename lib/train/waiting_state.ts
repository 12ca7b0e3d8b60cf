/**
 * State of training from a file that has no compile options, since its loss or a metric was a function of the user's own: it
 * waits for `compile`, which takes it up where training keeps the same for the same weights.
 */
import type { Shape } from '../graph/shape.js';
import { rateAt } from '../optimizers/optimizer.js';
import type { Compiled } from './compile_options.js';
import type { TrainingState } from './training_state.js';
import { ACCUMULATED, ModelMemory, type Trainables } from './memory.js';
import type { Network, PlacedWeight } from './network.js';
import type { ReportBlock } from './report.js';

/** What a state is of: the same where it goes on. */
export interface StateKind {
  /** What is kept for each weight that is trained. */
  readonly slots: readonly string[];
  /** The rate that training began with. */
  readonly learningRate: number;
}

export interface WaitingState {
  readonly kind: StateKind;
  /** The weights that were trained. */
  readonly trained: readonly PlacedWeight[];
  readonly training: TrainingState;
}

export function stateKind({ optimizer }: Compiled): StateKind {
  const { slots, common, learningRate } = optimizer;
  return { slots: [...slots, ...(common.useEma ? ['ema'] : [])], learningRate: rateAt(learningRate, 0) };
}

/** Names that the state has, as `slot/weight`, with their shapes; `optional` where a file may lack it. */
export function keptNames(slots: readonly string[], trained: readonly PlacedWeight[]) {
  return [...slots, ACCUMULATED].flatMap((slot) =>
    trained.map(({ name, shape }): { name: string; shape: Shape; optional: boolean } => ({
      name: `${slot}/${name}`,
      shape,
      optional: slot === ACCUMULATED,
    })),
  );
}

/** The report of training. */
export function reportOf(network: Network, compiled: Compiled, trainables: Trainables): ReportBlock {
  return new ModelMemory(network, compiled, trainables).training!.report;
}

/** Why what is compiled now cannot go on from a state; undefined where it can. */
export function differenceFrom(
  { kind, trained, training }: WaitingState,
  network: Network,
  compiled: Compiled,
  trainables: Trainables,
): string | undefined {
  const { slots } = stateKind(compiled);
  const list = (names: readonly string[]) => (names.length > 0 ? names.join(', ') : 'nothing');
  if (slots.join() !== kind.slots.join()) return `its optimizer keeps ${list(slots)} and the saved one ${list(kind.slots)}`;
  if (network.weights.some((w) => trainables.isTrained(w) !== trained.includes(w))) return 'other weights are trained';
  const { unfinished, step } = training;
  if (!unfinished) return undefined;
  const report = reportOf(network, compiled, trainables);
  const { length } = unfinished.report;
  const fits = length === report.range.bytes && report.parse(new Uint8Array(unfinished.report).buffer).step === step;
  return fits ? undefined : 'loss and metrics of the epoch that was not finished are other ones';
}

/** The state as training takes it up: a learning rate that callbacks came to stays, unless another one is given now. */
export function takenUp({ kind, training }: WaitingState, compiled: Compiled): TrainingState {
  const { learningRate } = stateKind(compiled);
  return learningRate === kind.learningRate ? training : { ...training, learningRate };
}
