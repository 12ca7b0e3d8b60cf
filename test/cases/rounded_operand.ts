/**
 * What products multiply in each precision: numbers rounded to bfloat16 (8 bits of mantissa, ties to even) or to TF32 (11 bits,
 * ties away from zero); by the CPU, which has no unit for TF32, what they are given.
 */
import type { Precision } from '../../lib/ops/precision.js';

/** One of the precisions that round. */
export type Rounded = Exclude<Precision, 'float32'>;
export const ROUNDED: readonly Rounded[] = ['tf32', 'bfloat16'];

export type Rounding = (x: number) => number;

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

export function bfloat16(x: number): number {
  float[0] = x;
  bits[0] = (bits[0]! + 0x7fff + ((bits[0]! >>> 16) & 1)) & 0xffff0000;
  return float[0];
}

export function tf32(x: number): number {
  if (x === 0) return x;
  const last = 2 ** (Math.floor(Math.log2(Math.abs(x))) - 10);
  return Math.sign(x) * Math.round(Math.abs(x) / last) * last;
}

const unchanged: Rounding = (x) => x;

export function roundingOf(precision: Precision, backend: 'cpu' | 'cuda'): Rounding {
  if (precision === 'bfloat16') return bfloat16;
  return precision === 'tf32' && backend === 'cuda' ? tf32 : unchanged;
}

/**
 * The rounding of a number that the device knows in float32 only. Where float32's error could round it to the other side, and
 * that would show, the case is refused: no tolerance that lets this pass would notice a kernel that does not round.
 */
export function surely(round: Rounding): Rounding {
  if (round === unchanged) return round;
  return (x) => {
    const error = 3e-7 * Math.max(1, Math.abs(x));
    if (Math.abs(round(x + error) - round(x - error)) > 4e-5) throw new Error(`${x} lies too near a tie: change the case`);
    return round(x);
  };
}
