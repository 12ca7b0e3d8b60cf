/**
 * Merge layers: every option against formulas in float64 on each backend, results, gradients and masks; wrong options and
 * shapes by code and message; saving.
 */
import { expect } from 'chai';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import { joined } from './cases/concat.js';
import { flat, indices, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { layerCase } from './helpers/layer_case.js';
import { compareCase } from './helpers/op_compare.js';

const L = gs.layers;
type List = readonly number[];

/** Samples broadcast: x of a shape [rows, …sample] at an index of the result. */
function broadcastAt(x: List, [rows, ...sample]: List, [row, ...index]: List): number {
  const tail = index.slice(index.length - sample.length);
  return x[flat([rows!, ...sample], [row!, ...tail.map((v, i) => (sample[i] === 1 ? 0 : v))])]!;
}

function merge(name: string, layer: gs.Layer, shapes: number[][], of: (values: List) => number): OpCase {
  const rank = Math.max(...shapes.map((s) => s.length)) - 1;
  const sample = Array.from({ length: rank }, (_, i) => Math.max(...shapes.map((s) => s.slice(1).at(i - rank) ?? 1)));
  const result = [shapes[0]![0]!, ...sample];
  return layerCase({
    name: `${name} of ${shapes.map((s) => `[${s.join(', ')}]`).join(' ')}`,
    layer,
    inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape }])),
    reference: (numbers) => ({
      y: indices(result).map((index) => of(shapes.map((s, i) => broadcastAt(numbers[`x${i}`]!, s, index)))),
    }),
  });
}

const sum = (v: List) => v.reduce((a, b) => a + b);
const product = (v: List) => v.reduce((a, b) => a * b);
const MERGES: [string, (o?: gs.LayerOptions) => gs.Layer, (v: List) => number][] = [
  ['add', L.add, sum],
  ['multiply', L.multiply, product],
  ['average', L.average, (v) => sum(v) / v.length],
  ['maximum', L.maximum, (v) => Math.max(...v)],
  ['minimum', L.minimum, (v) => Math.min(...v)],
];

function concatenated(axis: number, at: number, shapes: number[][]): OpCase {
  return layerCase({
    name: `concatenate along ${axis}: ${shapes.map((s) => `[${s.join(', ')}]`).join(' ')}`,
    layer: L.concatenate({ axis }),
    inputs: Object.fromEntries(shapes.map((shape, i) => [`x${i}`, { shape }])),
    reference: (x) => ({
      y: joined(
        shapes.map((_, i) => x[`x${i}`]!),
        shapes,
        at,
      ),
    }),
  });
}

/** Σ a·b over an axis of each, sample by sample, written out. */
function dots(a: List, b: List, aShape: List, bShape: List, i: number, j: number, normalize: boolean): number[] {
  const length = (x: List, shape: List, axis: number, index: List) => {
    let total = 0;
    for (let k = 0; k < shape[axis]!; k++) total += x[flat(shape, index.with(axis, k))]! ** 2;
    return Math.max(Math.sqrt(total), 1e-7);
  };
  const others = (shape: List, axis: number) => shape.filter((_, n) => n !== axis && n !== 0);
  const [restA, restB] = [others(aShape, i), others(bShape, j)];
  return indices([aShape[0]!, ...restA, ...restB]).map(([row, ...index]) => {
    const place = (from: List, axis: number) => [row!, ...from].toSpliced(axis, 0, 0);
    const [pa, pb] = [place(index.slice(0, restA.length), i), place(index.slice(restA.length), j)];
    let total = 0;
    for (let k = 0; k < aShape[i]!; k++) total += a[flat(aShape, pa.with(i, k))]! * b[flat(bShape, pb.with(j, k))]!;
    return normalize ? total / length(a, aShape, i, pa) / length(b, bShape, j, pb) : total;
  });
}

function dot(
  axes: number | readonly [number, number],
  at: [number, number],
  a: number[],
  b: number[],
  normalize = false,
): OpCase {
  return layerCase({
    name: `dot over ${JSON.stringify(axes)} of [${a.join(', ')}] [${b.join(', ')}]${normalize ? ', normalized' : ''}`,
    layer: L.dot(normalize ? { axes, normalize } : { axes }),
    inputs: { a: { shape: a }, b: { shape: b } },
    reference: (x) => ({ y: dots(x.a!, x.b!, a, b, at[0], at[1], normalize) }),
    terms: 64,
  });
}

