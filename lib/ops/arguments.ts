/** Checks of what functions of `gs.ops` are given. */
import { GradstepError, optionError } from '../errors.js';
import { Value } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';

/** ERR_OPTION unless it is a value. */
export function value(what: string, x: unknown, expected = 'value'): Value {
  if (x instanceof Value) return x;
  if (typeof (x as { read?: unknown } | null | undefined)?.read === 'function') {
    throw new GradstepError(
      'ERR_OPTION',
      `Expected a value for ${what} but received a variable: its value is what read() returns`,
    );
  }
  throw optionError(what, expected, x);
}

/** An axis of a value of this rank, counted from the front; ERR_OPTION where there is none. */
export function axisOf(what: string, axis: unknown, rank: number): number {
  if (typeof axis !== 'number' || !Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw optionError(what, rank === 0 ? 'no axis, the value is a scalar,' : `integer from ${-rank} to ${rank - 1}`, axis);
  }
  return axis < 0 ? axis + rank : axis;
}

/** Axes of a value of this rank, all by default, counted from the front, each once; ERR_SHAPE where there is none. */
export function axesOver(rank: number, axes?: readonly number[]): Set<number> {
  const over = new Set((axes ?? Array.from({ length: rank }, (_, i) => i)).map((a) => (a < 0 ? a + rank : a)));
  for (const axis of over) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= rank) {
      throw new GradstepError('ERR_SHAPE', `Axis ${axis} is outside a value of rank ${rank}`);
    }
  }
  return over;
}

export function integers(
  what: string,
  list: unknown,
  count: number,
  accepts: (n: number, i: number) => boolean,
  expected: string,
): number[] {
  const all: unknown[] = Array.isArray(list) ? [...list] : [];
  const valid =
    Array.isArray(list) && all.length === count && all.every((n, i) => Number.isInteger(n) && accepts(n as number, i));
  if (!valid) throw optionError(what, expected, list);
  return all as number[];
}

export function list(what: string, values: unknown): Value[] {
  if (!Array.isArray(values) || values.length === 0) throw optionError(what, 'array of values', values);
  return [...values].map((v, i) => value(`${what}[${i}]`, v));
}

/** The value, of floats; ERR_DTYPE of anything else. */
export function floats(what: string, x: unknown): Value {
  const given = value(what, x);
  if (given.dtype === 'float32') return given;
  throw new GradstepError('ERR_DTYPE', `Expected float32 for ${what} but received ${given.dtype}`);
}

/** ERR_SHAPE where there is no last axis. */
export function lastAxis(what: string, shape: Shape): void {
  if (shape.length === 0) throw new GradstepError('ERR_SHAPE', `Expected a value with an axis for ${what} but received a scalar`);
}
