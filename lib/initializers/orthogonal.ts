/**
 * orthogonal (Saxe et al. 2014): the weight, viewed as a matrix of its last axis by everything before it, is a random
 * rotation: its shorter side's vectors have length `gain` and are perpendicular. They are those of a QR factorisation of a
 * matrix of normal numbers with a positive diagonal, which is evenly distributed over all rotations and mirrorings; the
 * factorisation itself is left out, since what a reflection leaves of normal vectors is normal again (Stewart 1980).
 */
import { GradstepError } from '../errors.js';
import { formatShape, sizeOf } from '../graph/shape.js';
import { checkOptions, number, optional, type SchemaOf } from '../options.js';
import type { RandomStream } from '../random.js';
import type { Initializer, Sampler } from './initializer.js';

export interface OrthogonalOptions {
  /** Length of the vectors. Default 1. */
  gain?: number;
}

const schema = { gain: optional(number(), 1) } satisfies SchemaOf<OrthogonalOptions>;

/** Vectors that are made at once: reflections are read once for all of them. */
const BATCH = 4;

function dot(a: Float64Array, b: Float64Array, from: number): number {
  let sum = 0;
  for (let i = from; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** v ← v − (u·v)u: the reflection at u, whose length is √2 and whose elements before `from` are 0. */
function reflect(v: Float64Array, u: Float64Array, from: number): void {
  const along = dot(u, v, from);
  for (let i = from; i < v.length; i++) v[i]! -= along * u[i]!;
}

/** The reflection at `last`, then the one at `first`, of four vectors at once; elements of both before `from` are 0. */
function reflectFour(vectors: readonly Float64Array[], last: Float64Array, first: Float64Array, from: number): void {
  const [a, b, c, d] = vectors as [Float64Array, Float64Array, Float64Array, Float64Array];
  const n = last.length;
  let a1 = 0;
  let b1 = 0;
  let c1 = 0;
  let d1 = 0;
  let a2 = 0;
  let b2 = 0;
  let c2 = 0;
  let d2 = 0;
  let both = 0;
  for (let i = from; i < n; i++) {
    const u1 = last[i]!;
    const u2 = first[i]!;
    const ai = a[i]!;
    const bi = b[i]!;
    const ci = c[i]!;
    const di = d[i]!;
    a1 += u1 * ai;
    b1 += u1 * bi;
    c1 += u1 * ci;
    d1 += u1 * di;
    a2 += u2 * ai;
    b2 += u2 * bi;
    c2 += u2 * ci;
    d2 += u2 * di;
    both += u1 * u2;
  }
  // What the second reflection meets has gone through the first.
  a2 -= both * a1;
  b2 -= both * b1;
  c2 -= both * c1;
  d2 -= both * d1;
  for (let i = from; i < n; i++) {
    const u1 = last[i]!;
    const u2 = first[i]!;
    a[i]! -= a1 * u1 + a2 * u2;
    b[i]! -= b1 * u1 + b2 * u2;
    c[i]! -= c1 * u1 + c2 * u2;
    d[i]! -= d1 * u1 + d2 * u2;
  }
}

/** Perpendicular vectors of length 1, made in order, a few at a time. */
class Rotation {
  readonly vectors: Float64Array[] = [];
  /** Reflection k has zeros before element k. */
  private readonly reflections: Float64Array[] = [];

  constructor(
    private readonly count: number,
    private readonly length: number,
  ) {}

  /** Makes the next few. Vector k is x/|x| behind k zeros, x normal, after the reflections k − 1, …, 0 of those before. */
  extend(random: RandomStream): void {
    const begin = this.vectors.length;
    const end = Math.min(begin + BATCH, this.count);
    for (let k = begin; k < end; k++) this.start(k, random);
    const batch = this.vectors.slice(begin, end);
    batch.forEach((v, i) => {
      for (let k = begin + i - 1; k >= begin; k--) reflect(v, this.reflections[k]!, k);
    });
    let k = begin - 1;
    for (; batch.length === BATCH && k >= 1; k -= 2) reflectFour(batch, this.reflections[k]!, this.reflections[k - 1]!, k - 1);
    for (; k >= 0; k--) for (const v of batch) reflect(v, this.reflections[k]!, k);
  }

  private start(k: number, random: RandomStream): void {
    const x = new Float64Array(this.length);
    for (let i = k; i < x.length; i++) x[i] = random.normal();
    const size = Math.sqrt(dot(x, x, k));
    this.vectors.push(x.map((v) => v / size));
    // The reflection that takes x to its first axis, on the side that does not cancel.
    x[k]! += x[k]! < 0 ? -size : size;
    const scale = Math.SQRT2 / Math.sqrt(dot(x, x, k));
    this.reflections.push(x.map((v) => v * scale));
  }
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
      const rotation = new Rotation(count, length);
      const { vectors } = rotation;
      let at = 0;
      const sample: Sampler = (random) => {
        const [row, column] = [Math.floor(at / columns), at % columns];
        at++;
        // Vectors are the rows where columns are not fewer, else the columns, all of which the first row needs.
        const [k, i] = rows <= columns ? [row, column] : [column, row];
        while (vectors.length <= k) rotation.extend(random);
        return config.gain * vectors[k]![i]!;
      };
      sample.prepare = async (random, pause) => {
        for (; vectors.length < count; await pause()) rotation.extend(random);
      };
      return sample;
    },
  };
}
