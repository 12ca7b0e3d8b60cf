/**
 * Where variables lie in a session's persistent region. A block holds tensors one after the other, each at a multiple of
 * 64 bytes, and is itself a float32 variable that spans them and the gaps; blocks that mirror one another (parameters,
 * gradients, optimizer state) have the same gaps, so one kernel can walk them side by side.
 */
import { align, bytesOf } from '../compile/program.js';
import { GradstepError } from '../errors.js';
import type { DType } from '../graph/dtype.js';
import type { Variable } from '../graph/graph.js';
import type { Shape } from '../graph/shape.js';
import type { Range } from './session.js';

export interface Block {
  /** All of the block as one float32 vector, gaps included. */
  readonly whole: Variable;
  readonly members: readonly Variable[];
  /** Byte offset of each member inside the block. */
  readonly offsets: readonly number[];
}

/** A tensor of a block to be. */
export interface Member {
  readonly name: string;
  readonly shape: Shape;
}

/** Byte offset of each member inside its block, and the block's size: at least one tensor's alignment. */
function blockOffsets(members: readonly Member[]): { offsets: number[]; bytes: number } {
  let bytes = 0;
  const offsets = members.map(({ shape }) => {
    const at = bytes;
    bytes += align(bytesOf('float32', shape));
    return at;
  });
  return { offsets, bytes: Math.max(bytes, align(1)) };
}

/** Bytes from a variable to what may lie behind it. */
export function placedBytes({ dtype, shape }: Variable): number {
  return align(bytesOf(dtype, shape));
}

export class Layout {
  /** Weak: nobody says when parts of blocks are no longer needed. */
  private readonly offsets = new WeakMap<Variable, number>();
  /** What was given back, in order: stretches that touch neither one another nor the end. */
  private free: Range[] = [];
  private size = 0;

  /** Bytes of the region so far. */
  get bytes(): number {
    return this.size;
  }

  /** Places a variable. */
  variable(name: string, dtype: DType, shape: Shape): Variable {
    const variable = this.declare(name, dtype, shape);
    this.place([variable]);
    return variable;
  }

  /** A variable that is used already and gets its place later. */
  declare(name: string, dtype: DType, shape: Shape): Variable {
    return { name, dtype, shape };
  }

  /** Places declared variables side by side: in the first stretch given back that holds them, else at the end. */
  place(variables: readonly Variable[]): Range {
    const bytes = variables.reduce((n, v) => n + placedBytes(v), 0);
    const offset = this.take(bytes);
    let at = offset;
    for (const variable of variables) {
      this.offsets.set(variable, at);
      at += placedBytes(variable);
    }
    return { offset, bytes };
  }

  private take(bytes: number): number {
    const i = this.free.findIndex((f) => f.bytes >= bytes);
    if (i < 0) {
      this.size += bytes;
      return this.size - bytes;
    }
    const { offset, bytes: whole } = this.free[i]!;
    this.free.splice(i, 1, ...(whole > bytes ? [{ offset: offset + bytes, bytes: whole - bytes }] : []));
    return offset;
  }

  /** Gives back the memory of a variable, or of a member of a block: what is placed there later finds its old contents. */
  release(variable: Variable): void {
    const given = { offset: this.offsetOf(variable), bytes: placedBytes(variable) };
    this.offsets.delete(variable);
    const free: { offset: number; bytes: number }[] = [];
    for (const { offset, bytes } of [...this.free, given].sort((a, b) => a.offset - b.offset)) {
      const before = free.at(-1);
      if (before && before.offset + before.bytes === offset) before.bytes += bytes;
      else free.push({ offset, bytes });
    }
    const last = free.at(-1)!;
    if (last.offset + last.bytes === this.size) {
      this.size = last.offset;
      free.pop();
    }
    this.free = free;
  }

  /** Places a block of float32 tensors. */
  block(name: string, members: readonly Member[]): Block {
    const { offsets, bytes } = blockOffsets(members);
    const whole = this.variable(name, 'float32', [bytes / 4]);
    const start = this.offsetOf(whole);
    const variables = members.map((member, i) => {
      const variable: Variable = { name: member.name, dtype: 'float32', shape: member.shape };
      this.offsets.set(variable, start + offsets[i]!);
      return variable;
    });
    return { whole, members: variables, offsets };
  }

  /** Members `first` to `last` of a block as one vector, gaps included; the whole of it where that is all. */
  part({ whole, offsets }: Block, first: number, last: number): Variable {
    if (first === 0 && last === offsets.length - 1) return whole;
    const start = offsets[first]!;
    const end = offsets[last + 1] ?? placedBytes(whole);
    const variable: Variable = { name: `${whole.name}[${first}..${last}]`, dtype: 'float32', shape: [(end - start) / 4] };
    this.offsets.set(variable, this.offsetOf(whole) + start);
    return variable;
  }

  offsetOf(variable: Variable): number {
    const offset = this.offsets.get(variable);
    if (offset === undefined) throw new GradstepError('ERR_INTERNAL', `${variable.name} has no place in this session`);
    return offset;
  }
}
