/** Means and variances of columns, in float64. */
import type { TensorData } from '../../data/tensor.js';

/** Mean and variance of each of `columns` numbers that follow one another again and again. */
export function statistics(data: TensorData, columns: number): { mean: number[]; variance: number[] } {
  const rows = data.length / columns;
  const mean = Array.from({ length: columns }, () => 0);
  const variance = [...mean];
  data.forEach((v, i) => (mean[i % columns]! += v / rows));
  data.forEach((v, i) => (variance[i % columns]! += (v - mean[i % columns]!) ** 2 / rows));
  return { mean, variance };
}
