/** dropout against a mask computed here from Philox, whose known answers are checked in test/philox.spec.ts. */
import { dropout } from '../../lib/ops/dropout.js';
import { philox4x32 } from '../helpers/philox.js';
import { STATE, type OpCase } from './op_case.js';

function mask(size: number, rate: number, stream: number, state: readonly number[]): number[] {
  const [step, , low, high] = state as [number, number, number, number];
  const held = Math.fround(rate);
  return Array.from({ length: size }, (_, i) => {
    const block = Math.floor(i / 64);
    const [lane, word] = [i % 16, Math.floor((i % 64) / 16)];
    const words = philox4x32([block * 16 + lane, 0, step, 0], [(low ^ stream) >>> 0, high >>> 0]);
    return (words[word]! >>> 8) * 2 ** -24 >= held ? 1 / (1 - held) : 0;
  });
}

function simple(name: string, shape: number[], rate: number, stream: number, state: number[]): OpCase {
  const size = shape.reduce((n, d) => n * d, 1);
  return {
    name,
    inputs: { x: { shape }, state: { ...STATE, data: state } },
    build: ({ x, state: s }) => ({ y: dropout(x!, s!, rate, stream) }),
    reference: ({ x }) => {
      const m = mask(size, rate, stream, state);
      return { y: x!.map((v, i) => v * m[i]!) };
    },
    ...(size > 300 ? { gradients: [] } : {}),
  };
}

export const cases: OpCase[] = [
  simple('half of [3, 67]', [3, 67], 0.5, 12345, [0, 0, 42, 0]),
  simple('a quarter, later step, other seed', [130], 0.25, 0xdeadbeef, [1000, 0, -7, 99]),
  simple('one element', [1], 0.5, 1, [3, 0, 1, 0]),
  simple('rate 0', [70], 0, 1, [3, 0, 1, 0]),
  simple('several threads and a tail', [129, 257], 0.9, 77, [5, 0, 11, 12]),
];
