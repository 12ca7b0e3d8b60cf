/** `gs.utils.padSequences`: sequences of several lengths as one tensor, as Keras's `keras.utils.pad_sequences` makes it. */
import { GradstepError, optionError } from '../errors.js';
import { formatShape, sameShape, sizeOf } from '../graph/shape.js';
import { checkOptions, float32, integer, oneOf, optional, type SchemaOf } from '../options.js';
import { filledWith } from './padded.js';
import { isTensorLike } from './structure.js';
import { Tensor, tensor, type DataType, type TensorLike } from './tensor.js';

export interface PadSequencesOptions {
  /** Length of each sequence in the result, integer > 0. Default: that of the longest. */
  maxlen?: number;
  /** Default `int32`; numbers lose what is behind the point there. ERR_OPTION where it does not hold one. */
  dtype?: DataType;
  /** Whether shorter sequences are filled before their first step or after their last. Default `pre`. */
  padding?: 'pre' | 'post';
  /** Whether longer sequences lose their first steps or their last ones. Default `pre`. */
  truncating?: 'pre' | 'post';
  /** What fills. Default 0. */
  value?: number;
}

const schema = {
  maxlen: optional(integer(1), undefined),
  dtype: optional(oneOf(['float32', 'int32', 'uint8']), 'int32' as const),
  padding: optional(oneOf(['pre', 'post']), 'pre' as const),
  truncating: optional(oneOf(['pre', 'post']), 'pre' as const),
  value: optional(float32(), 0),
} satisfies SchemaOf<PadSequencesOptions>;

const where = 'utils.padSequences';

function sequencesOf(given: unknown): Tensor[] {
  if (!Array.isArray(given) || given.length === 0) throw optionError(`${where}.sequences`, 'array of sequences', given);
  return [...given].map((sequence: unknown, i) => {
    const isEmpty = Array.isArray(sequence) && sequence.length === 0;
    if (isEmpty) return new Tensor(new Float32Array(0), [0]);
    const steps = sequence instanceof Tensor ? sequence : isTensorLike(sequence) ? tensor(sequence as number[]) : undefined;
    if (!steps || steps.shape.length === 0) throw optionError(`${where}.sequences[${i}]`, 'numbers in arrays', sequence);
    return steps;
  });
}

/**
 * Sequences [steps, …], of any lengths, as one tensor [sequences, maxlen, …]. The embedding's `maskZero` and the layer `masking` leave
 * what was filled out of what follows.
 *
 * @param sequences arrays of numbers, typed arrays, tensors, or arrays of steps. ERR_SHAPE where steps are of different shapes.
 */
export function padSequences(sequences: readonly TensorLike[], options?: PadSequencesOptions): Tensor {
  const { maxlen, dtype, padding, truncating, value } = checkOptions(where, options, schema);
  const all = sequencesOf(sequences);
  const step = all.find(({ shape }) => shape[0]! > 0)?.shape.slice(1) ?? [];
  const longest = maxlen ?? Math.max(...all.map(({ shape }) => shape[0]!));
  const size = sizeOf(step);
  const data = filledWith(value, dtype, all.length * longest * size, `${where}.value`);
  all.forEach(({ shape, data: numbers }, i) => {
    const length = shape[0]!;
    if (length === 0) return;
    if (!sameShape(shape.slice(1), step)) {
      const received = formatShape(shape.slice(1));
      throw new GradstepError(
        'ERR_SHAPE',
        `Expected steps of shape ${formatShape(step)} in sequence ${i} but received ${received}`,
      );
    }
    const kept = Math.min(length, longest);
    const from = truncating === 'pre' ? length - kept : 0;
    const at = i * longest + (padding === 'pre' ? longest - kept : 0);
    const given = numbers.subarray(from * size, (from + kept) * size);
    data.set(given, at * size);
    if (dtype === 'float32') return;
    const lost = given.findIndex((v, k) => Math.trunc(v) !== data[at * size + k]);
    if (lost >= 0) throw optionError(`${where}.sequences[${i}]`, `numbers that ${dtype} holds`, given[lost]);
  });
  return new Tensor(data, [all.length, longest, ...step]);
}
