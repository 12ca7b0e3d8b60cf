/**
 * Constants inside a tape: an instruction whose operands are all immediates becomes an immediate, a copy or a product
 * with 1 becomes its operand, and what nothing reads any more is dropped. Only functions that are exact in float32
 * arithmetic are worked out here, so the result has the same bits as on a device.
 */
import type { Tape } from '../graph/define_op.js';
import { IMMEDIATE, REGISTER, TAPE_IMMEDIATES } from '../ops/map.js';
import { ARITIES, SCALAR_NAMES, type ScalarName } from '../ops/scalar_table.js';

/** Correctly rounded in float64, and again to float32: the float32 result (Figueroa 1995). */
const EXACT: Partial<Record<ScalarName, (a: number, b: number) => number>> = {
  identity: (a) => a,
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  square: (a) => a * a,
};

export function foldTape(tape: Tape): Tape {
  const values = tape.immediates.map(Math.fround);
  const valueOf = (operand: number): number | undefined => (operand >= IMMEDIATE ? values[operand - IMMEDIATE] : undefined);
  const immediate = (value: number): number | undefined => {
    const known = values.findIndex((v) => Object.is(v, value));
    if (known >= 0) return IMMEDIATE + known;
    return values.length < 256 - IMMEDIATE ? IMMEDIATE + values.push(value) - 1 : undefined;
  };

  // What each instruction's result is: its own register, or the operand that replaces it.
  const became: number[] = [];
  const moved = (operand: number): number => (operand >= REGISTER && operand < IMMEDIATE ? became[operand - REGISTER]! : operand);
  const code = tape.code.map(([fn, ...operands], i) => {
    const [a, b, c] = operands.map(moved) as [number, number, number];
    const name = SCALAR_NAMES[fn]!;
    const [x, y] = [valueOf(a), valueOf(b)];
    const compute = EXACT[name];
    const known = compute && x !== undefined && (ARITIES[name] === 1 || y !== undefined);
    const folded = known ? immediate(Math.fround(compute(x, y ?? x))) : undefined;
    const same = name === 'identity' || (name === 'mul' && y === 1) ? a : name === 'mul' && x === 1 ? b : undefined;
    became.push(folded ?? same ?? REGISTER + i);
    return [fn, a, b, c] as [number, number, number, number];
  });
  return compact(code, values, tape.results.map(moved)) ?? tape;
}

/** Drops what no result needs and numbers the rest anew; undefined when the immediates would not fit. */
function compact(code: [number, number, number, number][], values: number[], results: number[]): Tape | undefined {
  const used = new Set<number>();
  const use = (operand: number): void => {
    if (used.has(operand)) return;
    used.add(operand);
    const row = operand >= REGISTER && operand < IMMEDIATE ? code[operand - REGISTER] : undefined;
    if (row) for (const o of row.slice(1, 1 + ARITIES[SCALAR_NAMES[row[0]]!])) use(o);
  };
  results.forEach(use);

  const immediates = values.flatMap((v, i) => (used.has(IMMEDIATE + i) ? [{ v, from: IMMEDIATE + i }] : []));
  if (immediates.length > TAPE_IMMEDIATES) return undefined;
  const rows = code.flatMap((row, i) => (used.has(REGISTER + i) ? [{ row, from: REGISTER + i }] : []));
  const place = new Map([
    ...immediates.map(({ from }, i) => [from, IMMEDIATE + i] as const),
    ...rows.map(({ from }, i) => [from, REGISTER + i] as const),
  ]);
  const renumber = (operand: number): number => place.get(operand) ?? operand;
  return {
    // An operand beyond the function's arity repeats the first one.
    code: rows.map(({ row: [fn, ...operands] }) => {
      const [a, b, c] = operands.map((o, i) => renumber(i < ARITIES[SCALAR_NAMES[fn]!] ? o : operands[0]!));
      return [fn, a!, b!, c!] as const;
    }),
    immediates: immediates.map(({ v }) => v),
    results: results.map(renumber),
  };
}
