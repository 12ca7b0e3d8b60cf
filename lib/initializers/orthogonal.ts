/**
 * orthogonal (Saxe et al. 2014): the weight, viewed as a matrix of its last axis by everything before it, is a random
 * rotation: its shorter side's vectors have length `gain` and are perpendicular. Made by Gram-Schmidt from normal vectors,
 * each projected twice, which is exact to rounding (Giraud et al. 2005) and evenly distributed over all rotations.
 */
import { GradstepError } from '../errors.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import type { RandomStream } from '../random.js';
import type { Initializer } from './initializer.js';

export interface OrthogonalOptions {
  /** Length of the vectors. Default 1. */
  gain?: number;
}

const schema = { gain: optional(number(), 1) } satisfies SchemaOf<OrthogonalOptions>;

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** A vector of length 1 perpendicular to all of `others`, in a random direction. */
function perpendicular(others: readonly Float64Array[], length: number, random: RandomStream): Float64Array {
  const v = Float64Array.from({ length }, () => random.normal());
  for (let pass = 0; pass < 2; pass++) {
    for (const other of others) {
      const part = dot(v, other);
      for (let i = 0; i < length; i++) v[i]! -= part * other[i]!;
    }
  }
  const size = Math.sqrt(dot(v, v));
  return v.map((x) => x / size);
}

/** A random rotation times `gain`; ERR_SHAPE for weights of fewer than two axes. */
export function orthogonal(options?: OrthogonalOptions): Initializer {
  const config = checkOptions('initializers.orthogonal', options, schema);
  return {
    name: 'orthogonal',
    config,
    sampler(shape) {
      if (shape.length < 2) {
        throw new GradstepError('ERR_SHAPE', `initializers.orthogonal fills weights [..., in, out], not ${formatShape(shape)}`);
      }
      const columns = shape.at(-1)!;
      const rows = sizeOf(shape) / columns;
      const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
      const vectors: Float64Array[] = [];
      let at = 0;
      return (random) => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        at++;
        // Vectors are the rows where columns are not fewer, made as they are reached; else the columns, made with the first row.
        const [k, i] = rows <= columns ? [row, column] : [column, row];
        if (k === vectors.length && k < count) vectors.push(perpendicular(vectors, length, random));
        return config.gain * vectors[k]![i]!;
      };
    },
  };
}
