/** `gs.utils.toCategorical`: labels in another form. */
import { integer } from '../options.js';
import { classNumbers } from './class_numbers.js';
import { allocate, Tensor, type TensorLike } from './tensor.js';

/**
 * Class numbers as one-hot rows: float32 [n, numClasses], 1 at the class and 0 elsewhere.
 *
 * @param labels integers from 0, [n] or [n, 1].
 * @param numClasses default the largest label + 1. ERR_LABEL_RANGE for labels outside, ERR_OOM where no array holds so many numbers.
 */
export function toCategorical(labels: TensorLike, numClasses?: number): Tensor<Float32Array> {
  const where = 'utils.toCategorical';
  const end = numClasses === undefined ? undefined : integer(1)(numClasses, `${where}.numClasses`);
  const numbers = classNumbers(labels, `${where}.labels`, end);
  const classes = end ?? numbers.reduce((most, label) => Math.max(most, label + 1), 1);
  const data = allocate('float32', numbers.length * classes);
  numbers.forEach((label, i) => (data[i * classes + label] = 1));
  return new Tensor(data, [numbers.length, classes]);
}
