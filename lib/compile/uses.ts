/**
 * Who makes, reads and writes each buffer of a list of instructions: what every rewrite asks first. It keeps up with
 * rewrites, so that a list is gone through once, however many of them there are.
 */
import type { Buffer, Instruction } from './program.js';

/** Buffers that an instruction changes: its outputs, and inputs that it updates. */
function writtenBy({ op, inputs, outputs }: Instruction): Buffer[] {
  const updated = Object.entries(inputs).flatMap(([name, o]) => (op.inputs[name]!.mutated ? [o.buffer] : []));
  return [...Object.values(outputs).map((o) => o.buffer), ...updated];
}

/** Whether two buffers share memory, as far as is known before scratch is planned. */
export function overlap(a: Buffer, b: Buffer): boolean {
  if (a === b) return true;
  if (!a.variable || !b.variable) return false;
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

/** The set of a key, made where there is none. */
function setOf<K, V>(sets: Map<K, Set<V>>, key: K): Set<V> {
  let set = sets.get(key);
  if (!set) sets.set(key, (set = new Set()));
  return set;
}

/** Who writes each buffer. */
interface Writers {
  readonly of: Map<Buffer, Set<Instruction>>;
  /** Variables that are written: others may lie in the same memory. */
  readonly variables: Set<Buffer>;
}

export class Uses {
  private readonly places: (Instruction | undefined)[];
  private readonly positions = new Map<Instruction, number>();
  private readonly makers = new Map<Buffer, Instruction>();
  private readonly readers = new Map<Buffer, Set<Instruction>>();
  /** Counted when they are first asked for: many rewrites never do. */
  private counted: Writers | undefined;

  constructor(instructions: readonly Instruction[]) {
    this.places = [...instructions];
    instructions.forEach((instruction, at) => this.add(instruction, at));
  }

  /** The instructions as they are now, in order. */
  get instructions(): Instruction[] {
    return this.places.filter((i) => i !== undefined);
  }

  /** The instruction at a position of the list as it was given; undefined where it was taken out. */
  at(position: number): Instruction | undefined {
    return this.places[position];
  }

  positionOf(instruction: Instruction): number {
    return this.positions.get(instruction)!;
  }

  /** The last instruction that makes a scratch buffer. */
  maker(buffer: Buffer): Instruction | undefined {
    return buffer.variable ? undefined : this.makers.get(buffer);
  }

  readersOf(buffer: Buffer): ReadonlySet<Instruction> {
    return setOf(this.readers, buffer);
  }

  /** The one instruction that reads a scratch buffer; undefined when there are more, or it is written to a variable. */
  onlyReader(buffer: Buffer): Instruction | undefined {
    const readers = this.readersOf(buffer);
    return readers.size === 1 && !buffer.variable ? [...readers][0] : undefined;
  }

  /** Whether an instruction between two others changes what any of these buffers holds. */
  areWrittenBetween(buffers: Iterable<Buffer>, first: Instruction, last: Instruction): boolean {
    return this.areWrittenWithin(buffers, this.positionOf(first), this.positionOf(last));
  }

  /** Whether an instruction before this one changes what any of these buffers holds. */
  areWrittenBefore(buffers: Iterable<Buffer>, last: Instruction): boolean {
    return this.areWrittenWithin(buffers, -1, this.positionOf(last));
  }

  private areWrittenWithin(buffers: Iterable<Buffer>, from: number, to: number): boolean {
    const isBetween = (writer: Instruction): boolean => {
      const at = this.positionOf(writer);
      return from < at && at < to;
    };
    const { of, variables } = this.writers;
    return [...buffers].some((buffer) => {
      const same = buffer.variable ? [...variables].filter((v) => overlap(v, buffer)) : [buffer];
      return same.some((b) => [...setOf(of, b)].some(isBetween));
    });
  }

  /**
   * Whether an instruction between two others, none of `except`, reads or changes memory in which these buffers lie. Who
   * reads one of the buffers themselves does not count: it comes after the buffer's maker, wherever that goes.
   */
  isMemoryUsedBetween(
    buffers: readonly Buffer[],
    first: Instruction,
    last: Instruction,
    except: ReadonlySet<Instruction>,
  ): boolean {
    const others = this.places.slice(this.positionOf(first) + 1, this.positionOf(last));
    return others.some((other) => {
      if (!other || except.has(other)) return false;
      const read = Object.values(other.inputs).map((o) => o.buffer);
      const touched = [...read.filter((b) => !buffers.includes(b)), ...writtenBy(other)];
      return touched.some((b) => buffers.some((buffer) => overlap(b, buffer)));
    });
  }

  private get writers(): Writers {
    if (!this.counted) {
      this.counted = { of: new Map(), variables: new Set() };
      for (const instruction of this.places) {
        if (instruction) for (const buffer of writtenBy(instruction)) this.writes(instruction, buffer);
      }
    }
    return this.counted;
  }

  private add(instruction: Instruction, at: number): void {
    this.positions.set(instruction, at);
    for (const { buffer } of Object.values(instruction.inputs)) setOf(this.readers, buffer).add(instruction);
    for (const { buffer } of Object.values(instruction.outputs)) this.makes(instruction, buffer);
    if (this.counted) for (const buffer of writtenBy(instruction)) this.writes(instruction, buffer);
  }

  private makes(instruction: Instruction, buffer: Buffer): void {
    const other = this.makers.get(buffer);
    if (!other || this.positionOf(other) <= this.positionOf(instruction)) this.makers.set(buffer, instruction);
  }

  private writes(instruction: Instruction, buffer: Buffer): void {
    const { of, variables } = this.writers;
    setOf(of, buffer).add(instruction);
    if (buffer.variable) variables.add(buffer);
  }

  /** Takes an instruction out. */
  remove(instruction: Instruction): void {
    this.places[this.positionOf(instruction)] = undefined;
    for (const { buffer } of Object.values(instruction.inputs)) setOf(this.readers, buffer).delete(instruction);
    if (this.counted) for (const buffer of writtenBy(instruction)) setOf(this.counted.of, buffer).delete(instruction);
    for (const { buffer } of Object.values(instruction.outputs)) {
      if (this.makers.get(buffer) === instruction) this.makers.delete(buffer);
    }
    this.positions.delete(instruction);
  }

  /** Puts another instruction in the place of one. */
  replace(instruction: Instruction, by: Instruction): void {
    const at = this.positionOf(instruction);
    this.remove(instruction);
    this.places[at] = by;
    this.add(by, at);
  }

  /** What was put into one buffer goes into another, which then belongs to the last that writes it. */
  redirect(from: Buffer, to: Buffer): void {
    const { of } = this.writers;
    for (const writer of [...setOf(of, from)]) {
      const outputs = Object.entries(writer.outputs).map(([n, o]) => [n, o.buffer === from ? { ...o, buffer: to } : o] as const);
      writer.outputs = Object.fromEntries(outputs);
      this.makes(writer, to);
      this.writes(writer, to);
    }
    of.delete(from);
    this.makers.delete(from);
  }
}
