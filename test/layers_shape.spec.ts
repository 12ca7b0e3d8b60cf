/**
 * Layers that move elements: reshape, permute, repeatVector, zeroPadding, cropping, categoryEncoding, and dense on inputs of
 * any rank. Every option against formulas in float64 on each backend; what is wrong: layers_shape_options.spec.ts.
 */
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { flat, indices, type Numbers, type OpCase } from './cases/op_case.js';
import { counts } from './cases/one_hot.js';
import { padded } from './cases/pad.js';
import { transposed } from './cases/transpose.js';
import { backends, openSession } from './helpers/backends.js';
import { layerCase } from './helpers/layer_case.js';
import { compareCase } from './helpers/op_compare.js';

const L = gs.layers;

/** A layer of one float input x whose reference is a function of its numbers. */
function moves(name: string, layer: gs.Layer, shape: number[], reference: (x: readonly number[]) => number[]): OpCase {
  return layerCase({ name, layer, inputs: { x: { shape } }, reference: ({ x }) => ({ y: reference(x!) }) });
}

const same = (x: readonly number[]) => [...x];

/** Spatial amounts added to x of a shape: [before, after] an axis, none to the batch and the channels. */
const around = (shape: number[], amounts: [number, number][], sign: 1 | -1) => (x: readonly number[]) =>
  padded(x, shape, [0, ...amounts.map((a) => sign * a[0]), 0], [0, ...amounts.map((a) => sign * a[1]), 0]);

function dense(shape: number[], units: number, relu: boolean): OpCase {
  const features = shape.at(-1)!;
  return layerCase({
    name: `dense on [${shape.join(', ')}]${relu ? ', relu' : ''}`,
    layer: L.dense({ units, activation: relu ? 'relu' : 'linear' }),
    inputs: { x: { shape } },
    reference({ x, kernel, bias }: Numbers) {
      const result = [...shape.slice(0, -1), units];
      const y = indices(result).map((index) => {
        const unit = index.at(-1)!;
        let sum = bias![unit]!;
        for (let k = 0; k < features; k++) sum += x![flat(shape, [...index.slice(0, -1), k])]! * kernel![k * units + unit]!;
        return relu ? Math.max(sum, 0) : sum;
      });
      return { y };
    },
    terms: 16 * features,
  });
}

function encoding(mode: 'oneHot' | 'multiHot' | 'count', shape: number[], numTokens: number): OpCase {
  const one = mode === 'oneHot';
  return layerCase({
    name: `categoryEncoding ${mode} of [${shape.join(', ')}]`,
    layer: L.categoryEncoding({ numTokens, outputMode: mode }),
    inputs: { x: { shape, dtype: 'int32', range: [0, numTokens] } },
    reference: ({ x }) => ({
      y: counts(x!, one || shape.length === 1 ? 1 : shape.at(-1)!, numTokens).map((n) =>
        mode === 'multiHot' ? Math.min(n, 1) : n,
      ),
    }),
    gradients: [],
  });
}

const [S1, S2, S3] = [
  [2, 5, 3],
  [2, 5, 6, 3],
  [2, 4, 5, 3, 2],
];

