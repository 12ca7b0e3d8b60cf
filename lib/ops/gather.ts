/**
 * gather: the next batch. y[i] = data[index[cursor + i]], rows of the data set in slot `slot`, cast to y's dtype (never
 * scaled); `indexSlot` −1 reads rows in order. The cursor is state[1]. scatter writes x's rows to slot `slot` at the
 * cursor. advance ends a step: state[0] (the step) += steps, state[1] += rows, updates[0] += steps that moved the parameters, unless a
 * flag stopped them; a fault that the updates found (see update_inputs.ts) sets flag {code 6, position, 0, step} and is 0 again. A row outside the data sets flag {code 3, row}.
 */
import { defineOp } from '../graph/define_op.js';
import type { DType } from '../graph/dtype.js';
import type { Graph, Value } from '../graph/graph.js';

export const gatherOp = defineOp({
  name: 'gather',
  effect: true,
  inputs: { state: { dtypes: ['int32'] }, flag: { dtypes: ['int32'], mutated: true } },
  outputs: { y: { dtypes: ['float32', 'int32', 'bfloat16'] } },
  attrs: {
    slot: { type: 'i32' },
    indexSlot: { type: 'i32', default: -1 },
    source: { type: 'enum', values: ['float32', 'int32', 'uint8'] },
    dtype: { type: 'enum', values: ['float32', 'int32'] },
    shape: { type: 'dims' },
  },
  infer: (_inputs, attrs) => ({ y: { dtype: attrs.dtype as DType, shape: attrs.shape as number[] } }),
});

export const scatterOp = defineOp({
  name: 'scatter',
  effect: true,
  inputs: { x: { dtypes: ['float32'] }, state: { dtypes: ['int32'] }, flag: { dtypes: ['int32'], mutated: true } },
  outputs: {},
  attrs: { slot: { type: 'i32' } },
  infer: () => ({}),
});

export const advanceOp = defineOp({
  name: 'advance',
  inputs: {
    state: { dtypes: ['int32'], mutated: true },
    updates: { dtypes: ['int32'], mutated: true, optional: true },
    fault: { dtypes: ['int32'], mutated: true, optional: true },
    flag: { dtypes: ['int32'], mutated: true, optional: true },
  },
  outputs: {},
  attrs: { steps: { type: 'i32' }, rows: { type: 'i32' }, moves: { type: 'i32', default: 0 } },
  infer: () => ({}),
});

/** Where a batch comes from. */
export interface BatchSource {
  slot: number;
  /** Slot of the int32 row order, or −1. */
  indexSlot: number;
  /** Element type of the data set. */
  source: DType;
  /** Element type wanted. */
  dtype: 'float32' | 'int32';
  /** [rows, …]. */
  shape: readonly number[];
}

export function gather(graph: Graph, from: BatchSource, state: Value, flag: Value): Value {
  return graph.add(gatherOp, { state, flag }, { ...from }).outputs.y!;
}

export function scatter(x: Value, slot: number, state: Value, flag: Value): void {
  x.graph.add(scatterOp, { x, state, flag }, { slot });
}

export interface AdvanceOptions {
  /** Counts updates of the parameters, of which the step made `moves` unless the flag is set. */
  readonly updates?: Value;
  /** Default 0. */
  readonly moves?: number;
  /** What the step's updates found, which becomes the flag. */
  readonly fault?: Value | undefined;
}

export function advance(state: Value, steps: number, rows: number): void;
export function advance(state: Value, steps: number, rows: number, flag: Value, options: AdvanceOptions): void;
export function advance(state: Value, steps: number, rows: number, flag?: Value, options: AdvanceOptions = {}): void {
  const { updates, moves = 0, fault } = options;
  state.graph.add(advanceOp, { state, updates, fault, flag }, { steps, rows, moves });
}
