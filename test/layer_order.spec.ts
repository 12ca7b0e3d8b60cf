/** The order of layers and weights is Keras's: names as Keras 3.15.1 (torch) lists them for the same graphs, without inputs. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';

const L = gs.layers;
type Tensor = ReturnType<typeof gs.input>;
const dense = (name: string, x: Tensor): Tensor => L.dense({ units: 3, name }).apply(x);
const norm = (name: string, x: Tensor): Tensor => L.batchNormalization({ name }).apply(x);
const add = (...xs: Tensor[]): Tensor => L.add({ name: 'add' }).apply(xs);

/** Models, and in which order Keras has their layers. */
const GRAPHS: Readonly<Record<string, readonly [build: (a: Tensor, b: Tensor) => gs.Model, layers: string]>> = {
  'two inputs': [
    (a, b) => {
      const both = L.concatenate({ name: 'cat' }).apply([dense('b1', b), dense('a2', dense('a1', a))]);
      return gs.model({ inputs: [a, b], outputs: dense('o', both) });
    },
    'a1 b1 a2 cat o',
  ],
  'a shortcut': [
    (a) => {
      const first = dense('s1', a);
      return gs.model({ inputs: a, outputs: add(dense('sc', a), dense('s2', first)) });
    },
    's1 sc s2 add',
  ],
  'a layer at two depths': [
    (a) => {
      const shared = L.dense({ units: 3, name: 'sh' });
      const near = shared.apply(dense('p', a));
      return gs.model({ inputs: a, outputs: add(near, dense('q', shared.apply(dense('r', dense('u', a))))) });
    },
    'u p r sh q add',
  ],
  'a layer behind itself': [
    (a) => {
      const again = L.dense({ units: 3, name: 'w' });
      return gs.model({ inputs: a, outputs: add(again.apply(again.apply(a)), dense('v', a)) });
    },
    'w v add',
  ],
  'outputs of other depths': [
    (a) => {
      const h = dense('h', a);
      return gs.model({ inputs: a, outputs: [dense('side', h), dense('d3', dense('d2', dense('d1', h)))] });
    },
    'h d1 d2 side d3',
  ],
  'outputs the other way round': [
    (a) => {
      const h = dense('h', a);
      return gs.model({ inputs: a, outputs: [dense('d3', dense('d2', dense('d1', h))), dense('side', h)] });
    },
    'h d1 d2 d3 side',
  ],
  'a residual block with normalisations': [
    (a) => {
      const first = L.reLU({ name: 'r' }).apply(norm('bn1', dense('c1', a)));
      return gs.model({ inputs: a, outputs: add(norm('bns', dense('cs', a)), norm('bn2', dense('c2', first))) });
    },
    'c1 bn1 r cs c2 bns bn2 add',
  ],
  'an input in the middle': [
    (a) => {
      const middle = dense('m2', dense('m1', a));
      return gs.model({ inputs: middle, outputs: dense('tail', middle) });
    },
    'tail',
  ],
};

const names = (model: gs.Model): unknown[] => model.toJSON().layers.map(({ config }) => config.name);

describe('the order of layers', () => {
  for (const [what, [build, expected]] of Object.entries(GRAPHS)) {
    it(`of ${what}`, () => {
      const model = build(gs.input({ shape: [3], name: 'a' }), gs.input({ shape: [3], name: 'b' }));
      expect(names(model).join(' ')).to.equal(expected);
      expect(names(gs.modelFromJson(model.toJSON())).join(' ')).to.equal(expected);
    });
  }

  it('is that of weights, those of nested models at their place', async () => {
    const [a, i] = [gs.input({ shape: [3] }), gs.input({ shape: [3] })];
    const inner = gs.model({
      inputs: i,
      outputs: L.add().apply([dense('i1', i), dense('i3', dense('i2', i))]),
      name: 'inner',
    });
    const x = dense('before', a);
    const deep = inner.apply(dense('n2', dense('n1', x)));
    using model = gs.model({ inputs: a, outputs: add(dense('late', x), deep) });
    expect(model.weights.map((w) => w.name).filter((name) => name.endsWith('kernel'))).to.deep.equal(
      ['before', 'n1', 'n2', 'late', 'inner/i2', 'inner/i1', 'inner/i3'].map((name) => `${name}/kernel`),
    );
    await model.setWeights(
      model.weights.map(({ shape }, k) => gs.tensor(new Float32Array(shape[0]! * (shape[1] ?? 1)).fill(k), [...shape])),
    );
    expect((await model.getWeights()).map((w) => w.data[0])).to.deep.equal(model.weights.map((_, k) => k));
    const lines: string[] = [];
    model.summary({ printFn: (line) => lines.push(line) });
    const listed = lines.flatMap((line) => /^\W*(\w+) \(/.exec(line)?.[1] ?? []);
    expect(listed).to.deep.equal(['before', 'n1', 'n2', 'late', 'inner', 'add']);
  });
});