const MASK_A = [1, 0, 1, 1, 1, 0];
const MASK_B = [0, 0, 1, 1, 0, 1];
const STEPS = { a: { shape: [2, 3, 2] }, b: { shape: [2, 3, 2] } };

const CASES: OpCase[] = [
  ...MERGES.flatMap(([name, make, of]) => [
    merge(
      name,
      make(),
      [
        [3, 4],
        [3, 4],
      ],
      of,
    ),
    merge(
      name,
      make(),
      [
        [2, 3, 4],
        [2, 3, 4],
        [2, 3, 4],
      ],
      of,
    ),
    merge(
      name,
      make(),
      [
        [2, 3, 4],
        [2, 4],
        [2, 3, 1],
      ],
      of,
    ),
    merge(name, make(), [[3, 4]], of),
  ]),
  merge(
    'add',
    L.add(),
    Array.from({ length: 11 }, () => [2, 3]),
    sum,
  ),
  merge(
    'subtract',
    L.subtract(),
    [
      [3, 4],
      [3, 4],
    ],
    ([a, b]) => a! - b!,
  ),
  merge(
    'subtract',
    L.subtract(),
    [
      [2, 1, 4],
      [2, 3, 1],
    ],
    ([a, b]) => a! - b!,
  ),
  concatenated(-1, 1, [
    [3, 4],
    [3, 2],
  ]),
  concatenated(1, 1, [
    [2, 3, 4],
    [2, 1, 4],
    [2, 2, 4],
  ]),
  concatenated(2, 2, [
    [2, 3, 4],
    [2, 3, 1],
  ]),
  concatenated(-2, 1, [
    [2, 3, 4],
    [2, 1, 4],
  ]),
  concatenated(
    -1,
    1,
    Array.from({ length: 10 }, (_, i) => [2, (i % 3) + 1]),
  ),
  dot(1, [1, 1], [3, 4], [3, 4]),
  dot(-1, [1, 1], [3, 4], [3, 4], true),
  dot(2, [2, 2], [2, 3, 4], [2, 5, 4]),
  dot(1, [1, 1], [2, 3, 4], [2, 3, 5]),
  dot([2, 1], [2, 1], [2, 3, 4], [2, 4, 5]),
  dot([1, 2], [1, 2], [2, 4, 3], [2, 5, 4], true),
  dot([-1, 1], [2, 1], [2, 3, 4], [2, 4]),
  dot([1, 1], [1, 1], [2, 3], [2, 3, 4]),
  dot([2, -2], [2, 2], [2, 2, 3, 4], [2, 2, 3, 5]),
  dot([2, 2], [2, 2], [2, 2, 3, 4], [2, 2, 3, 5], true),
  layerCase({
    name: 'dot of a vector of zeros, and of one shorter than the epsilon, normalized',
    layer: L.dot({ axes: 1, normalize: true }),
    inputs: { a: { shape: [3, 2], data: [0, 0, 3e-8, 4e-8, 3, 4] }, b: { shape: [3, 2], data: [1, 0, 1, 0, 1, 0] } },
    reference: () => ({ y: [0, 0.3, 0.6] }),
    gradients: [],
  }),
  ...MERGES.map(([name, make, of]) =>
    layerCase({
      name: `${name}: a step counts where it does in any input`,
      layer: make(),
      inputs: STEPS,
      masks: { a: MASK_A, b: MASK_B },
      reference: ({ a, b }) => ({ y: a!.map((v, i) => of([v, b![i]!])), mask: MASK_A.map((m, i) => Math.max(m, MASK_B[i]!)) }),
    }),
  ),
  layerCase({
    name: 'concatenate features: a step counts where it does in any input',
    layer: L.concatenate(),
    inputs: STEPS,
    masks: { a: MASK_A, b: MASK_B },
    reference: ({ a, b }) => ({
      y: joined(
        [a!, b!],
        [
          [2, 3, 2],
          [2, 3, 2],
        ],
        2,
      ),
      mask: MASK_A.map((m, i) => Math.max(m, MASK_B[i]!)),
    }),
  }),
  layerCase({
    name: 'concatenate features: every step counts where one input has no mask',
    layer: L.concatenate(),
    inputs: { ...STEPS, c: { shape: [2, 3, 1] } },
    masks: { a: MASK_A, b: MASK_B },
    reference: ({ a, b, c }) => ({
      y: joined(
        [a!, b!, c!],
        [
          [2, 3, 2],
          [2, 3, 2],
          [2, 3, 1],
        ],
        2,
      ),
    }),
  }),
  layerCase({
    name: 'concatenate steps: so are the masks, and where there is none every step counts',
    layer: L.concatenate({ axis: 1 }),
    inputs: STEPS,
    masks: { b: MASK_B },
    reference: ({ a, b }) => ({
      y: joined(
        [a!, b!],
        [
          [2, 3, 2],
          [2, 3, 2],
        ],
        1,
      ),
      mask: [1, 1, 1, ...MASK_B.slice(0, 3), 1, 1, 1, ...MASK_B.slice(3)],
    }),
  }),
];

