/** noise: normal numbers added to x or multiplied with it, drawn as `random` draws them. */
import { noise } from '../../lib/ops/noise.js';
import { normals } from '../helpers/random_numbers.js';
import { STATE, type OpCase } from './op_case.js';

function simple(
  kind: 'add' | 'multiply',
  shape: number[],
  stddev: number,
  stream: number,
  state: number[],
  narrow: OpCase['narrow'] = [],
): OpCase {
  const size = shape.reduce((n, d) => n * d, 1);
  return {
    name: `${kind} [${shape.join(', ')}], deviation ${stddev}`,
    inputs: { x: { shape }, state: { ...STATE, data: state } },
    build: ({ x, state: s }) => ({ y: noise(x!, s!, kind, stddev, stream) }),
    reference: ({ x }) => {
      const z = normals(size, stream, state);
      return { y: x!.map((v, i) => (kind === 'add' ? v + stddev * z[i]! : v * (1 + stddev * z[i]!))) };
    },
    ...(size > 300 ? { gradients: [] } : {}),
    narrow,
  };
}

export const cases: OpCase[] = [
  simple('add', [3, 67], 0.5, 12345, [0, 0, 42, 0], [['x', 'y'], ['x'], ['y']]),
  simple('add', [1], 2, 5, [9, 0, -3, 8]),
  simple('add', [127, 259], 0.1, 6, [9, 0, -3, 8]),
  simple('multiply', [130], 0.7, 0xdeadbeef, [1000, 0, -7, 99], [['x', 'y'], ['x'], ['y']]),
  simple('multiply', [16], 0, 1, [1, 0, 1, 0]),
  simple('multiply', [127, 259], 1.5, 6, [9, 0, -3, 8]),
];
