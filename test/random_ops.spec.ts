/**
 * Random expressions of `gs.ops` (test/helpers/random_expression.ts) in one program with their gradients, and the gradients of
 * those: what they are in float64, and what differences of that are.
 *
 *     GRADSTEP_TEST_MODELS=1000 GRADSTEP_TEST_FIRST_MODEL=5000 npx mocha test/random_ops.spec.ts     more of them, and others
 */
import { expect } from 'chai';
import * as gs from '../lib/index.js';
import { Array64 } from './helpers/array64.js';
import { backends } from './helpers/backends.js';
import { randomExpression, type RandomExpression } from './helpers/random_expression.js';
import { random } from './helpers/op_run.js';

const COUNT = Number(process.env.GRADSTEP_TEST_MODELS || 100);
const FIRST = Number(process.env.GRADSTEP_TEST_FIRST_MODEL || 0);
/** Of values, relative to the largest of a tensor; of gradients along a direction, relative to the sum of their terms' sizes. */
const TOLERANCE = 1e-4;
const GRADIENT_TOLERANCE = 1e-3;

const { ops } = gs;
const toTensor = ({ shape, data }: Array64): gs.Tensor => gs.tensor(Float32Array.from(data), [...shape]);
const moved = (x: Array64, h: number, along: Float64Array): Array64 =>
  new Array64(
    x.shape,
    x.data.map((v, i) => v + h * along[i]!),
  );

/** Σ tanh over the results, each with a weight of its own: what is differentiated. */
const weightOf = (result: number): number => 1 - 0.35 * result;
function exactLoss({ results, exact }: RandomExpression, inputs: readonly Array64[]): number {
  const values = exact(inputs);
  return results.reduce((sum, r) => sum + weightOf(r) * values[r]!.data.reduce((s, v) => s + Math.tanh(v), 0), 0);
}

interface Computed {
  readonly values: readonly gs.Tensor[];
  readonly gradients: readonly gs.Tensor[];
  /** Gradients of the gradients' sum along a direction. */
  readonly second: readonly gs.Tensor[];
}

async function computed(expression: RandomExpression, direction: readonly Float64Array[], device: string): Promise<Computed> {
  const { inputs, results } = expression;
  // Every other input is a variable.
  const variables = inputs.map((x, i) => (i % 2 === 0 ? gs.variable({ value: toTensor(x) }) : undefined));
  const given = Object.fromEntries(inputs.flatMap(({ shape }, i) => (variables[i] ? [] : [[`in${i}`, { shape }]])));
  const along = Object.fromEntries(inputs.map(({ shape }, i) => [`along${i}`, { shape }]));
  const named = (name: string, list: readonly gs.ops.Value[]) => Object.fromEntries(list.map((v, i) => [`${name}${i}`, v]));
  using step = gs.compile(
    (at: Record<string, gs.ops.Value>): Record<string, gs.ops.Value> => {
      const read = inputs.map((_, i) => variables[i]?.read() ?? at[`in${i}`]!);
      const values = expression.apply(read);
      const loss = results.map((r) => ops.mul(ops.sum(ops.tanh(values[r]!)), weightOf(r))).reduce((a, b) => ops.add(a, b));
      const gradients = gs.grad(loss, read);
      const slope = gradients.map((g, i) => ops.sum(ops.mul(g, at[`along${i}`]!))).reduce((a, b) => ops.add(a, b));
      const made = results.map((r) => values[r]!);
      return { ...named('value', made), ...named('gradient', gradients), ...named('second', gs.grad(slope, read)) };
    },
    { inputs: { ...given, ...along }, device: device as gs.DeviceName },
  );
  const numbers = inputs.flatMap((x, i): [string, gs.Tensor][] => [
    [`along${i}`, toTensor(new Array64(x.shape, direction[i]!))],
    ...(variables[i] ? [] : [[`in${i}`, toTensor(x)] as [string, gs.Tensor]]),
  ]);
  const found = await step(Object.fromEntries(numbers));
  const list = (name: string, count: number) => Array.from({ length: count }, (_, i) => found[`${name}${i}`]!);
  return {
    values: list('value', results.length),
    gradients: list('gradient', inputs.length),
    second: list('second', inputs.length),
  };
}

/** The sum of products, and of their sizes. */
function along(tensors: readonly gs.Tensor[], directions: readonly Float64Array[]): { sum: number; size: number } {
  let [sum, size] = [0, 0.01];
  tensors.forEach(({ data }, t) =>
    data.forEach((v, i) => {
      sum += v * directions[t]![i]!;
      size += Math.abs(v * directions[t]![i]!);
    }),
  );
  return { sum, size };
}

for (const { device, name } of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`random expressions on ${name}`, () => {
    for (let number = FIRST; number < FIRST + COUNT; number++) {
      const expression = randomExpression(number);
      it(`${number}: ${expression.text}`, async () => {
        const next = random(number + 1);
        const draw = () => expression.inputs.map(({ data }) => Float64Array.from(data, () => Math.fround(next() * 2 - 1)));
        const [u, v] = [draw(), draw()];
        const { values, gradients, second } = await computed(expression, u, device);

        const exact = expression.exact(expression.inputs);
        expression.results.forEach((r, k) => {
          const expected = exact[r]!;
          expect(values[k]!.shape, `shape of ${r}`).to.deep.equal([...expected.shape]);
          const scale = expected.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0.01);
          expected.data.forEach((x, i) => expect(values[k]!.data[i], `${r}[${i}]`).to.be.closeTo(x, TOLERANCE * scale));
        });

        const lossAt = (h: number, k: number) =>
          exactLoss(
            expression,
            expression.inputs.map((x, i) => moved(moved(x, h, u[i]!), k, v[i]!)),
          );
        const h = 1e-4;
        const slope = along(gradients, u);
        expect(slope.sum, 'gradient').to.be.closeTo((lossAt(h, 0) - lossAt(-h, 0)) / (2 * h), GRADIENT_TOLERANCE * slope.size);
        const bend = along(second, v);
        const expected = (lossAt(h, h) - lossAt(h, -h) - lossAt(-h, h) + lossAt(-h, -h)) / (4 * h * h);
        expect(bend.sum, 'gradient of the gradient').to.be.closeTo(expected, GRADIENT_TOLERANCE * bend.size);
      });
    }
  });
}

it('each operation of gs.ops is in one of a hundred expressions', () => {
  const texts = Array.from({ length: 100 }, (_, number) => randomExpression(number).text).join();
  // What no formula of the inputs is, or its gradient not that formula's: draws.spec.ts and stop_gradient.spec.ts have them.
  const others = ['randomNormal', 'randomUniform', 'stopGradient'];
  // ops_windowed.spec.ts has them.
  const windows = /^(conv|depthwiseConv|maxPool|avgPool)/;
  const missing = Object.keys(ops).filter(
    (name) => !others.includes(name) && !windows.test(name) && !new RegExp(`\\b${name}\\b`).test(texts),
  );
  expect(missing).to.deep.equal([]);
});
