/** Weights that make up for classes of different sizes. */
import { classNumbers } from './class_numbers.js';
import type { TensorLike } from './tensor.js';

/**
 * A weight for each class that occurs, for the option `classWeight` of `fit`: n / (k · n_c) for n labels of k classes, of which
 * n_c are of class c (the "balanced" weights of scikit-learn, after King & Zeng 2001). Over all labels they average 1.
 *
 * @param labels class numbers, [n] or [n, 1]. ERR_LABEL_RANGE for anything but integers from 0.
 */
export function classWeights(labels: TensorLike): Record<number, number> {
  const numbers = classNumbers(labels, 'data.classWeights.labels');
  const counts = new Map<number, number>();
  for (const label of numbers) counts.set(label, (counts.get(label) ?? 0) + 1);
  const classes = [...counts].sort(([a], [b]) => a - b);
  return Object.fromEntries(classes.map(([label, count]) => [label, numbers.length / (classes.length * count)]));
}
