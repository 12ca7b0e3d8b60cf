/** Shapes are arrays of non-negative integers, row-major, channels last. Broadcasting is NumPy's. */
import { GradstepError } from '../errors.js';

export type Shape = readonly number[];

/** A shape whose axes may be of a size that is not known: null. */
export type PartialShape = readonly (number | null)[];

/** The largest rank a value may have; the native tensor record has room for this many dimensions. */
export const MAX_RANK = 6;

/** The largest size of an axis: kernels count along one in 32 bits. */
export const MAX_SIZE = 0x7fffffff;

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  return shape.reduce((n, d) => n * d, 1);
}

export function sameShape(a: PartialShape, b: PartialShape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** Whether every size is known. */
export function isKnown(shape: PartialShape): shape is Shape {
  return !shape.includes(null);
}

/** Whether a shape is the wanted one in all that is known of that; what is not known is not 0. */
export function fitsShape(shape: PartialShape, wanted: PartialShape): boolean {
  return shape.length === wanted.length && wanted.every((d, i) => (d === null ? shape[i] !== 0 : d === shape[i]));
}

/** `[32, 784]`; an unknown dimension (null) prints as `?`. */
export function formatShape(shape: PartialShape): string {
  return `[${shape.map((d) => d ?? '?').join(', ')}]`;
}

/** The shape two or more shapes broadcast to; ERR_SHAPE when they do not. */
export function broadcastShapes(...shapes: Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    for (let i = 0; i < shape.length; i++) {
      const at = rank - shape.length + i;
      const d = shape[i]!;
      if (d === 1) continue;
      if (out[at] !== 1 && out[at] !== d) {
        throw new GradstepError('ERR_SHAPE', `Shapes ${shapes.map(formatShape).join(' and ')} do not broadcast together`);
      }
      out[at] = d;
    }
  }
  return out;
}
