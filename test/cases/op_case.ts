/**
 * A case of the op-table walk: values in, a small graph over one op, and a float64 reference of what must come out.
 * The walk (test/op_table.spec.ts) runs each case on every backend, checks outputs against the reference and gradients
 * against central differences of the reference.
 */
import type { DType } from '../../lib/graph/dtype.js';
import type { Variable, Value } from '../../lib/graph/graph.js';

/** What an input holds: given numbers, or seeded random ones in a range. */
export interface CaseInput {
  shape: readonly number[];
  dtype?: DType;
  data?: readonly number[];
  /** Uniform in [low, high); the default is [−1, 1). Integers for integer types. */
  range?: readonly [number, number];
}

export type Numbers = Record<string, readonly number[]>;

export interface OpCase {
  name: string;
  inputs: Record<string, CaseInput>;
  /** Data sets by slot, for gather and scatter. */
  slots?: Record<number, { dtype: DType; rows: number; data: readonly number[] }>;
  /** Applies the op; the outputs to compare, by name. Mutated inputs are compared when the reference returns them. */
  build(values: Record<string, Value>, variables: Record<string, Variable>): Record<string, Value>;
  /**
   * The same in float64. Keys are outputs of `build`, mutated inputs, or `slot<k>`. Backends differ only in TF32, to which the
   * CPU rounds nothing.
   */
  reference(inputs: Numbers, backend: 'cpu' | 'cuda'): Numbers;
  /** Float inputs to differentiate by; all of them by default, none for ops without a derivative. */
  gradients?: readonly string[];
  /** Number of terms summed into one result: scales the absolute tolerance. */
  terms?: number;
  /** The largest operand of products, where that is more than about 1: how far off it may be what a library does not round. */
  largest?: number;
  /** Steps to run; 1 by default. */
  steps?: number;
  /**
   * Further runs in which these inputs and outputs are stored in bfloat16: the reference gets inputs that are rounded, and results
   * may be off by half of bfloat16's last bit more.
   */
  narrow?: readonly (readonly string[])[];
  /** The same on CUDA alone: where one op is there what several are on the CPU, which do not read or round as it does. */
  narrowOnCuda?: readonly (readonly string[])[];
  /** rtol where the default (1.3e-6) does not apply, with the reason in a comment. */
  rtol?: number;
}

/** `make`, which remembers the last few results: references are asked for differences, thousands of times about the same shapes. */
export function remembered<Args extends unknown[], T>(make: (...args: Args) => T): (...args: Args) => T {
  const known = new Map<string, T>();
  return (...args) => {
    const key = JSON.stringify(args);
    const found = known.get(key);
    if (found !== undefined) return found;
    if (known.size === 16) known.clear();
    const value = make(...args);
    known.set(key, value);
    return value;
  };
}

/** Every index of a shape, row-major. */
export const indices = remembered((shape: readonly number[]): readonly (readonly number[])[] => {
  const size = shape.reduce((n, d) => n * d, 1);
  return Array.from({ length: size }, (_, i) => {
    const index = new Array<number>(shape.length);
    for (let axis = shape.length - 1, left = i; axis >= 0; axis--) {
      index[axis] = left % shape[axis]!;
      left = Math.floor(left / shape[axis]!);
    }
    return index;
  });
});

/** Position of an index in row-major order. */
export function flat(shape: readonly number[], index: readonly number[]): number {
  let at = 0;
  for (let axis = 0; axis < shape.length; axis++) at = at * shape[axis]! + index[axis]!;
  return at;
}

export const STATE = { shape: [4], dtype: 'int32', data: [0, 0, 0, 0] } as const satisfies CaseInput;
export const FLAG = { shape: [4], dtype: 'int32', data: [0, 0, 0, 0] } as const satisfies CaseInput;
