/**
 * Liveness and the arena. A scratch buffer lives from the instruction that first writes it to the last that touches it;
 * buffers whose lives do not overlap may share addresses. Outputs take over the memory of a dying input where the op
 * allows it. Placement: largest first, lowest offset that fits, every start a multiple of 64 bytes. On CUDA few bytes share
 * no addresses at all, since instructions that use memory in common cannot run side by side (native/core/schedule.h).
 */
import type { Tape } from '../graph/define_op.js';
import { map } from '../ops/map.js';
import { align, type Buffer, type Instruction } from './program.js';

interface Life {
  buffer: Buffer;
  first: number;
  last: number;
}

/** Memory that is taken for some time. */
interface Place {
  begin: number;
  end: number;
  first: number;
  last: number;
}

/** Bytes of scratch that need no sharing: they fit the caches of every GPU of today along with the weights of a small model. */
const FEW = 16 << 20;

/** Gives every scratch buffer its offset; returns the bytes the arena needs. */
export function planArena(instructions: readonly Instruction[], backend: 'cpu' | 'cuda', guardBytes: number): number {
  const shared = guardBytes > 0 ? new Map<Buffer, Buffer>() : shareInPlace(instructions);
  const lives = lifetimes(instructions, shared);
  const all = lives.reduce((bytes, { buffer }) => bytes + align(buffer.bytes), 0);
  if (backend === 'cuda' && all <= FEW) for (const life of lives) Object.assign(life, { first: 0, last: instructions.length });
  // By where they begin, so that the first gap is found in one pass: programs of many steps have tens of thousands.
  const placed: Place[] = [];
  let total = 0;
  const guard = align(guardBytes);
  for (const life of [...lives].sort((a, b) => b.buffer.bytes - a.buffer.bytes || a.first - b.first)) {
    const size = align(life.buffer.bytes) + guard;
    const { first, last } = life;
    let offset = guard;
    for (const other of placed) {
      if (offset + size <= other.begin) break;
      if (other.first <= last && first <= other.last) offset = Math.max(offset, other.end);
    }
    life.buffer.offset = offset;
    total = Math.max(total, offset + size);
    placed.splice(indexFrom(placed, offset), 0, { begin: offset, end: offset + size, first, last });
  }
  for (const [buffer, owner] of shared) buffer.offset = root(shared, owner).offset;
  return total;
}

/** The index of the first place that begins at `offset` or behind it. */
function indexFrom(placed: readonly Place[], offset: number): number {
  let [low, high] = [0, placed.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placed[middle]!.begin < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

function root(shared: ReadonlyMap<Buffer, Buffer>, buffer: Buffer): Buffer {
  let at = buffer;
  for (let next = shared.get(at); next; next = shared.get(at)) at = next;
  return at;
}

function lifetimes(instructions: readonly Instruction[], shared: ReadonlyMap<Buffer, Buffer>): Life[] {
  const lives = new Map<Buffer, Life>();
  instructions.forEach(({ inputs, outputs }, i) => {
    for (const { buffer } of [...Object.values(inputs), ...Object.values(outputs)]) {
      if (buffer.region !== 'scratch') continue;
      const owner = root(shared, buffer);
      const life = lives.get(owner);
      if (life) life.last = i;
      else lives.set(owner, { buffer: owner, first: i, last: i });
    }
  });
  return [...lives.values()];
}

/** Which buffer's memory an output takes over: output → dying input of the same size, as the op declares. */
function shareInPlace(instructions: readonly Instruction[]): Map<Buffer, Buffer> {
  const lastUse = new Map<Buffer, number>();
  instructions.forEach(({ inputs, outputs }, i) => {
    for (const { buffer } of [...Object.values(inputs), ...Object.values(outputs)]) lastUse.set(buffer, i);
  });
  const shared = new Map<Buffer, Buffer>();
  instructions.forEach(({ op, inputs, outputs, accumulate, attrs }, i) => {
    // Sums of rows are written while other rows are still to be read, and an input may be broadcast to all of them.
    if (op === map && attrs.reduceRank !== 0) return;
    const taken = new Set<Buffer>();
    for (const [name, output] of Object.entries(outputs)) {
      if (output.buffer.region !== 'scratch' || accumulate.includes(name) || shared.has(output.buffer)) continue;
      for (const candidate of op.outputs[name]!.inPlace ?? []) {
        const input = inputs[candidate];
        if (!input || input.buffer.region !== 'scratch' || input.dtype !== output.dtype) continue;
        if (input.buffer.bytes !== output.buffer.bytes || lastUse.get(input.buffer) !== i) continue;
        if (taken.has(input.buffer)) continue;
        if (op === map && isResultBut(attrs.tape as Tape, inputs, input.buffer, name)) continue;
        taken.add(input.buffer);
        shared.set(output.buffer, input.buffer);
        break;
      }
    }
  });
  return shared;
}

/** Whether another result of a map than `name` is an input in this buffer as it is: it is copied when the others are written. */
function isResultBut({ results }: Tape, inputs: Instruction['inputs'], buffer: Buffer, name: string): boolean {
  return results.some((from, i) => `out${i}` !== name && inputs[`in${from}`]?.buffer === buffer);
}
