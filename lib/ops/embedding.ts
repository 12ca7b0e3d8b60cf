/**
 * embedding: y[i] = table[indices[i]], rows of a table [vocabulary, width]. An index outside [0, vocabulary) reads as
 * zeros and, where the error flag is given, sets it to {code 4 + 256·place, row of the batch, index, step}; `place` (24 bits)
 * tells layers apart. With `tables` t the table is t of them, one behind the other, and each t-th part of the indices reads its own.
 * embeddingDx: the table's gradient, dense: dtable[t] = Σ dy[i] over the i with indices[i] = t, added up in an order that
 * depends on nothing but the indices; wrong indices add nothing.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sizeOf } from '../graph/shape.js';

export const embeddingOp = defineOp({
  name: 'embedding',
  inputs: {
    table: { dtypes: ['float32'] },
    indices: { dtypes: ['int32'] },
    state: { dtypes: ['int32'], optional: true },
    flag: { dtypes: ['int32'], mutated: true, optional: true },
  },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { place: { type: 'u32', default: 0 }, tables: { type: 'i32', default: 1 } },
  infer({ table, indices }, attrs) {
    const tables = attrs.tables as number;
    if (table!.shape.length !== 2) {
      throw new GradstepError('ERR_SHAPE', `Expected a table [vocabulary, width] but received ${formatShape(table!.shape)}`);
    }
    if (table!.shape[0]! % tables !== 0 || sizeOf(indices!.shape) % tables !== 0) {
      throw new GradstepError('ERR_INTERNAL', `${formatShape(indices!.shape)} indices are not ${tables} parts of equal size`);
    }
    return { y: { dtype: 'float32', shape: [...indices!.shape, table!.shape[1]!] } };
  },
  backward({ node, grads }) {
    const { table, indices } = node.inputs;
    const { tables } = node.attrs;
    const vocabulary = table!.shape[0]! / (tables as number);
    return {
      table: grads.y!.graph.add(embeddingDxOp, { dy: grads.y!, indices }, { vocabulary, tables: tables! }).outputs.dtable!,
    };
  },
});

export const embeddingDxOp = defineOp({
  name: 'embeddingDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] }, indices: { dtypes: ['int32'] } },
  outputs: { dtable: { dtypes: ['float32'], accumulate: true } },
  /** `vocabulary`: rows of one table. */
  attrs: { vocabulary: { type: 'i32' }, tables: { type: 'i32', default: 1 } },
  infer: ({ dy }, { vocabulary, tables }) => ({
    dtable: { dtype: 'float32', shape: [(vocabulary as number) * (tables as number), dy!.shape.at(-1)!] },
  }),
  // The rows of what arrives: looked up as the rows of the table were. Where indices are to be checked the way there did it.
  backward: ({ node, grads }) => ({
    dy: grads.dtable!.graph.add(
      embeddingOp,
      { table: grads.dtable, indices: node.inputs.indices },
      { tables: node.attrs.tables! },
    ).outputs.y!,
  }),
});

/** Rows of `table` [vocabulary, width] by number: indices [...] → [..., width]. `place` is told by the error flag. */
export function embedding(table: Value, indices: Value, state: Value, flag: Value, place = 0): Value {
  return table.graph.add(embeddingOp, { table, indices, state, flag }, { place }).outputs.y!;
}

/**
 * Rows of `tables` tables that lie one behind the other [tables · length, width], each read by as many of the indices [...] →
 * [..., width]. Zeros where there is none; where the graph runs in steps, its flag tells so with `place`.
 */
export function lookUpIn(table: Value, indices: Value, tables: number, place: number): Value {
  const { graph } = table;
  const { state, flag } = graph.step ?? {};
  const check = { state: state && graph.read(state), flag: flag && graph.read(flag) };
  return graph.add(embeddingOp, { table, indices, ...check }, { place, tables }).outputs.y!;
}

/** Sums of the rows of x [n, width] with the same number: indices [n] → [count, width]. Numbers outside count nowhere. */
export function addRows(x: Value, indices: Value, count: number): Value {
  return x.graph.add(embeddingDxOp, { dy: x, indices }, { vocabulary: count }).outputs.dtable!;
}