for (const backend of backends()) {
  describe(`merge layers on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());
    for (const test of CASES) it(test.name, () => compareCase(session, backend.kind, test));

    it('add with one masked input has no mask', async () => {
      const test = layerCase({
        name: 'one mask',
        layer: L.add(),
        inputs: STEPS,
        masks: { a: MASK_A },
        reference: ({ a, b }) => ({ y: a!.map((v, i) => v + b![i]!) }),
      });
      let made: string[] = [];
      const { build } = test;
      test.build = (values, variables) => {
        const results = build(values, variables);
        made = Object.keys(results);
        return results;
      };
      await compareCase(session, backend.kind, test);
      expect(made).to.deep.equal(['y']);
    });
  });
}

function expectError(body: () => unknown, code: string, message: string): void {
  expect(body).to.throw(message).with.property('code', code);
}

describe('merge layers', () => {
  const bad = (v: unknown) => v as never;
  const at = (...shape: number[]) => gs.input({ shape });

  it('shapes', () => {
    const shape = (layer: gs.Layer, ...inputs: number[][]) => layer.apply(inputs.map((s) => at(...s))).shape;
    expect(shape(L.add(), [3, 4], [4])).to.deep.equal([3, 4]);
    expect(shape(L.subtract(), [3, 1], [1, 4])).to.deep.equal([3, 4]);
    expect(shape(L.maximum(), [3])).to.deep.equal([3]);
    expect(shape(L.concatenate(), [3, 4], [3, 2])).to.deep.equal([3, 6]);
    expect(shape(L.concatenate({ axis: 1 }), [3, 4], [2, 4])).to.deep.equal([5, 4]);
    expect(shape(L.concatenate({ axis: -2 }), [3, 4], [2, 4])).to.deep.equal([5, 4]);
    expect(shape(L.dot({ axes: 1 }), [4], [4])).to.deep.equal([1]);
    expect(shape(L.dot({ axes: 1 }), [4, 2], [4, 3])).to.deep.equal([2, 3]);
    expect(shape(L.dot({ axes: [2, 1] }), [3, 4], [4])).to.deep.equal([3]);
    expect(shape(L.dot({ axes: [2, -1] }), [2, 4, 3], [5, 4])).to.deep.equal([2, 3, 5]);
  });

  it('wrong options and shapes are named', () => {
    expectError(() => L.add(bad({ axis: 1 })), 'ERR_OPTION', 'Unknown option "axis" for layers.add');
    expectError(() => L.add().apply([at(2, 3), at(4)]), 'ERR_SHAPE', 'Shapes [2, 3] and [4] do not broadcast together');
    expectError(
      () => L.subtract().apply([at(2), at(2), at(2)]),
      'ERR_SHAPE',
      'Expected 2 inputs for layers.subtract but received 3',
    );
    expectError(
      () => L.concatenate({ axis: 0 }),
      'ERR_OPTION',
      'Expected integer other than 0, which is the batch, for layers.concatenate.axis',
    );
    expectError(() => L.concatenate({ axis: bad('x') }), 'ERR_OPTION', 'layers.concatenate.axis');
    expectError(
      () => L.concatenate({ axis: 3 }).apply([at(2, 3), at(2, 3)]),
      'ERR_SHAPE',
      'Axis 3 is outside samples of shape [2, 3]',
    );
    expectError(() => L.concatenate({ axis: -3 }).apply([at(2, 3), at(2, 3)]), 'ERR_SHAPE', 'Axis -3 is outside');
    expectError(
      () => L.concatenate().apply([at(2, 3), at(3, 3)]),
      'ERR_SHAPE',
      'Samples of shapes [2, 3] and [3, 3] differ elsewhere than along axis -1',
    );
    expectError(() => L.concatenate().apply([at(2, 3), at(3)]), 'ERR_SHAPE', '[2, 3] and [3] differ');
    for (const axes of [undefined, 0, [1, 0], [1], 1.5, [1, 1, 1]]) {
      expectError(
        () => L.dot({ axes: bad(axes) }),
        'ERR_OPTION',
        'Expected integer other than 0, which is the batch, or two of them for layers.dot.axes',
      );
    }
    expectError(() => L.dot({ axes: 1, normalize: bad(1) }), 'ERR_OPTION', 'layers.dot.normalize');
    expectError(() => L.dot({ axes: 1 }).apply(at(2)), 'ERR_SHAPE', 'Expected 2 inputs for layers.dot but received 1');
    expectError(() => L.dot({ axes: 2 }).apply([at(2), at(2)]), 'ERR_SHAPE', 'Axis 2 is outside samples of shape [2]');
    expectError(() => L.dot({ axes: [2, 1] }).apply([at(2, 3), at(4, 5)]), 'ERR_SHAPE', 'axis 2 of [2, 3] and axis 1 of [4, 5]');
  });

  it('concatenate: a step counts where one input has no mask', async () => {
    const [ids, other] = [gs.input({ shape: [2], dtype: 'int32' }), gs.input({ shape: [2, 1] })];
    const one = gs.initializers.ones();
    const embedded = L.embedding({ inputDim: 2, outputDim: 1, maskZero: true, embeddingsInitializer: one }).apply(ids);
    using model = gs.model({ inputs: [ids, other], outputs: L.concatenate().apply([embedded, other]) });
    model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cpu' });
    const y = gs.tensor([
      [
        [1, 3],
        [0, 0],
      ],
    ]);
    const { loss } = await model.evaluate([gs.tensor([[1, 0]], [1, 2], 'int32'), gs.tensor([[[3], [3]]])], y);
    expect(loss).to.be.closeTo((0 + 0 + 1 + 9) / 4, 1e-6);
  });

  it('come back from a file with their options', async () => {
    const [a, b] = [gs.input({ shape: [3, 4], name: 'a' }), gs.input({ shape: [3, 4], name: 'b' })];
    const joint = L.concatenate({ axis: 1 }).apply([L.average().apply([a, b]), L.zeroPadding1d({ padding: [0, 2] }).apply(b)]);
    const similar = L.dot({ axes: [2, -1], normalize: true }).apply([joint, L.cropping1d({ cropping: 1 }).apply(a)]);
    const y = L.reshape({ targetShape: [-1] }).apply(L.permute({ dims: [2, 1] }).apply(similar));
    using model = gs.model({ inputs: [a, b], outputs: y });
    const x = [0.3, 0.7].map((step) =>
      gs.tensor(
        Float32Array.from({ length: 24 }, (_, i) => Math.sin(1 + i * step)),
        [2, 3, 4],
      ),
    );
    const expected = (await model.predict(x)) as gs.Tensor;
    const path = join(mkdtempSync(join(tmpdir(), 'gradstep-')), 'merge.safetensors');
    await model.save(path);
    using again = await gs.loadModel(path);
    const result = (await again.predict(x)) as gs.Tensor;
    expect(result.shape).to.deep.equal([2, 8]);
    expect([...result.data]).to.deep.equal([...expected.data]);
  });
});
