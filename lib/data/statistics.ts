/** Means and variances of data, for the layer `normalization`: what Keras's layer learns in `adapt`. */
import { GradstepError } from '../errors.js';
import { tensorOf, type Tensor, type TensorLike } from './tensor.js';

/** Options of `gs.layers.normalization` with the same axis, −1. */
export interface Statistics {
  readonly mean: number[];
  /** Of the whole: the squares are divided by the number of values, as the layer and Keras have it. */
  readonly variance: number[];
}

/**
 * Mean and variance of each position along the last axis over all the others: of a table [rows, columns] those of each column, of
 * images [rows, height, width, channels] those of each channel; of [rows] one mean and one variance. In float64, in two passes.
 * Take them from the training rows alone: `gs.layers.normalization(gs.data.statistics(train.x))`.
 *
 * ERR_DATA where a value is NaN or infinite, or there are none.
 */
export function statistics(data: TensorLike): Statistics {
  const name = 'data.statistics';
  return statisticsOf(tensorOf(data, name), name);
}

/** The same; errors name the data `name`. */
export function statisticsOf({ data: values, shape }: Tensor, name: string): Statistics {
  const columns = shape.length < 2 ? 1 : shape.at(-1)!;
  const rows = values.length / columns;
  if (values.length === 0) throw new GradstepError('ERR_DATA', `Expected at least one row for ${name} but received none`);
  const sums = new Float64Array(columns);
  for (let i = 0, c = 0; i < values.length; i++, c = c + 1 === columns ? 0 : c + 1) {
    if (!Number.isFinite(values[i])) {
      const row = Math.floor(i / (values.length / (shape[0] ?? 1)));
      throw new GradstepError('ERR_DATA', `Expected finite numbers for ${name} but received ${values[i]} in row ${row}`);
    }
    sums[c]! += values[i]!;
  }
  const mean = Array.from(sums, (sum) => sum / rows);
  const squares = new Float64Array(columns);
  for (let i = 0, c = 0; i < values.length; i++, c = c + 1 === columns ? 0 : c + 1) squares[c]! += (values[i]! - mean[c]!) ** 2;
  return { mean, variance: Array.from(squares, (sum) => sum / rows) };
}
