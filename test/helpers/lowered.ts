/** Programs made of a few ops, for tests of what the compiler makes of them. */
import { assign, lower } from '../../lib/compile/lower.js';
import { align, bytesOf, type Instruction, type Program } from '../../lib/compile/program.js';
import type { DType } from '../../lib/graph/dtype.js';
import { Graph, type Value, type Variable } from '../../lib/graph/graph.js';
import type { Precision } from '../../lib/ops/precision.js';

export type ReadVariable = (name: string, shape: readonly number[], dtype?: DType) => Value;

/** Lowers what `build` makes of variables; each value that it returns is written to a variable, out0, out1, … */
export function lowerOn(backend: 'cpu' | 'cuda', build: (read: ReadVariable) => Value[], precision?: Precision): Program {
  const graph = new Graph();
  const variable = (name: string, shape: readonly number[], dtype: DType): Variable => ({ name, shape, dtype });
  const made = build((name, shape, dtype = 'float32') => graph.read(variable(name, shape, dtype)));
  made.forEach((value, i) => assign(variable(`out${i}`, value.shape, value.dtype), value));
  const offsets = new Map<Variable, number>();
  let end = 0;
  const offsetOf = (v: Variable): number => {
    const known = offsets.get(v);
    if (known !== undefined) return known;
    offsets.set(v, end);
    end += align(bytesOf(v.dtype, v.shape));
    return offsets.get(v)!;
  };
  return lower(graph, { name: 'test', backend, offsetOf, persistentBytes: () => end, precision });
}

/** The instructions of one op. */
export function named(program: Program, name: string): Instruction[] {
  return program.instructions.filter((i) => i.op.name === name);
}
