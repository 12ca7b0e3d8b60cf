/** random: uniform and normal numbers, element for element those of Philox's words; over several steps. */
import { advance } from '../../lib/ops/gather.js';
import { randomNormal, randomUniform } from '../../lib/ops/random.js';
import { normals, uniforms } from '../helpers/random_numbers.js';
import { STATE, type OpCase } from './op_case.js';

type Distribution = 'uniform' | 'normal';

function simple(distribution: Distribution, shape: number[], a: number, b: number, stream: number, state: number[]): OpCase {
  const size = shape.reduce((n, d) => n * d, 1);
  return {
    name: `${distribution}(${a}, ${b}) of [${shape.join(', ')}], stream ${stream}`,
    inputs: { state: { ...STATE, data: state } },
    build: ({ state: s }) => ({ y: (distribution === 'normal' ? randomNormal : randomUniform)(s!, shape, a, b, stream) }),
    reference: () => ({
      y:
        distribution === 'normal'
          ? normals(size, stream, state).map((z) => a + b * z)
          : uniforms(size, stream, state).map((u) => a + (b - a) * u),
    }),
    gradients: [],
  };
}

export const cases: OpCase[] = [
  simple('uniform', [3, 67], -2, 3, 12345, [0, 0, 42, 0]),
  simple('uniform', [1], 0, 1, 0xdeadbeef, [1000, 0, -7, 99]),
  simple('uniform', [129, 257], 0.5, 0.75, 77, [5, 0, 11, 12]),
  simple('normal', [130], 0, 1, 1, [7, 0, -1, 3]),
  simple('normal', [2, 1, 3, 1], 5, 0.01, 0xffffffff, [1, 0, 2, 0]),
  simple('normal', [131, 251], -1, 2, 78, [6, 0, 11, 12]),
  {
    name: 'the second step draws other numbers',
    inputs: { state: { ...STATE, data: [4, 0, 9, 0] } },
    build: ({ state }) => {
      const y = randomNormal(state!, [100], 0, 1, 3);
      advance(state!, 1, 0);
      return { y };
    },
    reference: () => ({ y: normals(100, 3, [5, 0, 9, 0]), state: [6, 0, 9, 0] }),
    gradients: [],
    steps: 2,
  },
];
