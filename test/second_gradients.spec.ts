/**
 * Gradients of gradients through models of random layers (test/helpers/random_model.ts). Whatever a loss is, the matrix of its
 * second derivatives is symmetric: u·(H·v) = v·(H·u), each side a gradient of another number. What single ops' second derivatives
 * are is for the op table to say.
 *
 *     GRADSTEP_TEST_MODELS=1000 GRADSTEP_TEST_FIRST_MODEL=5000 npx mocha test/second_gradients.spec.ts     more of them, and others
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { OP_TABLE } from '../lib/ops/table.js';
import { backends } from './helpers/backends.js';
import { random } from './helpers/op_run.js';
import { randomModel, type RandomModel } from './helpers/random_model.js';

const COUNT = Number(process.env.GRADSTEP_TEST_MODELS || 21);
const FIRST = Number(process.env.GRADSTEP_TEST_FIRST_MODEL || 0);

const { ops } = gs;
const total = (list: readonly gs.Value[]): gs.Value => list.map((v) => ops.sum(v)).reduce((a, b) => ops.add(a, b));

/** u·(H·v), v·(H·u), and the sum of their terms' sizes. */
async function bothSides({ make, loss, x, text }: RandomModel, device: string, seed: number): Promise<[number, number, number]> {
  using model = make();
  model.compile({ optimizer: 'sgd', loss, device, seed: 3 });
  await model.getWeights();
  const { trainableVariables } = model;
  const next = random(seed);
  const drawn = (shape: readonly number[]) =>
    gs.tensor(
      Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, () => next() * 2 - 1),
      [...shape],
    );
  const wanted = drawn([x.shape[0]!, 3]);
  const given = Object.fromEntries(
    trainableVariables.flatMap((v, i) => ['u', 'v'].map((name) => [`${name}${i}`, drawn(v.shape)] as const)),
  );
  const data: Record<string, gs.Tensor> = { x, wanted, ...given };
  // Random numbers that a layer draws would be others on either side.
  const training = !/dropout|Noise/i.test(text);
  using sides = gs.compile(
    (at: Record<string, gs.Value>) => {
      const error = ops.sub(model.call(at.x!, { training }), at.wanted!);
      const slopes = gs.grad(ops.mean(ops.square(error)), trainableVariables);
      const times = (list: readonly gs.Value[], name: string) => list.map((g, i) => ops.mul(g, at[`${name}${i}`]!));
      const [hu, hv] = ['u', 'v'].map((name) => gs.grad(total(times(slopes, name)), trainableVariables)) as [
        gs.Value[],
        gs.Value[],
      ];
      const [uhv, vhu] = [times(hv, 'u'), times(hu, 'v')];
      return { uhv: total(uhv), vhu: total(vhu), size: total([...uhv, ...vhu].map((v) => ops.abs(v))) };
    },
    {
      inputs: Object.fromEntries(
        Object.entries(data).map(
          ([
            name,
            {
              shape,
              data: { constructor },
            },
          ]) => [name, { shape, dtype: constructor === Int32Array ? ('int32' as const) : ('float32' as const) }],
        ),
      ),
      device,
    },
  );
  const { uhv, vhu, size } = await sides(data);
  return [uhv!.data[0]!, vhu!.data[0]!, size!.data[0]!];
}

it('no op of a layer or a loss is without a derivative', () => {
  const without = OP_TABLE.filter(({ backward }) => !backward).map(({ name }) => name);
  // What updates memory or draws numbers, and what fusion alone makes.
  const known = [
    ...['adadelta', 'adagrad', 'adam', 'adamax', 'lion', 'nadam', 'rmsprop', 'sgd', 'weightDecay', 'movingAverage'],
    ...['clipByNorm', 'clipByValue', 'stepCount', 'restarts', 'gather', 'scatter', 'advance', 'random', 'randomTransform'],
    ...['metricSum', 'columnSums', 'histogram', 'dense', 'denseDx', 'denseDw', 'mlp', 'mlpGrad', 'toBfloat16'],
  ];
  expect(without).to.have.members(known);
});

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`gradients of gradients through random models on ${name}`, () => {
    const count = device === 'cuda-emulated' ? Math.ceil(COUNT / 3) : COUNT;
    for (let number = FIRST; number < FIRST + count; number++) {
      const model = randomModel(number);
      it(`${number}: ${model.text}`, async () => {
        const [uhv, vhu, size] = await bothSides(model, device, number + 7);
        expect(size).to.be.above(0);
        expect(uhv).to.be.closeTo(vhu, 1e-4 * size);
      });
    }
  });
}
