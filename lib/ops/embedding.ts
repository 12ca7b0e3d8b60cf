/**
 * embedding: y[i] = table[indices[i]], rows of a table [vocabulary, width]. An index outside [0, vocabulary) reads as
 * zeros and sets the error flag {code 4 + 256·place, row of the batch, index, step}; `place` (24 bits) tells layers apart.
 * embeddingDx: the table's gradient, dense: dtable[t] = Σ dy[i] over the i with indices[i] = t, added up in an order that
 * depends on nothing but the indices; wrong indices add nothing.
 */
import { GradstepError } from '../errors.js';
import { defineOp } from '../graph/define_op.js';
import type { Value } from '../graph/graph.js';
import { formatShape } from '../graph/shape.js';

export const embeddingOp = defineOp({
  name: 'embedding',
  inputs: {
    table: { dtypes: ['float32'] },
    indices: { dtypes: ['int32'] },
    state: { dtypes: ['int32'] },
    flag: { dtypes: ['int32'], mutated: true },
  },
  outputs: { y: { dtypes: ['float32', 'bfloat16'] } },
  attrs: { place: { type: 'u32', default: 0 } },
  infer({ table, indices }) {
    if (table!.shape.length !== 2) {
      throw new GradstepError('ERR_SHAPE', `Expected a table [vocabulary, width] but received ${formatShape(table!.shape)}`);
    }
    return { y: { dtype: 'float32', shape: [...indices!.shape, table!.shape[1]!] } };
  },
  backward({ node, grads }) {
    const { table, indices } = node.inputs;
    const vocabulary = table!.shape[0]!;
    return { table: grads.y!.graph.add(embeddingDxOp, { dy: grads.y!, indices }, { vocabulary }).outputs.dtable! };
  },
});

export const embeddingDxOp = defineOp({
  name: 'embeddingDx',
  inputs: { dy: { dtypes: ['float32', 'bfloat16'] }, indices: { dtypes: ['int32'] } },
  outputs: { dtable: { dtypes: ['float32'], accumulate: true } },
  attrs: { vocabulary: { type: 'i32' } },
  infer: ({ dy }, attrs) => ({ dtable: { dtype: 'float32', shape: [attrs.vocabulary as number, dy!.shape.at(-1)!] } }),
  // The rows of what arrives: looked up as the rows of the table were, with the same check of the indices.
  backward({ node, grads }) {
    const { indices } = node.inputs;
    const { graph } = indices!;
    const lookUp = graph.nodes.find(({ op, inputs }) => op === embeddingOp && inputs.indices === indices);
    if (!lookUp) throw new GradstepError('ERR_INTERNAL', 'embeddingDx is the derivative of an embedding of the same indices');
    return { dy: graph.add(embeddingOp, { ...lookUp.inputs, table: grads.dtable }, lookUp.attrs).outputs.y! };
  },
});

/** Rows of `table` [vocabulary, width] by number: indices [...] → [..., width]. `place` is told by the error flag. */
export function embedding(table: Value, indices: Value, state: Value, flag: Value, place = 0): Value {
  return table.graph.add(embeddingOp, { table, indices, state, flag }, { place }).outputs.y!;
}