const CASES: OpCase[] = [
  moves('reshape to given sizes', L.reshape({ targetShape: [4, 3] }), [2, 3, 4], same),
  moves('reshape with one size left open', L.reshape({ targetShape: [2, -1, 3] }), [2, 3, 4], same),
  moves('reshape to one number a sample', L.reshape({ targetShape: [-1] }), [3, 1], same),
  moves('reshape to none', L.reshape({ targetShape: [] }), [3, 1], same),
  moves('permute two axes', L.permute({ dims: [2, 1] }), [3, 4, 5], (x) => transposed(x, [3, 4, 5], [0, 2, 1])),
  moves('permute three axes', L.permute({ dims: [3, 1, 2] }), [2, 3, 4, 5], (x) => transposed(x, [2, 3, 4, 5], [0, 3, 1, 2])),
  moves('permute nothing', L.permute({ dims: [1, 2] }), [2, 3, 4], same),
  moves('repeatVector', L.repeatVector({ n: 3 }), [2, 4], (x) =>
    [0, 1].flatMap((r) => [0, 1, 2].flatMap(() => x.slice(4 * r, 4 * r + 4))),
  ),
  moves('zeroPadding1d by default', L.zeroPadding1d(), S1!, around(S1!, [[1, 1]], 1)),
  moves('zeroPadding1d by a number', L.zeroPadding1d({ padding: 2 }), S1!, around(S1!, [[2, 2]], 1)),
  moves('zeroPadding1d by a pair', L.zeroPadding1d({ padding: [0, 3] }), S1!, around(S1!, [[0, 3]], 1)),
  moves(
    'zeroPadding2d by default',
    L.zeroPadding2d(),
    S2!,
    around(
      S2!,
      [
        [1, 1],
        [1, 1],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding2d by a number',
    L.zeroPadding2d({ padding: 2 }),
    S2!,
    around(
      S2!,
      [
        [2, 2],
        [2, 2],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding2d by a pair',
    L.zeroPadding2d({ padding: [1, 2] }),
    S2!,
    around(
      S2!,
      [
        [1, 1],
        [2, 2],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding2d by pairs',
    L.zeroPadding2d({
      padding: [
        [1, 0],
        [2, 3],
      ],
    }),
    S2!,
    around(
      S2!,
      [
        [1, 0],
        [2, 3],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding3d by default',
    L.zeroPadding3d(),
    S3!,
    around(
      S3!,
      [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding3d by a triple',
    L.zeroPadding3d({ padding: [1, 0, 2] }),
    S3!,
    around(
      S3!,
      [
        [1, 1],
        [0, 0],
        [2, 2],
      ],
      1,
    ),
  ),
  moves(
    'zeroPadding3d by pairs',
    L.zeroPadding3d({
      padding: [
        [1, 0],
        [0, 0],
        [2, 3],
      ],
    }),
    S3!,
    around(
      S3!,
      [
        [1, 0],
        [0, 0],
        [2, 3],
      ],
      1,
    ),
  ),
  moves('cropping1d by default', L.cropping1d(), S1!, around(S1!, [[1, 1]], -1)),
  moves('cropping1d by a number', L.cropping1d({ cropping: 2 }), S1!, around(S1!, [[2, 2]], -1)),
  moves('cropping1d by a pair', L.cropping1d({ cropping: [0, 3] }), S1!, around(S1!, [[0, 3]], -1)),
  moves('cropping2d by default', L.cropping2d(), S2!, same),
  moves(
    'cropping2d by a number',
    L.cropping2d({ cropping: 2 }),
    S2!,
    around(
      S2!,
      [
        [2, 2],
        [2, 2],
      ],
      -1,
    ),
  ),
  moves(
    'cropping2d by a pair',
    L.cropping2d({ cropping: [0, 1] }),
    S2!,
    around(
      S2!,
      [
        [0, 0],
        [1, 1],
      ],
      -1,
    ),
  ),
  moves(
    'cropping2d by pairs',
    L.cropping2d({
      cropping: [
        [1, 0],
        [2, 3],
      ],
    }),
    S2!,
    around(
      S2!,
      [
        [1, 0],
        [2, 3],
      ],
      -1,
    ),
  ),
  moves(
    'cropping3d by default',
    L.cropping3d(),
    S3!,
    around(
      S3!,
      [
        [1, 1],
        [1, 1],
        [1, 1],
      ],
      -1,
    ),
  ),
  moves(
    'cropping3d by a triple',
    L.cropping3d({ cropping: [1, 2, 0] }),
    S3!,
    around(
      S3!,
      [
        [1, 1],
        [2, 2],
        [0, 0],
      ],
      -1,
    ),
  ),
  moves(
    'cropping3d by pairs',
    L.cropping3d({
      cropping: [
        [1, 0],
        [0, 4],
        [2, 0],
      ],
    }),
    S3!,
    around(
      S3!,
      [
        [1, 0],
        [0, 4],
        [2, 0],
      ],
      -1,
    ),
  ),
  dense([3, 4], 5, false),
  dense([2, 3, 4], 5, true),
  dense([2, 2, 3, 2, 3], 2, false),
  encoding('oneHot', [4], 3),
  encoding('oneHot', [4, 1], 3),
  encoding('oneHot', [4, 5], 8),
  encoding('multiHot', [4, 5], 6),
  encoding('multiHot', [4], 5),
  encoding('multiHot', [2, 3, 5], 4),
  encoding('count', [4, 7], 5),
];

for (const backend of backends()) {
  describe(`layers that move elements on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());
    for (const test of CASES) it(test.name, () => compareCase(session, backend.kind, test));
  });
}
