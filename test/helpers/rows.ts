/** Rows of three numbers, a label that follows from them, and a weight each: what tests of fitting train on. */
import * as gs from '../../lib/index.js';

export function weightedRows(rows: number): Record<'x' | 'y' | 'weights', gs.Tensor> {
  const x = Float32Array.from({ length: rows * 3 }, (_, i) => Math.sin(i * 1.7));
  const y = Float32Array.from({ length: rows }, (_, i) => x[3 * i]! - 2 * x[3 * i + 1]!);
  const weights = Float32Array.from({ length: rows }, (_, i) => (i % 3) / 2);
  return { x: gs.tensor(x, [rows, 3]), y: gs.tensor(y, [rows, 1]), weights: gs.tensor(weights, [rows]) };
}
