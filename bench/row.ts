/** What the bench measures: a row for each workload, implementation, variant and precision. */

/** A measurement, as it is written to JSON. */
export interface Row {
  workload: string;
  /** The library, its version and the mode. */
  implementation: string;
  /** Threads and whatever else was tried. */
  variant: string;
  device: string;
  precision: string;
  /** Median over chunks of steps that last some 100 ms. */
  ms_per_step: number;
  samples_per_s: number;
  /** Steps that were timed. */
  steps: number;
  /** Mean training loss of the workload's epoch `lossEpochs`; null where training as far would take too long. */
  loss: number | null;
  /** The most memory that the process held, data included, in 10⁶ bytes. */
  peak_mb: number;
  /** Time of a step at this machine's limits over the time taken. */
  share?: number;
}

/** What could not be measured, and why. */
export type Failure = Pick<Row, 'workload' | 'implementation' | 'variant' | 'device' | 'precision'> & { cannot: string };

export type Outcome = Row | Failure;

/**
 * How far from the reference a loss may lie, as a part of it. Two seeds differ by up to 6 % (resnet20; the others by 4 % at most);
 * cnn_mnist without its dropout is 10 % off.
 */
export const LOSS_TOLERANCE = 0.08;

export function isRow(outcome: Outcome): outcome is Row {
  return !('cannot' in outcome);
}

export function isOwn({ implementation }: Pick<Row, 'implementation'>): boolean {
  return implementation.startsWith('gradstep');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The loss that a workload's rows are compared with: the median of PyTorch's in float32, or of all rows where it has none. */
export function referenceLoss(rows: readonly Row[]): number | undefined {
  const compared = rows.filter((r) => r.loss !== null);
  const of = (list: readonly Row[]) => (list.length > 0 ? median(list.map((r) => r.loss!)) : undefined);
  return of(compared.filter((r) => r.implementation.startsWith('pytorch') && r.precision === 'float32')) ?? of(compared);
}

/** Whether a row trained the workload's network, by its loss; one that was too slow to tell did not show it. */
export function isTrusted({ loss }: Row, reference: number | undefined): boolean {
  return loss !== null && reference !== undefined && Math.abs(loss - reference) <= LOSS_TOLERANCE * reference;
}

/** The fastest row. */
export function fastest(rows: readonly Row[]): Row | undefined {
  return rows.reduce<Row | undefined>((best, row) => (best && best.ms_per_step <= row.ms_per_step ? best : row), undefined);
}

/** The fastest variant of each implementation in each precision, fastest first. */
export function bestVariants(rows: readonly Row[]): Row[] {
  const key = (r: Row): string => `${r.implementation} ${r.precision}`;
  const best = [...new Set(rows.map(key))].map((k) => fastest(rows.filter((r) => key(r) === k))!);
  return best.sort((a, b) => a.ms_per_step - b.ms_per_step);
}

/**
 * What the ratios of a workload's rows in a precision are relative to: the fastest other library that trained the right network. Who
 * may use bfloat16 may stay with float32, so in bfloat16 that is the fastest in either.
 */
export function bestPeer(rows: readonly Row[], precision: string): Row | undefined {
  const reference = referenceLoss(rows);
  const rivals = rows.filter((r) => !isOwn(r) && (r.precision === precision || r.precision === 'float32'));
  return fastest(rivals.filter((r) => isTrusted(r, reference)));
}
