/**
 * Models of random layers (test/helpers/random_model.ts) in training, forward and back: what fusion makes of their programs gives the
 * numbers of the instructions as they were, and writes nowhere else.
 *
 *     GRADSTEP_TEST_MODELS=1000 GRADSTEP_TEST_FIRST_MODEL=5000 npx mocha test/random_fusion.spec.ts     more of them, and others
 */
import { expect } from 'chai';
import { gradients } from '../lib/ops/autodiff.js';
import { elementwise } from '../lib/ops/map.js';
import { streamOf } from '../lib/random.js';
import { coreOf } from '../lib/train/model_core.js';
import type { NativeSession } from '../binding.js';
import { FLAG, STATE, type CaseInput, type OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { MODES } from './helpers/op_compare.js';
import { inputNumbers, runCase, type RunOptions } from './helpers/op_run.js';
import { randomModel, type RandomModel } from './helpers/random_model.js';

const COUNT = Number(process.env.GRADSTEP_TEST_MODELS || 40);
const FIRST = Number(process.env.GRADSTEP_TEST_FIRST_MODEL || 0);
/** Relative to the largest number of a tensor, or to 0.02 where all are smaller. */
const TOLERANCE = 1e-4;

/** The model's outputs, and the gradients of their weighted squares by its weights. */
function trainingCase({ make, x, text }: RandomModel): OpCase {
  const network = coreOf(make()).networkFor([x.shape.slice(1)]);
  const inputs = Object.fromEntries(
    network.weights.map(({ name, shape }): [string, CaseInput] => [name, { shape, range: [-0.7, 0.7] }]),
  );
  const dtype = x.data instanceof Int32Array ? 'int32' : 'float32';
  return {
    name: text,
    inputs: {
      data: { shape: x.shape, dtype, data: [...x.data] },
      state: { ...STATE, data: [2, 0, 7, 1] },
      flag: FLAG,
      ...inputs,
    },
    build({ data, state, flag, ...weights }, variables) {
      const { graph } = data!;
      const flow = network.forward(graph, [data!], {
        ...{ state: state!, flag: flag!, training: true, isFrozen: () => false, stream: streamOf },
        variableOf: ({ name }) => variables[name]!,
      });
      const [y] = flow.outputs;
      const [names, values] = [Object.keys(weights), Object.values(weights)];
      const found = gradients(elementwise('square', elementwise('sub', y!, 0.3)), values);
      const statistics = flow.updates.map(({ value }, i) => [`statistics ${i}`, value] as const);
      return { y: y!, ...Object.fromEntries([...names.map((name, i) => [`by ${name}`, found[i]!] as const), ...statistics]) };
    },
    reference: () => ({}),
    gradients: [],
  };
}

function expectAlike(fused: Record<string, number[]>, plain: Record<string, number[]>): void {
  for (const [name, expected] of Object.entries(plain)) {
    const scale = expected.reduce((most, v) => Math.max(most, Math.abs(v)), 0.02);
    expected.forEach((v, i) => expect(fused[name]![i], `${name}, number ${i}`).to.be.closeTo(v, TOLERANCE * scale));
  }
}

for (const backend of backends().filter((b) => (b.order ?? 0) === 0)) {
  describe(`random models with and without fusion on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());

    const count = backend.device === 'cuda-emulated' ? Math.ceil(COUNT / 3) : COUNT;
    for (let number = FIRST; number < FIRST + count; number++) {
      const random = randomModel(number);
      it(`${number}: ${random.text}`, async () => {
        const test = trainingCase(random);
        const numbers = inputNumbers(test.inputs, number + 1);
        const run = async (mode: RunOptions) => (await runCase(session, backend.kind, test, numbers, mode)).outputs;
        const plain = await run(MODES.find(({ fusion }) => !fusion)!);
        for (const mode of MODES.filter(({ fusion }) => fusion)) expectAlike(await run(mode), plain);
        // Rounded, relus may be on their other side: that it runs, and makes numbers.
        const rounded = await run({ guardBytes: 64, fusion: true, precision: 'bfloat16' });
        for (const [name, values] of Object.entries(rounded)) expect(values.every(Number.isFinite), name).to.equal(true);
      });
    }
  });
}
