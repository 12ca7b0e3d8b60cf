/**
 * Every row of the last axis times one kernel: what dense and recurrent layers begin with. Rows that were looked up in a table
 * with far fewer rows are products of the table looked up: the same numbers for a fraction of the work, and the kernel's
 * gradient sums over the table's rows.
 */
import { sizeOf } from '../graph/shape.js';
import type { Value } from '../graph/graph.js';
import { embedding, embeddingOp } from './embedding.js';
import { matmul } from './matmul.js';
import { reshape } from './reshape.js';

/** Looking up costs passes over memory too: it pays where a table's row is looked up so many times in the mean. */
const LOOK_UPS = 4;

/** x [..., in] times kernel [in, n], plus bias [n]: [..., n]. */
export function rowProducts(x: Value, kernel: Value, bias?: Value): Value {
  const [features, units] = kernel.shape as [number, number];
  const rows = sizeOf(x.shape) / features;
  const { node } = x;
  if (node?.op === embeddingOp && rows >= LOOK_UPS * node.inputs.table!.shape[0]!) {
    const { table, indices, state, flag } = node.inputs as Record<string, Value>;
    return embedding(matmul(table!, kernel, false, false, bias), indices!, state!, flag!, node.attrs.place as number);
  }
  const y = matmul(reshape(x, [rows, features]), kernel, false, false, bias);
  return reshape(y, [...x.shape.slice(0, -1), units]);
}
