/**
 * What the programs of a test run have exercised of the op table: ops, attribute values, dtypes of every tensor,
 * optional tensors present and absent, outputs overwritten and accumulated. `missing` lists what no case has touched.
 */
import type { Program } from '../../lib/compile/program.js';
import { SCALAR_NAMES } from '../../lib/ops/scalar_table.js';
import { OP_TABLE } from '../../lib/ops/table.js';
import type { Tape } from '../../lib/graph/define_op.js';

export class Coverage {
  private readonly seen = new Set<string>();

  add(program: Program): void {
    for (const { op, inputs, outputs, attrs, accumulate } of program.instructions) {
      this.seen.add(op.name);
      for (const [name, spec] of Object.entries({ ...op.inputs, ...op.outputs })) {
        const operand = inputs[name] ?? outputs[name];
        if (operand) this.seen.add(`${op.name}.${name}:${operand.dtype}`);
        if (spec.optional) this.seen.add(`${op.name}.${name} ${operand ? 'present' : 'absent'}`);
      }
      for (const name of Object.keys(op.outputs)) {
        if (op.outputs[name]!.accumulate)
          this.seen.add(`${op.name}.${name} ${accumulate.includes(name) ? 'adds' : 'overwrites'}`);
      }
      for (const [name, spec] of Object.entries(op.attrs)) {
        if (spec.type === 'enum') this.seen.add(`${op.name}.${name}=${String(attrs[name])}`);
        if (spec.type === 'tape') for (const [fn] of (attrs[name] as Tape).code) this.seen.add(`${op.name}:${SCALAR_NAMES[fn]}`);
      }
    }
  }

  missing(backend: 'cpu' | 'cuda'): string[] {
    const wanted = OP_TABLE.filter((op) => op.backends.includes(backend)).flatMap((op) => [
      op.name,
      ...Object.entries({ ...op.inputs, ...op.outputs }).flatMap(([name, spec]) => [
        ...spec.dtypes.map((d) => `${op.name}.${name}:${d}`),
        ...(spec.optional ? [`${op.name}.${name} present`, `${op.name}.${name} absent`] : []),
      ]),
      ...Object.entries(op.outputs).flatMap(([name, o]) =>
        o.accumulate ? [`${op.name}.${name} adds`, `${op.name}.${name} overwrites`] : [],
      ),
      ...Object.entries(op.attrs).flatMap(([name, spec]) => {
        if (spec.type === 'enum') return spec.values.map((v) => `${op.name}.${name}=${v}`);
        return spec.type === 'tape' ? SCALAR_NAMES.map((s) => `${op.name}:${s}`) : [];
      }),
    ]);
    return wanted.filter((w) => !this.seen.has(w)).filter((w) => !UNREACHABLE.has(w));
  }
}

/** Combinations the table declares for uniformity and no graph can make: a map always has its first output. */
const UNREACHABLE = new Set(['map.out0 absent']);
