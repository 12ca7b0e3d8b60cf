/** Arrays of any number of axes in float64, and what `gs.ops` does to them, by plain indices: a reference that shares nothing with it. */
import { sizeOf } from '../../lib/graph/shape.js';

export type Index = readonly number[];

export class Array64 {
  private readonly strides: readonly number[];

  constructor(
    readonly shape: readonly number[],
    readonly data: Float64Array,
  ) {
    this.strides = shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));
  }

  /** The element at an index, of as many axes or more: those in front, and axes of size 1, repeat. */
  at(index: Index): number {
    const skipped = index.length - this.shape.length;
    return this.data[this.shape.reduce((k, d, axis) => k + (d === 1 ? 0 : index[skipped + axis]! * this.strides[axis]!), 0)]!;
  }

  /** The same numbers under another shape. */
  as(shape: readonly number[]): Array64 {
    return new Array64(shape, this.data);
  }
}

/** Every index of a shape, in order; the same array each time. */
function* indices(shape: readonly number[]): Generator<number[]> {
  const index = shape.map(() => 0);
  for (let left = sizeOf(shape); left > 0; left--) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
}

/** An array whose elements follow from their indices. */
export function built(shape: readonly number[], element: (index: Index) => number): Array64 {
  const data = new Float64Array(sizeOf(shape));
  let k = 0;
  for (const index of indices(shape)) data[k++] = element(index);
  return new Array64(shape, data);
}

/** The shape that shapes broadcast to; undefined where they do not. */
export function broadcastShape(...shapes: readonly (readonly number[])[]): number[] | undefined {
  const axes = Math.max(...shapes.map((s) => s.length));
  const sizes = Array.from({ length: axes }, (_, axis) => new Set(shapes.map((s) => s[axis - axes + s.length] ?? 1)));
  if (sizes.some((all) => all.size > 2 || (all.size === 2 && !all.has(1)))) return undefined;
  return sizes.map((all) => Math.max(...all));
}

export function elementwise(fn: (...numbers: number[]) => number, ...arrays: readonly Array64[]): Array64 {
  return built(broadcastShape(...arrays.map((a) => a.shape))!, (index) => fn(...arrays.map((a) => a.at(index))));
}

/** Sums over axes, which stay with size 1. */
export function sums(x: Array64, axes: readonly number[]): Array64 {
  const over = x.shape.map((d, axis) => (axes.includes(axis) ? d : 1));
  const kept = x.shape.map((d, axis) => (axes.includes(axis) ? 1 : d));
  return built(kept, (index) => {
    let total = 0;
    for (const step of indices(over)) total += x.at(index.map((i, axis) => i + step[axis]!));
    return total;
  });
}

/** [..., m, k]·[..., k, n]. */
export function product(a: Array64, b: Array64): Array64 {
  const depth = a.shape.at(-1)!;
  const shape = [...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2))!, a.shape.at(-2)!, b.shape.at(-1)!];
  return built(shape, (index) => {
    const [batch, row, column] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    let total = 0;
    for (let k = 0; k < depth; k++) total += a.at([...batch, row, k]) * b.at([...batch, k, column]);
    return total;
  });
}

export function transposed(x: Array64, axes: readonly number[]): Array64 {
  return built(
    axes.map((a) => x.shape[a]!),
    (index) => x.at(x.shape.map((_, axis) => index[axes.indexOf(axis)]!)),
  );
}

export function sliced(x: Array64, begin: Index, size: readonly number[]): Array64 {
  // Axes of size 1 begin at 0, so that `at` repeats nothing else.
  return built(size, (index) => x.at(index.map((i, axis) => i + begin[axis]!)));
}

export function padded(x: Array64, paddings: readonly (readonly [number, number])[]): Array64 {
  const shape = x.shape.map((d, axis) => d + paddings[axis]![0] + paddings[axis]![1]);
  return built(shape, (index) => {
    const from = index.map((i, axis) => i - paddings[axis]![0]);
    return from.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? x.at(from) : 0;
  });
}

export function joined(parts: readonly Array64[], axis: number): Array64 {
  const shape = parts[0]!.shape.map((d, a) => (a === axis ? parts.reduce((n, p) => n + p.shape[axis]!, 0) : d));
  return built(shape, (index) => {
    let i = index[axis]!;
    let k = 0;
    while (i >= parts[k]!.shape[axis]!) i -= parts[k++]!.shape[axis]!;
    return parts[k]!.at(index.map((j, a) => (a === axis ? i : j)));
  });
}

/** Sums of what lies before an element along an axis (behind it in reverse), itself among them unless they are exclusive. */
export function runningSums(x: Array64, axis: number, { exclusive = false, reverse = false } = {}): Array64 {
  return built(x.shape, (index) => {
    let total = 0;
    for (let i = 0; i < x.shape[axis]!; i++) {
      const distance = reverse ? i - index[axis]! : index[axis]! - i;
      if (distance > 0 || (distance === 0 && !exclusive)) total += x.at(index.map((j, a) => (a === axis ? i : j)));
    }
    return total;
  });
}
