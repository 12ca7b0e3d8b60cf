/**
 * How an epoch is cut into steps: which programs run how often, one after the other. Plain training updates after each
 * batch; with accumulation an update comes after several batches; full-batch descent makes one update from all rows.
 */
import type { Stretch } from '../runtime/session.js';
import type { BatchSpec } from './programs.js';

/** One program that runs a number of times. */
export interface PlannedStretch {
  readonly kind: 'train' | 'accumulate' | 'update';
  /** Rows that each step visits. */
  readonly rows: number;
  readonly share?: number;
  readonly steps: number;
}

export interface EpochShape {
  /** Rows visited. */
  readonly rows: number;
  readonly batchSize: number;
  /** Batches that one update sees; `all`: every row. */
  readonly batchesPerUpdate: number | 'all';
}

/** The stretches of an epoch. Gradients of batches that share an update are weighted by their rows: the mean is exact. */
export function planEpoch({ rows, batchSize, batchesPerUpdate }: EpochShape): PlannedStretch[] {
  const whole = Math.floor(rows / batchSize);
  const rest = rows % batchSize;
  if (batchesPerUpdate === 1) {
    return stretches([
      { kind: 'train', rows: batchSize, steps: whole },
      { kind: 'train', rows: rest, steps: rest > 0 ? 1 : 0 },
    ]);
  }
  const group = batchesPerUpdate === 'all' ? whole + 1 : batchesPerUpdate;
  const update: PlannedStretch = { kind: 'update', rows: 0, steps: 1 };
  const plan: PlannedStretch[] = [];
  for (let done = 0; done + group <= whole; done += group) {
    plan.push({ kind: 'accumulate', rows: batchSize, share: 1 / group, steps: group }, update);
  }
  const left = whole % group;
  const last = left * batchSize + rest;
  if (last === 0) return plan;
  return stretches([
    ...plan,
    { kind: 'accumulate', rows: batchSize, share: batchSize / last, steps: left },
    { kind: 'accumulate', rows: rest, share: rest / last, steps: rest > 0 ? 1 : 0 },
    update,
  ]);
}

function stretches(plan: readonly PlannedStretch[]): PlannedStretch[] {
  return plan.filter((s) => s.steps > 0);
}

/** Steps of a plan that were done when `rows` rows had been visited and `updates` updates made. */
export function stepsDone(plan: readonly PlannedStretch[], rows: number, updates: number): number {
  let [rowsLeft, updatesLeft, done] = [rows, updates, 0];
  for (const { kind, rows: each, steps } of plan) {
    const byRows = each === 0 ? Infinity : Math.floor(rowsLeft / each);
    const now = Math.min(steps, kind === 'accumulate' ? byRows : Math.min(byRows, updatesLeft));
    done += now;
    rowsLeft -= now * each;
    if (kind !== 'accumulate') updatesLeft -= now;
    if (now < steps) break;
  }
  return done;
}

/** Rows that the first `steps` steps of a plan visit. */
export function rowsAfter(plan: readonly PlannedStretch[], steps: number): number {
  let left = steps;
  return plan.reduce((rows, stretch) => {
    const now = Math.min(left, stretch.steps);
    left -= now;
    return rows + now * stretch.rows;
  }, 0);
}

/** The programs that a plan needs, each once, and for each stretch the number of its program. */
export function programsOf(
  plan: readonly PlannedStretch[],
  batch: Omit<BatchSpec, 'rows' | 'kind' | 'share'>,
): { specs: BatchSpec[]; numbers: number[] } {
  const specs: BatchSpec[] = [];
  const numbers = plan.map(({ kind, rows, share }) => {
    const known = specs.findIndex((s) => s.kind === kind && s.rows === rows && s.share === share);
    if (known >= 0) return known;
    const spec = { ...batch, kind, rows, ...(share !== undefined && { share }) };
    return specs.push(kind === 'update' ? { ...spec, x: [], y: [], shuffled: false } : spec) - 1;
  });
  return { specs, numbers };
}

/** What is left of stretches after so many steps. */
export function remaining<S extends Stretch>(stretches: readonly S[], steps: number): readonly S[] {
  let skip = steps;
  return stretches.flatMap((stretch) => {
    const left = Math.max(0, stretch.steps - skip);
    skip = Math.max(0, skip - stretch.steps);
    return left > 0 ? [{ ...stretch, steps: left }] : [];
  });
}
