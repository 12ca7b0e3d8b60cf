/**
 * Ops that can be differentiated twice: the output of each case is itself a gradient, so the walk's gradient check is
 * one of second derivatives. References are exact: a quadratic's central difference with step 1 has no error.
 */
import type { Value } from '../../lib/graph/graph.js';
import { gradients } from '../../lib/ops/autodiff.js';
import { averagePool } from '../../lib/ops/average_pool.js';
import { multiply } from '../../lib/ops/batch_matmul.js';
import { concat } from '../../lib/ops/concat.js';
import { conv } from '../../lib/ops/conv.js';
import { elementwise } from '../../lib/ops/map.js';
import { matmul } from '../../lib/ops/matmul.js';
import { pad } from '../../lib/ops/pad.js';
import { sum } from '../../lib/ops/reduce_sum.js';
import type { ScalarName } from '../../lib/ops/scalar_table.js';
import { transpose } from '../../lib/ops/transpose.js';
import { cases as average } from './average_pool.js';
import { products } from './batch_matmul.js';
import { joined } from './concat.js';
import { convolution } from './conv.js';
import { POOL } from './max_pool.js';
import type { Numbers, OpCase } from './op_case.js';
import { padded } from './pad.js';
import { transposed } from './transpose.js';

const squares = (y: Value): Value => sum(elementwise('square', y));

/** Gradient by `input` of a loss that is quadratic in it. */
function quadraticGradient(loss: (x: Numbers) => number, numbers: Numbers, input: string): number[] {
  return numbers[input]!.map((v, i) => {
    const moved = (d: number): Numbers => ({ ...numbers, [input]: numbers[input]!.map((u, j) => (j === i ? v + d : u)) });
    return (loss(moved(1)) - loss(moved(-1))) / 2;
  });
}

/** The case whose output is the gradient of Σ y² by `input`, y being what a linear or bilinear case makes. */
function ofSquares(name: string, from: OpCase, input: string, y: (v: Record<string, Value>) => Value): OpCase {
  const loss = (x: Numbers): number => from.reference(x, 'cpu').y!.reduce((s, v) => s + v * v, 0);
  return {
    name,
    inputs: from.inputs,
    build: (v) => ({ g: gradients(squares(y(v)), [v[input]!])[0]! }),
    reference: (x) => ({ g: quadraticGradient(loss, x, input) }),
    terms: (from.terms ?? 1) * 8,
  };
}

/** f'(x) of scalar functions, written out. */
const SLOPES: Partial<Record<ScalarName, (x: number) => number>> = {
  exp: Math.exp,
  log: (x) => 1 / x,
  sqrt: (x) => 0.5 / Math.sqrt(x),
  square: (x) => 2 * x,
  tanh: (x) => 1 - Math.tanh(x) ** 2,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)) / (1 + Math.exp(x)),
  softplus: (x) => 1 / (1 + Math.exp(-x)),
};

const GEOMETRY = { strideH: 2, strideW: 1 };
const strided = convolution('strided', [1, 5, 4, 2], [2, 3, 2, 2], GEOMETRY);
const biased = convolution('biased', [1, 5, 4, 2], [2, 3, 2, 2], GEOMETRY, true);
const grouped = convolution('grouped', [1, 3, 4, 4], [2, 3, 2, 4], { groups: 2 });
const convolve = (v: Record<string, Value>): Value => conv(v.x!, v.w!, GEOMETRY);

const product: OpCase = {
  name: 'product',
  inputs: { a: { shape: [4, 3] }, b: { shape: [3, 5] } },
  build: ({ a, b }) => ({ y: matmul(a!, b!) }),
  reference: ({ a, b }) => ({
    y: Array.from({ length: 20 }, (_, i) =>
      [0, 1, 2].reduce((s, l) => s + a![Math.floor(i / 5) * 3 + l]! * b![l * 5 + (i % 5)]!, 0),
    ),
  }),
  terms: 3,
};

/** A batch of products of values that were moved before: [2, 3, 4] cut and joined, times [2, 3, 4] with two axes swapped. */
const moved = ({ a, b }: Record<string, Value>): Value =>
  multiply(concat([a!, pad(a!, [0, 0, 1], [0, -2, -1])], 1), transpose(b!, [0, 2, 1]));
const movedProducts: OpCase = {
  name: 'moved products',
  inputs: { a: { shape: [2, 3, 4] }, b: { shape: [2, 3, 4] } },
  build: (v) => ({ y: moved(v) }),
  reference({ a, b }) {
    const cut = padded(a!, [2, 3, 4], [0, 0, 1], [0, -2, -1]);
    const left = joined(
      [a!, cut],
      [
        [2, 3, 4],
        [2, 1, 4],
      ],
      1,
    );
    return {
      y: products(left, transposed(b!, [2, 3, 4], [0, 2, 1]), [
        [2, 4, 4],
        [2, 4, 3],
      ]),
    };
  },
  terms: 4,
};

export const cases: OpCase[] = [
  ...Object.entries(SLOPES).map(([fn, slope]): OpCase => ({
    name: fn,
    inputs: { x: { shape: [9], range: [0.3, 2] } },
    build: ({ x }) => ({ g: gradients(sum(elementwise(fn as ScalarName, x!)), [x!])[0]! }),
    reference: ({ x }) => ({ g: x!.map(slope) }),
    terms: 16,
  })),
  ofSquares('matmul by a', product, 'a', (v) => matmul(v.a!, v.b!)),
  ofSquares('moved products by a', movedProducts, 'a', moved),
  ofSquares('moved products by b', movedProducts, 'b', moved),
  ofSquares('matmul by b', product, 'b', (v) => matmul(v.a!, v.b!)),
  ofSquares('conv by its input', strided, 'x', convolve),
  ofSquares('conv by its kernel', strided, 'w', convolve),
  ofSquares('a conv by its bias', biased, 'bias', (v) => conv(v.x!, v.w!, GEOMETRY, v.bias)),
  ofSquares('a conv by its kernel, with a bias', biased, 'w', (v) => conv(v.x!, v.w!, GEOMETRY, v.bias)),
  ofSquares('a grouped conv by its input', grouped, 'x', (v) => conv(v.x!, v.w!, { groups: 2 })),
  ofSquares('a grouped conv by its kernel', grouped, 'w', (v) => conv(v.x!, v.w!, { groups: 2 })),
  ofSquares('averagePool', average[0]!, 'x', (v) => averagePool(v.x!, POOL)),
];
