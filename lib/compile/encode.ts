/**
 * The binary form of a program, and the layout of each op's argument struct. The code generator prints the same layout
 * as C++ structs (with static_asserts), so both sides agree by construction; the hash of the op table travels with the
 * program and the binary, and they must match.
 *
 *   header: u32 magic, u32 format, u64 hash, u64 persistent bytes, u64 scratch bytes, u32 steps, u32 bytes of names
 *   step:   u32 op code, u32 bytes of arguments, arguments (a multiple of 8 bytes)
 *   names:  the scope of each step, UTF-8, separated by newlines
 */
import { createHash } from 'node:crypto';
import type { AttrSpec, AttrValue, OpDef, Tape } from '../graph/define_op.js';
import { DTYPES } from '../graph/dtype.js';
import { MAX_RANK } from '../graph/shape.js';
import { MAP_OUTPUTS, TAPE_CODE, TAPE_IMMEDIATES } from '../ops/map.js';
import { ARITIES } from '../ops/scalar_table.js';
import { OP_TABLE } from '../ops/table.js';
import type { Operand, Program } from './program.js';

export const MAGIC = 0x31505347; // "GSP1"
export const FORMAT = 1;
const HEADER_BYTES = 40;

/** Bytes of the native Tensor record: u32 region, u32 dtype, u64 offset, i32 rank, i32 dims[6], padding. */
export const TENSOR_BYTES = 48;
export const DIMS_BYTES = 4 + 4 * MAX_RANK;
export const TAPE_BYTES = 12 + 4 * TAPE_CODE + 4 * TAPE_IMMEDIATES + 4 * MAP_OUTPUTS;
const REGIONS = { persistent: 1, scratch: 2 } as const;

export type Field =
  | { kind: 'input'; name: string; offset: number }
  | { kind: 'output'; name: string; offset: number }
  | { kind: 'accumulate'; name: string; offset: number; output: string }
  | { kind: 'attr'; name: string; offset: number; spec: AttrSpec };

function attrBytes(spec: AttrSpec): number {
  return spec.type === 'dims' ? DIMS_BYTES : spec.type === 'tape' ? TAPE_BYTES : 4;
}

/** Fields of an op's argument struct in order: inputs, outputs, accumulate flags, attributes. */
export function structLayout(op: OpDef): { fields: Field[]; bytes: number } {
  const fields: Field[] = [];
  let offset = 0;
  const tensor = (kind: 'input' | 'output', name: string) => {
    fields.push({ name, kind, offset });
    offset += TENSOR_BYTES;
  };
  for (const name of Object.keys(op.inputs)) tensor('input', name);
  for (const name of Object.keys(op.outputs)) tensor('output', name);
  for (const [output, spec] of Object.entries(op.outputs)) {
    if (!spec.accumulate) continue;
    fields.push({ name: `accumulate_${output}`, kind: 'accumulate', output, offset });
    offset += 4;
  }
  for (const [name, spec] of Object.entries(op.attrs)) {
    fields.push({ name, kind: 'attr', spec, offset });
    offset += attrBytes(spec);
  }
  return { fields, bytes: Math.max(8, Math.ceil(offset / 8) * 8) };
}

let tableHash: string | undefined;

/** Sixteen hexadecimal digits that change whenever the op table does. */
export function opTableHash(): string {
  return (tableHash ??= computedHash());
}

function computedHash(): string {
  const table = OP_TABLE.map((op) => ({ name: op.name, ...structLayout(op), inputs: op.inputs, outputs: op.outputs }));
  const scalars = Object.entries(ARITIES);
  return createHash('sha256').update(JSON.stringify({ FORMAT, DTYPES, table, scalars })).digest('hex').slice(0, 16);
}

class Writer {
  constructor(private readonly view: DataView) {}

  u32(at: number, value: number): void {
    this.view.setUint32(at, value, true);
  }
  i32(at: number, value: number): void {
    this.view.setInt32(at, value, true);
  }
  f32(at: number, value: number): void {
    this.view.setFloat32(at, value, true);
  }
  u64(at: number, value: bigint): void {
    this.view.setBigUint64(at, value, true);
  }

  tensor(at: number, operand: Operand | undefined): void {
    if (!operand) return; // region 0: absent
    const { buffer, dtype, shape } = operand;
    this.u32(at, REGIONS[buffer.region]);
    this.u32(at + 4, DTYPES[dtype].code);
    this.u64(at + 8, BigInt(buffer.offset));
    this.dims(at + 16, shape);
  }

  dims(at: number, dims: readonly number[]): void {
    this.i32(at, dims.length);
    dims.forEach((d, i) => this.i32(at + 4 + 4 * i, d));
  }

  tape(at: number, { code, immediates, results }: Tape): void {
    this.i32(at, code.length);
    this.i32(at + 4, immediates.length);
    this.i32(at + 8, results.length);
    let to = at + 12;
    code.forEach((row, i) => row.forEach((c, j) => this.view.setUint8(to + 4 * i + j, c)));
    to += 4 * TAPE_CODE;
    immediates.forEach((v, i) => this.f32(to + 4 * i, v));
    to += 4 * TAPE_IMMEDIATES;
    results.forEach((r, i) => this.i32(to + 4 * i, r));
  }

  attr(at: number, spec: AttrSpec, value: AttrValue): void {
    switch (spec.type) {
      case 'i32':
        return this.i32(at, value as number);
      case 'u32':
        return this.u32(at, value as number);
      case 'f32':
        return this.f32(at, value as number);
      case 'enum':
        return this.i32(at, spec.values.indexOf(value as string));
      case 'dims':
        return this.dims(at, value as number[]);
      case 'tape':
        return this.tape(at, value as Tape);
    }
  }
}

const CODES = new Map(OP_TABLE.map((op, code) => [op, { code, layout: structLayout(op) }]));

export function encodeProgram(program: Program): Uint8Array {
  const entries = program.instructions.map((instruction) => ({ instruction, ...CODES.get(instruction.op)! }));
  const names = new TextEncoder().encode(program.instructions.map((i) => i.scope).join('\n'));
  const bytes = HEADER_BYTES + entries.reduce((n, e) => n + 8 + e.layout.bytes, 0) + names.length;
  const out = new Uint8Array(bytes);
  const w = new Writer(new DataView(out.buffer));
  w.u32(0, MAGIC);
  w.u32(4, FORMAT);
  w.u64(8, BigInt(`0x${opTableHash()}`));
  w.u64(16, BigInt(program.persistentBytes));
  w.u64(24, BigInt(program.scratchBytes));
  w.u32(32, entries.length);
  w.u32(36, names.length);
  let at = HEADER_BYTES;
  for (const { instruction, code, layout } of entries) {
    w.u32(at, code);
    w.u32(at + 4, layout.bytes);
    at += 8;
    for (const field of layout.fields) {
      const to = at + field.offset;
      if (field.kind === 'attr') w.attr(to, field.spec, instruction.attrs[field.name]!);
      else if (field.kind === 'accumulate') w.i32(to, instruction.accumulate.includes(field.output) ? 1 : 0);
      else w.tensor(to, (field.kind === 'input' ? instruction.inputs : instruction.outputs)[field.name]);
    }
    at += layout.bytes;
  }
  out.set(names, at);
  return out;
}
