/** Training under diagnostics, and numbers to train on. */
import * as gs from '../../lib/index.js';

const { diagnostics } = gs.callbacks;

export type DiagnosticsReport = gs.callbacks.DiagnosticsReport;

/** Trains and returns the reports. */
export async function watched(
  model: gs.Model,
  x: gs.DataLike,
  y: gs.DataLike,
  fit: gs.FitOptions,
  options: gs.callbacks.DiagnosticsOptions = {},
): Promise<DiagnosticsReport[]> {
  const reports: DiagnosticsReport[] = [];
  await model.fit(x, y, {
    ...fit,
    callbacks: [...(fit.callbacks ?? []), diagnostics({ every: 1, onReport: (r) => void reports.push(r), ...options })],
  });
  return reports;
}

/** A fixed sequence of numbers in (−1, 1). */
export function numbers(count: number, seed = 1): number[] {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}
