/** Class numbers, as labels give them. */
import { GradstepError, optionError } from '../errors.js';
import { tensorOf, type TensorLike } from './tensor.js';

/** Labels as integers from 0; ERR_LABEL_RANGE names the first that is none, `end` is exclusive. */
export function classNumbers(labels: TensorLike, name: string, end = 2 ** 31): Int32Array {
  const { data } = tensorOf(labels, name);
  if (data.length === 0) throw optionError(name, 'at least one label', labels);
  const out = new Int32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const label = data[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= end) {
      const expected = end === 2 ** 31 ? 'an integer >= 0' : `an integer from 0 to ${end - 1}`;
      throw new GradstepError('ERR_LABEL_RANGE', `Expected ${expected} for ${name}[${i}] but received ${label}`);
    }
    out[i] = label;
  }
  return out;
}
