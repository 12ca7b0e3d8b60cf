/**
 * Rows looked up in a small table and then multiplied: the table is multiplied instead. Results and gradients beside the same
 * model with a layer in between that changes nothing, and what the program does.
 */
import { expect } from 'chai';
import { Graph } from '../lib/graph/graph.js';
import * as gs from '../lib/index.js';
import { embedding } from '../lib/ops/embedding.js';
import { rowProducts } from '../lib/ops/row_products.js';
import { backends } from './helpers/backends.js';

const [ROWS, STEPS, VOCABULARY] = [6, 8, 5];
const indices = Int32Array.from({ length: ROWS * STEPS }, (_, i) => (i * 7 + (i >> 2)) % VOCABULARY);
const targets = Float32Array.from({ length: ROWS * STEPS * 3 }, (_, i) => Math.sin(i));

/** `apart`: a dropout of nothing stands between the table and the product, so the rows are multiplied as they are. */
function build(kind: 'dense' | 'lstm', apart: boolean, device: string): gs.Model {
  const last = kind === 'dense' ? gs.layers.dense({ units: 3 }) : gs.layers.lstm({ units: 3, returnSequences: true });
  const model = gs.sequential([
    gs.layers.embedding({ inputDim: VOCABULARY, outputDim: 4, inputShape: [STEPS] }),
    ...(apart ? [gs.layers.activation({ activation: (x) => gs.ops.mul(x, 1) })] : []),
    last,
  ]);
  model.compile({ optimizer: gs.optimizers.sgd({ learningRate: 0.5 }), loss: 'meanSquaredError', device, seed: 7 });
  return model;
}

for (const device of new Set(backends().map((b) => b.device))) {
  for (const kind of ['dense', 'lstm'] as const) {
    it(`an embedding before ${kind} on ${device}: numbers and training are those of rows multiplied one by one`, async () => {
      const [quick, plain] = [build(kind, false, device), build(kind, true, device)];
      const x = gs.tensor(indices, [ROWS, STEPS]);
      const y = gs.tensor(targets, [ROWS, STEPS, 3]);
      await plain.setWeights(await quick.getWeights());
      const close = (a: Float32Array, b: Float32Array) =>
        a.forEach((v, i) => expect(v, `element ${i}`).to.be.closeTo(b[i]!, 2e-6));
      close((await quick.predict(x)).data, (await plain.predict(x)).data);
      for (const model of [quick, plain]) await model.fit(x, y, { epochs: 5, batchSize: ROWS, shuffle: false });
      const [after, expected] = [await quick.getWeights(), await plain.getWeights()];
      after.forEach((w, i) => close(w.data as Float32Array, expected[i]!.data as Float32Array));
      await quick.dispose();
      await plain.dispose();
    });
  }
}

it('a table is multiplied instead of its rows where each is looked up four times in the mean', () => {
  const opOf = (vocabulary: number, lookUps: number): string => {
    const graph = new Graph();
    const read = (name: string, dtype: 'float32' | 'int32', shape: number[]) => graph.read({ name, dtype, shape });
    const table = read('table', 'float32', [vocabulary, 4]);
    const rows = embedding(table, read('indices', 'int32', [lookUps]), read('s', 'int32', [4]), read('f', 'int32', [4]));
    return rowProducts(rows, read('kernel', 'float32', [4, 3])).node!.op.name;
  };
  expect(opOf(5, 20)).to.equal('embedding');
  expect(opOf(5, 19)).to.equal('matmul');
});

it('an index outside the table still names its layer', async () => {
  const model = build('lstm', false, 'cpu');
  const wrong = indices.slice();
  wrong[10] = VOCABULARY;
  const error = await model.predict(gs.tensor(wrong, [ROWS, STEPS])).then(
    () => undefined,
    (e: unknown) => e as gs.GradstepError,
  );
  expect(error?.code).to.equal('ERR_INDEX_RANGE');
  expect(error?.message).to.match(/embedding/);
});
