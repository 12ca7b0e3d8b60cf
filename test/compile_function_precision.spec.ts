/** precision in gs.compile: what is multiplied and stored there, against float64 with rounded numbers, and what model.compile trains by it. */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { roundingOf } from './cases/rounded_operand.js';
import { backends } from './helpers/backends.js';
import { expectClose } from './helpers/close.js';
import { expectFailure, wrong } from './helpers/failure.js';

const { ops } = gs;
const numbers = (n: number, shift: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + shift));

/** a [4, k] · b [k, n] in float64, of rounded numbers. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, k: number, n: number, round: (x: number) => number): number[] {
  return Array.from({ length: 4 * n }, (_, at) => {
    let sum = 0;
    for (let i = 0; i < k; i++) sum += round(a[Math.floor(at / n) * k + i]!) * round(b[i * n + (at % n)]!);
    return sum;
  });
}

for (const { device, kind } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`precision of gs.compile on ${device}`, () => {
    for (const precision of ['float32', 'tf32', 'bfloat16'] as const) {
      it(`${precision}: what products multiply, and what comes out in float32`, async () => {
        const [x, w, u] = [numbers(4 * 6, 0), numbers(6 * 3, 1), numbers(3 * 5, 2)];
        const inputs = { x: { shape: [4, 6] }, w: { shape: [6, 3] }, u: { shape: [3, 5] } } as const;
        using f = gs.compile(
          (given) => {
            const first = ops.matmul(given.x, given.w);
            return { y: ops.matmul(ops.add(first, first), given.u), dw: gs.grad(ops.sum(first), [given.w])[0]! };
          },
          { inputs, device, precision },
        );
        const { y, dw } = await f({ x, w, u });
        const round = roundingOf(precision, kind);
        // In bfloat16 `first` is stored in it; the others are rounded when they are multiplied.
        const first = product(x, w, 6, 3, round).map((v) => 2 * (precision === 'bfloat16' ? round(v) : v));
        expectClose(y.data, product(first, u, 3, 5, round));
        const columns = Array.from({ length: 6 }, (_, i) => [0, 1, 2, 3].reduce((sum, r) => sum + round(x[r * 6 + i]!), 0));
        expectClose(
          dw.data,
          columns.flatMap((sum) => [sum, sum, sum]),
        );
      });
    }

    it('bfloat16: results are what was computed, though a product reads them, too, and so is what is made of them', async () => {
      using f = gs.compile(
        ({ x, w }) => {
          const largest = ops.maxPool(x);
          const next = ops.add(ops.mul(largest, 1), 1);
          return { largest, next: ops.cast(next, 'int32'), y: ops.matmul(ops.reshape(largest, [8, 2]), w) };
        },
        { inputs: { x: { shape: [1, 16, 2] }, w: { shape: [2, 2] } }, device, precision: 'bfloat16' },
      );
      const { largest, next } = await f({ x: Float32Array.from({ length: 32 }, (_, i) => 1001 + i), w: numbers(4, 0) });
      const expected = Array.from({ length: 16 }, (_, i) => 1001 + 4 * Math.floor(i / 2) + 2 + (i % 2));
      expect([...largest.data]).to.deep.equal(expected);
      expect([...next.data]).to.deep.equal(expected.map((v) => v + 1));
    });

    it('bfloat16 trains a model as fit does', async () => {
      const build = () =>
        gs.sequential([gs.layers.dense({ units: 8, activation: 'relu', inputShape: [6] }), gs.layers.dense({ units: 2 })]);
      const [x, y] = [gs.tensor(numbers(5 * 6, 0), [5, 6]), gs.tensor(numbers(5 * 2, 3), [5, 2])];
      const trained = async (precision: 'float32' | 'bfloat16'): Promise<number[]> => {
        using model = build();
        model.compile({
          optimizer: gs.optimizers.sgd({ learningRate: 0.25 }),
          loss: 'meanSquaredError',
          device,
          precision,
          seed: 5,
        });
        await model.fit(x, y, { epochs: 3, batchSize: 5, shuffle: false });
        return (await model.getWeights()).flatMap((w) => [...w.data]);
      };
      using model = build();
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device, seed: 5 });
      const { trainableVariables } = model;
      const optimizer = gs.optimizers.sgd({ learningRate: 0.25 });
      using step = gs.compile(
        (data) => {
          // Composed as fit's and returned, so that the same is rounded on the way back.
          const loss = ops.mean(ops.mean(ops.square(ops.sub(model.call(data.x), data.y)), { axis: -1 }));
          gs.applyGradients(optimizer, gs.grad(loss, trainableVariables), trainableVariables);
          return loss;
        },
        { inputs: { x: { shape: [5, 6] }, y: { shape: [5, 2] } }, device, precision: 'bfloat16' },
      );
      await step({ x, y }, { steps: 3 });
      const found = (await model.getWeights()).flatMap((w) => [...w.data]);
      const [rough, exact] = [await trained('bfloat16'), await trained('float32')];
      expectClose(found, rough);
      expect(Math.max(...exact.map((v, i) => Math.abs(v - rough[i]!))), 'float32 is elsewhere').to.be.greaterThan(1e-4);
    });
  });
}

describe('precision of gs.compile', () => {
  it('is one of three, by the same error as in model.compile', async () => {
    const message = (where: string) => `Unknown value "float16" for ${where}.precision: did you mean "bfloat16"?`;
    await expectFailure(() => gs.compile(() => undefined, { precision: wrong('float16') }), 'ERR_OPTION', message('gs.compile'));
    using model = gs.sequential([gs.layers.dense({ units: 1, inputShape: [1] })]);
    const options = { optimizer: 'sgd', loss: 'meanSquaredError', precision: wrong('float16') } as const;
    await expectFailure(() => model.compile(options), 'ERR_OPTION', message('compile'));
  });
});
