/**
 * The random numbers of a step as the ops must draw them, in float64 from Philox's words: blocks of 64 elements, lane l of
 * block b makes draw 16 b + l, word j of it belongs to element 64 b + 16 j + l. Philox itself is checked by known answers.
 */
import { philox4x32 } from './philox.js';

/** The four words of a draw; `state` is [step, cursor, seed low, seed high]. */
export function drawWords(draw: number, stream: number, state: readonly number[]): number[] {
  const [step, , low, high] = state as [number, number, number, number];
  return philox4x32([draw, 0, step, 0], [(low ^ stream) >>> 0, high >>> 0]);
}

function perElement(size: number, stream: number, state: readonly number[], of: (words: number[]) => number[]): number[] {
  const draws = new Map<number, number[]>();
  return Array.from({ length: size }, (_, i) => {
    const draw = Math.floor(i / 64) * 16 + (i % 16);
    let numbers = draws.get(draw);
    if (!numbers) draws.set(draw, (numbers = of(drawWords(draw, stream, state))));
    return numbers[Math.floor((i % 64) / 16)]!;
  });
}

/** A word as a number in [0, 1) of 24 bits. */
export const unit = (word: number): number => (word >>> 8) * 2 ** -24;

/** `size` numbers in [0, 1). */
export function uniforms(size: number, stream: number, state: readonly number[]): number[] {
  return perElement(size, stream, state, (words) => words.map(unit));
}

/** `size` numbers of the standard normal distribution: Box & Muller on the words in pairs. */
export function normals(size: number, stream: number, state: readonly number[]): number[] {
  const pair = (a: number, b: number): number[] => {
    const radius = Math.sqrt(-2 * Math.log((Math.fround(a) + 1) / 2 ** 32));
    const angle = (2 * Math.PI * b) / 2 ** 32;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  };
  return perElement(size, stream, state, ([a, b, c, d]) => [...pair(a!, b!), ...pair(c!, d!)]);
}
