/**
 * A program is the flat form of a step: instructions over buffers at fixed addresses, in execution order. Two regions:
 * `persistent` (weights, state, sums; outlives steps) and `scratch` (planned by liveness, shared by a session's
 * programs). Printing one shows everything the executor will do.
 */
import type { AttrValue, OpDef, Tape } from '../graph/define_op.js';
import { DTYPES, SHORT_DTYPE, type DType } from '../graph/dtype.js';
import type { Variable } from '../graph/graph.js';
import { sizeOf, type Shape } from '../graph/shape.js';
import { IMMEDIATE, REGISTER } from '../ops/map.js';
import { ARITIES, SCALAR_NAMES } from '../ops/scalar_table.js';

export type Region = 'persistent' | 'scratch';

/** A piece of memory. Its address is given (a variable) or planned. */
export interface Buffer {
  readonly bytes: number;
  region: Region;
  /** Byte offset inside the region; −1 until planned. */
  offset: number;
  /** The variable it is, or whose memory a result is written to directly. */
  variable?: Variable;
}

/** A buffer seen as a tensor. */
export interface Operand {
  readonly buffer: Buffer;
  readonly dtype: DType;
  readonly shape: Shape;
}

export interface Instruction {
  readonly op: OpDef;
  inputs: Record<string, Operand>;
  outputs: Record<string, Operand>;
  attrs: Record<string, AttrValue>;
  /** Outputs that add to what their buffer holds. */
  accumulate: string[];
  readonly scope: string;
}

export interface Program {
  readonly name: string;
  readonly instructions: readonly Instruction[];
  readonly persistentBytes: number;
  readonly scratchBytes: number;
}

/** Every buffer starts at a multiple of this many bytes. */
export const ALIGNMENT = 64;

export function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

export function bytesOf(dtype: DType, shape: Shape): number {
  return sizeOf(shape) * DTYPES[dtype].bytes;
}

function printOperand({ buffer, dtype, shape }: Operand): string {
  const place = buffer.variable ? `%${buffer.variable.name}` : `@${buffer.offset}`;
  return `${SHORT_DTYPE[dtype]}[${shape.join(',')}]${place}`;
}

function printTape(tape: Tape): string {
  const operand = (code: number): string =>
    code >= IMMEDIATE ? String(tape.immediates[code - IMMEDIATE]) : code >= REGISTER ? `r${code - REGISTER}` : `in${code}`;
  const lines = tape.code.map(([fn, ...operands], i) => {
    const name = SCALAR_NAMES[fn]!;
    return `r${i}=${name}(${operands.slice(0, ARITIES[name]).map(operand).join(',')})`;
  });
  return `{${[...lines, ...tape.results.map((r, i) => `out${i}=${operand(r)}`)].join('; ')}}`;
}

function printAttr(name: string, value: AttrValue): string {
  if (typeof value === 'object' && 'code' in value) return printTape(value);
  return `${name}=${Array.isArray(value) ? `[${value.join(',')}]` : String(value)}`;
}

/** One line an instruction: number, op, outputs ← inputs, attributes that are not their default, scope. */
export function printProgram(program: Program): string {
  const lines = program.instructions.map((instruction, i) => {
    const { op, inputs, outputs, attrs, accumulate, scope } = instruction;
    const made = Object.entries(outputs).map(([n, o]) => `${n}:${printOperand(o)}${accumulate.includes(n) ? '+=' : ''}`);
    const read = Object.entries(inputs).map(([n, o]) => `${op.inputs[n]!.mutated ? '&' : ''}${n}:${printOperand(o)}`);
    const shown = Object.entries(attrs).flatMap(([n, v]) => {
      const spec = op.attrs[n]!;
      return spec.type === 'dims' || ('default' in spec && spec.default === v) ? [] : [printAttr(n, v)];
    });
    const left = `${String(i).padStart(3)}  ${op.name.padEnd(22)}${made.join(' ')} ← ${read.join(' ')}`;
    return `${left}${shown.length ? `  ${shown.join(' ')}` : ''}${scope ? `  (${scope})` : ''}`;
  });
  const head = `program ${program.name}: ${program.instructions.length} instructions, scratch ${program.scratchBytes} bytes`;
  return [head, ...lines].join('\n');
}
