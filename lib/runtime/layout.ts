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

export class Layout {
  private readonly offsets = new Map<Variable, number>();
  private size = 0;

  /** Bytes of the region so far. */
  get bytes(): number {
    return this.size;
  }

  /** Places a variable at the end. */
  variable(name: string, dtype: DType, shape: Shape): Variable {
    const variable = this.declare(name, dtype, shape);
    this.place(variable);
    return variable;
  }

  /** A variable that is used already and gets its place later. */
  declare(name: string, dtype: DType, shape: Shape): Variable {
    return { name, dtype, shape };
  }

  /** Places a declared variable at the end. */
  place(variable: Variable): void {
    this.offsets.set(variable, this.size);
    this.size += align(bytesOf(variable.dtype, variable.shape));
  }

  /** Places a block of float32 tensors at the end. */
  block(name: string, members: readonly Member[]): Block {
    const { offsets, bytes } = blockOffsets(members);
    const start = this.size;
    const whole = this.variable(name, 'float32', [bytes / 4]);
    const variables = members.map((member, i) => {
      const variable: Variable = { name: member.name, dtype: 'float32', shape: member.shape };
      this.offsets.set(variable, start + offsets[i]!);
      return variable;
    });
    return { whole, members: variables, offsets };
  }

  /** Members `first` to `last` of a block as one vector, gaps included; the whole of it where that is all. */
  part(block: Block, first: number, last: number): Variable {
    const { whole, members } = block;
    if (first === 0 && last === members.length - 1) return whole;
    const start = this.offsetOf(members[first]!);
    const next = members[last + 1];
    const end = next ? this.offsetOf(next) : this.offsetOf(whole) + bytesOf('float32', whole.shape);
    const variable: Variable = { name: `${whole.name}[${first}..${last}]`, dtype: 'float32', shape: [(end - start) / 4] };
    this.offsets.set(variable, start);
    return variable;
  }

  offsetOf(variable: Variable): number {
    const offset = this.offsets.get(variable);
    if (offset === undefined) throw new GradstepError('ERR_INTERNAL', `${variable.name} has no place in this session`);
    return offset;
  }
}
