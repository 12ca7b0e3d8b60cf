/** dropout against a mask computed here from Philox, whose known answers are checked in test/philox.spec.ts. */
import { dropout, dropTo } from '../../lib/ops/dropout.js';
import { elementwise } from '../../lib/ops/map.js';
import { uniforms } from '../helpers/random_numbers.js';
import { STATE, type OpCase } from './op_case.js';

const NARROW = [['x', 'y'], ['x'], ['y']] as const;

function kept(size: number, rate: number, stream: number, state: readonly number[]): boolean[] {
  return uniforms(size, stream, state).map((u) => u >= Math.fround(rate));
}

function simple(name: string, shape: number[], rate: number, stream: number, state: number[]): OpCase {
  const size = shape.reduce((n, d) => n * d, 1);
  return {
    name,
    inputs: { x: { shape }, state: { ...STATE, data: state } },
    build: ({ x, state: s }) => ({ y: dropout(x!, s!, rate, stream) }),
    reference: ({ x }) => {
      const mask = kept(size, rate, stream, state);
      return { y: x!.map((v, i) => (mask[i] ? v / (1 - rate) : 0)) };
    },
    ...(size > 300 ? { gradients: [] } : {}),
    narrow: NARROW,
  };
}

const ALPHA = { rate: 0.3, factor: 1.25, offset: 0.5, dropped: -1.75, stream: 9 };

export const cases: OpCase[] = [
  simple('half of [3, 67]', [3, 67], 0.5, 12345, [0, 0, 42, 0]),
  simple('a quarter, later step, other seed', [130], 0.25, 0xdeadbeef, [1000, 0, -7, 99]),
  simple('one element', [1], 0.5, 1, [3, 0, 1, 0]),
  {
    // Its gradient is fused into a mask of the result (lib/compile/fuse_dropout.ts).
    name: 'of a relu',
    inputs: { x: { shape: [7, 23] }, state: { ...STATE, data: [6, 0, 5, 2] } },
    build: ({ x, state }) => ({ y: dropout(elementwise('relu', x!), state!, 0.4, 31) }),
    reference: ({ x }) => {
      const mask = kept(161, 0.4, 31, [6, 0, 5, 2]);
      return { y: x!.map((v, i) => (mask[i] ? Math.max(v, 0) / 0.6 : 0)) };
    },
  },
  simple('rate 0', [70], 0, 1, [3, 0, 1, 0]),
  simple('several threads and a tail', [129, 257], 0.9, 77, [5, 0, 11, 12]),
  {
    name: 'dropping to a value, factor and offset for the others',
    inputs: { x: { shape: [5, 30] }, state: { ...STATE, data: [2, 0, 8, 1] } },
    build: ({ x, state }) => ({ y: dropTo(x!, state!, ALPHA) }),
    reference: ({ x }) => {
      const mask = kept(150, ALPHA.rate, ALPHA.stream, [2, 0, 8, 1]);
      return { y: x!.map((v, i) => (mask[i] ? v * ALPHA.factor + ALPHA.offset : ALPHA.dropped)) };
    },
    narrow: NARROW,
  },
];
