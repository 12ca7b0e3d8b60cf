/** Chains of maps into one map, and a trailing row sum into the map before it; see fuse.ts. */
import type { Tape } from '../graph/define_op.js';
import { sameShape, sizeOf } from '../graph/shape.js';
import { IMMEDIATE, map, MAP_INPUTS, MAP_OUTPUTS, REGISTER, TAPE_CODE, TAPE_IMMEDIATES } from '../ops/map.js';
import { reduceSum } from '../ops/reduce_sum.js';
import { foldTape } from './fold_tape.js';
import type { Instruction, Operand } from './program.js';
import { Uses } from './uses.js';

/** Merges each map into the map that reads it, where their domains agree and nothing in between stands in the way. */
export function fuseMaps(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  for (let at = 0; at < list.length; at++) {
    for (let again = true; again;) {
      again = false;
      const consumer = uses.at(at);
      if (consumer?.op !== map || consumer.attrs.reduceRank !== 0) break;
      for (const input of Object.values(consumer.inputs)) {
        const producer = uses.maker(input.buffer);
        if (!producer || !mayMerge(uses, producer, consumer, input)) continue;
        const merged = merge(uses, producer, consumer);
        if (!merged) continue;
        uses.remove(producer);
        uses.replace(consumer, merged);
        again = true;
        break;
      }
    }
  }
  return uses.instructions;
}

function mayMerge(uses: Uses, producer: Instruction, consumer: Instruction, input: Operand): boolean {
  if (producer.op !== map || producer.attrs.reduceRank !== 0) return false;
  const domain = producer.attrs.domain as number[];
  const made = Object.values(producer.outputs).map((o) => o.buffer);
  // A fill of one result is worth merging into any domain: it becomes an immediate. Otherwise the domains are the same.
  const isFill = Object.keys(producer.inputs).length === 0 && made.length === 1;
  if (!isFill && !(sameShape(domain, consumer.attrs.domain as number[]) && sameShape(input.shape, domain))) return false;
  const to = uses.positionOf(consumer);
  if (made.some((b) => b.variable)) return false;
  // The producer moves down to its reader: its other readers must come later, and what it reads and makes must not change
  // before. (One of its results may be a sum that another kernel adds to.)
  if (!isFill && made.some((b) => [...uses.readersOf(b)].some((r) => r !== consumer && uses.positionOf(r) < to))) return false;
  if (isFill && uses.onlyReader(made[0]!) !== consumer) return false;
  const reads = Object.values(producer.inputs).map((o) => o.buffer);
  return !uses.areWrittenBetween([...reads, ...made], producer, consumer);
}

/** One tape that does the producer's work, then the consumer's; undefined when it would not fit. */
function merge(uses: Uses, producer: Instruction, consumer: Instruction): Instruction | undefined {
  const [first, second] = [producer.attrs.tape as Tape, consumer.attrs.tape as Tape];
  const inputs: Operand[] = [];
  const immediates: number[] = [];
  const code: [number, number, number, number][] = [];
  const input = (o: Operand): number => {
    const known = inputs.findIndex((i) => i.buffer === o.buffer && sameShape(i.shape, o.shape));
    return known >= 0 ? known : inputs.push(o) - 1;
  };
  const immediate = (v: number): number => {
    const known = immediates.findIndex((other) => Object.is(other, v));
    return IMMEDIATE + (known >= 0 ? known : immediates.push(v) - 1);
  };
  const append = (tape: Tape, inputOf: (k: number) => number): number[] => {
    const base = code.length;
    const move = (o: number): number =>
      o >= IMMEDIATE ? immediate(tape.immediates[o - IMMEDIATE]!) : o >= REGISTER ? o + base : inputOf(o);
    for (const [fn, a, b, c] of tape.code) code.push([fn, move(a), move(b), move(c)]);
    return tape.results.map(move);
  };
  const made = Object.values(producer.outputs);
  const firstResults = append(first, (k) => input(producer.inputs[`in${k}`]!));
  const secondResults = append(second, (k) => {
    const operand = consumer.inputs[`in${k}`]!;
    const at = made.findIndex((o) => o.buffer === operand.buffer);
    return at >= 0 ? firstResults[at]! : input(operand);
  });
  const kept = made.flatMap((o, i) =>
    [...uses.readersOf(o.buffer)].some((r) => r !== consumer) ? [{ operand: o, from: firstResults[i]! }] : [],
  );
  const results = [...secondResults, ...kept.map((k) => k.from)];
  const outputs = [...Object.values(consumer.outputs), ...kept.map((k) => k.operand)];
  if (inputs.length > MAP_INPUTS || outputs.length > MAP_OUTPUTS || code.length > TAPE_CODE) return undefined;
  const tape = foldTape({ code, immediates, results });
  if (tape.immediates.length > TAPE_IMMEDIATES) return undefined;
  return {
    ...consumer,
    inputs: Object.fromEntries(inputs.map((o, i) => [`in${i}`, o])),
    outputs: Object.fromEntries(outputs.map((o, i) => [`out${i}`, o])),
    attrs: { ...consumer.attrs, tape },
  };
}

/** A sum over trailing dimensions of a map's only result, which nothing else reads: the map sums as it goes. */
export function fuseRowSums(list: Instruction[]): Instruction[] {
  const uses = new Uses(list);
  const replaced = new Map<Instruction, Instruction | null>();
  for (const sum of list) {
    if (sum.op !== reduceSum || sum.attrs.inner !== 1 || sum.accumulate.length > 0) continue;
    const x = sum.inputs.x!;
    const producer = uses.maker(x.buffer);
    if (producer?.op !== map || producer.attrs.reduceRank !== 0 || replaced.has(producer)) continue;
    if (uses.onlyReader(x.buffer) !== sum || Object.keys(producer.outputs).length !== 1) continue;
    const domain = producer.attrs.domain as number[];
    const reduceRank = domain.findIndex((_, i) => sizeOf(domain.slice(i)) === sum.attrs.length);
    if (reduceRank < 0) continue;
    const reads = Object.values(producer.inputs).map((o) => o.buffer);
    if (uses.areWrittenBetween(reads, producer, sum)) continue;
    replaced.set(producer, null);
    replaced.set(sum, {
      ...producer,
      outputs: { out0: { ...sum.outputs.y!, shape: domain.slice(0, reduceRank) } },
      attrs: { ...producer.attrs, reduceRank: domain.length - reduceRank, scale: sum.attrs.scale! },
    });
  }
  return list.flatMap((i) => {
    const replacement = replaced.get(i);
    return replacement === undefined ? [i] : replacement === null ? [] : [replacement];
  });
}
