/**
 * toBfloat16: exact results. Ties both ways, what rounds up to the next power of two or to infinity, zeros, infinities, NaN;
 * sixteen tensors of sizes around what a thread takes; some places empty.
 */
import { ROUNDED_AT_ONCE, toBfloat16Op } from '../../lib/ops/to_bfloat16.js';
import type { Value } from '../../lib/graph/graph.js';
import type { CaseInput, Numbers, OpCase } from './op_case.js';

/** To 8 bits of mantissa by arithmetic; ties to even. Of normal numbers. */
function nearest(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return x;
  const last = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 7);
  const [low, part] = [Math.floor(x / last), x / last - Math.floor(x / last)];
  const up = part > 0.5 || (part === 0.5 && low % 2 !== 0);
  return (up ? low + 1 : low) * last;
}

function rounding(name: string, inputs: Record<string, CaseInput>, expected: (x: Numbers) => Numbers): OpCase {
  return {
    name,
    inputs,
    build(values: Record<string, Value>) {
      const [first] = Object.values(values);
      return first!.graph.add(toBfloat16Op, values).outputs;
    },
    reference: expected,
    gradients: [],
    rtol: 0,
  };
}

const each = (x: Numbers): Numbers =>
  Object.fromEntries(Object.entries(x).map(([name, numbers]) => [name.replace('x', 'y'), numbers.map(nearest)]));

/** Pairs of a number and what it becomes. */
const KNOWN: readonly (readonly [number, number])[] = [
  [1, 1],
  [-1.5, -1.5],
  // Halfway between neighbours 2^-7 apart.
  [1 + 2 ** -8, 1],
  [1 + 3 * 2 ** -8, 1 + 2 ** -6],
  [-1 - 2 ** -8, -1],
  // A little to either side.
  [1 + 2 ** -8 + 2 ** -20, 1 + 2 ** -7],
  [1 + 2 ** -8 - 2 ** -20, 1],
  // To the next power of two.
  [2 - 2 ** -9, 2],
  [3.4e38, Infinity],
  [-3.4e38, -Infinity],
  [Infinity, Infinity],
  [-Infinity, -Infinity],
  [0, 0],
  [-0, -0],
  [NaN, NaN],
];

const SIZES = Array.from({ length: ROUNDED_AT_ONCE }, (_, i) => [1, 3, 4, 5, 7, 8, 9, 16, 17, 31, 64, 255, 2050, 33, 12, 6][i]!);

export const cases: OpCase[] = [
  rounding('what rounds in every way', { x1: { shape: [KNOWN.length], data: KNOWN.map(([x]) => x) } }, () => ({
    y1: KNOWN.map(([, y]) => y),
  })),
  rounding('sixteen at once', Object.fromEntries(SIZES.map((size, i) => [`x${i + 1}`, { shape: [size] }])), each),
  rounding('matrices, in some places', { x1: { shape: [3, 5] }, x4: { shape: [7, 2, 2] }, x16: { shape: [1] } }, each),
  rounding('several threads', { x1: { shape: [40001] }, x2: { shape: [200, 40], range: [-1e30, 1e30] } }, each),
];
