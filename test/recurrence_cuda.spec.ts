/**
 * Recurrences on CUDA in one kernel (native/ops/turn_loop.cuh), where it takes them: in a persistent one, on tensor cores, and on a
 * GPU that has none (compute capability 7.5); and in clusters of blocks. The op-table walk runs the same cases with a product and a
 * launch each step. Which form is taken where that is measured: the one of fewest launches, if it yields the same, since those are
 * what the emulated clock counts.
 */
import { expect } from 'chai';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as gs from '../lib/index.js';
import { backends, isEmulationTested, openSession, sharedSession, type TestBackend } from './helpers/backends.js';
import { emulatedSession, Traced } from './helpers/emulation.js';
import { compareCase } from './helpers/op_compare.js';
import { inputNumbers, runCase } from './helpers/op_run.js';
import { ALL_CASES } from './cases/index.js';
import { gruCell } from './cases/gru.js';
import { lstmCell } from './cases/lstm.js';
import type { OpCase } from './cases/op_case.js';
import { forwardOnly, large } from './cases/recurrence_case.js';
import { simpleRnnCell } from './cases/simple_rnn.js';
import type { NativeSession } from '../binding.js';

/** Behind each test of the block that calls it. */
function setWaysBack(): void {
  const ways = process.env.GRADSTEP_CUDA_WAYS;
  afterEach(() => {
    process.env.GRADSTEP_CUDA_WAYS = ways;
  });
}

/** Whether the kernel takes a case, as far as that does not depend on the device. */
function isTaken({ name, inputs }: OpCase): boolean {
  const steps = (inputs.xw ?? inputs.dy)!.shape[1]!;
  return inputs.u!.shape[0]! % 4 === 0 && steps > 1 && !name.startsWith('reset before');
}

function compareInOneKernel(
  form: string,
  backend: TestBackend,
  open: () => NativeSession,
  wanted: (test: OpCase) => boolean,
): void {
  const session = sharedSession(open);
  setWaysBack();
  beforeEach(() => (process.env.GRADSTEP_CUDA_WAYS = form));

  for (const op of ['lstm', 'gru', 'simpleRnn', 'recurrenceNarrow']) {
    describe(op, () => {
      for (const test of ALL_CASES[op]!.filter((c) => isTaken(c) && wanted(c)))
        it(test.name, () => compareCase(session(), backend.kind, test));
    });
  }
}

for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
  for (const form of ['persistent', 'cluster']) {
    describe(`recurrences in one kernel (${form}) on ${backend.name}`, () => {
      compareInOneKernel(
        form,
        backend,
        () => openSession(backend),
        () => true,
      );
    });
  }

  if (backend.order !== 0) continue;
  describe(`rounded recurrences in one kernel without tensor cores on ${backend.name}`, () => {
    after(() => delete process.env.GRADSTEP_EMULATION_CAPABILITY);
    compareInOneKernel(
      'persistent',
      backend,
      () => {
        process.env.GRADSTEP_EMULATION_CAPABILITY = '7.5';
        return openSession(backend);
      },
      ({ name, narrow }) => narrow !== undefined || /in (bfloat16|tf32)/.test(name),
    );
  });
}

describe('the form of a recurrence on emulated CUDA', () => {
  if (!isEmulationTested()) return;

  const guarded = { guardBytes: 64, fusion: true };
  setWaysBack();

  async function nodes(): Promise<number> {
    const traced = new Traced();
    const session = emulatedSession();
    try {
      const test = forwardOnly(lstmCell, 'twenty steps', { b: 9, t: 20, h: 32 });
      await runCase(session, 'cuda', test, inputNumbers(test.inputs), guarded);
      const captured = traced.take().filter(([what]) => what === 'capture');
      return Math.max(...captured.map(([, count]) => count));
    } finally {
      await session.dispose();
      traced.end();
    }
  }

  it('is a product and a launch each step, unless the kernel is asked for', async () => {
    expect(await nodes()).to.be.at.least(19 + 20);
    process.env.GRADSTEP_CUDA_WAYS = 'persistent';
    expect(await nodes()).to.be.lessThan(10);
  });

  // A prediction of one row needs less shared memory than training, whose longer graphs are captured afterwards.
  it('makes no difference to training that a prediction interrupts', async () => {
    const x = gs.tensor(
      Float32Array.from({ length: 20 * 27 * 8 }, (_, i) => Math.sin(i * 1.7)),
      [20 * 27, 2, 4],
    );
    const y = gs.tensor(
      Float32Array.from({ length: 20 * 27 }, (_, i) => Math.cos(i)),
      [20 * 27, 1],
    );
    const losses = async (way: string): Promise<number[]> => {
      process.env.GRADSTEP_CUDA_WAYS = way;
      process.env.GRADSTEP_EMULATION_PACE = '1';
      using model = gs.sequential([gs.layers.lstm({ units: 32, inputShape: [2, 4] }), gs.layers.dense({ units: 1 })]);
      model.compile({ optimizer: 'sgd', loss: 'meanSquaredError', device: 'cuda-emulated', seed: 4 });
      const options = { batchSize: 27, shuffle: false };
      const batch = [gs.tensor(x.data.slice(0, 27 * 8), [27, 2, 4]), gs.tensor(y.data.slice(0, 27), [27, 1])] as const;
      const first = await model.fit(...batch, { ...options, epochs: 1 });
      await model.predict(gs.tensor(new Float32Array(8), [1, 2, 4]));
      const later = await model.fit(x, y, { ...options, epochs: 2 });
      return [...first.loss, ...later.loss];
    };
    try {
      const expected = await losses('first');
      (await losses('persistent')).forEach((loss, i) => expect(loss).to.be.closeTo(expected[i]!, 1e-5));
    } finally {
      delete process.env.GRADSTEP_EMULATION_PACE;
    }
  });

  describe('where it is measured', () => {
    let folder: string;
    let traced: Traced;
    let session: NativeSession | undefined;
    const { GRADSTEP_CACHE: cache } = process.env;
    beforeEach(() => {
      delete process.env.GRADSTEP_CUDA_WAYS;
      folder = mkdtempSync(join(tmpdir(), 'gradstep-ways-'));
      process.env.GRADSTEP_CACHE = folder;
      traced = new Traced(1000);
      session = emulatedSession();
    });
    afterEach(async () => {
      await session?.dispose();
      traced.end();
      process.env.GRADSTEP_CACHE = cache;
      rmSync(folder, { recursive: true });
    });

    // 24 steps: had rounding made more and more of itself, the forms would not count as alike.
    for (const [name, cell, precision] of [
      ['lstm', lstmCell, 'bfloat16'],
      ['gru', gruCell, 'float32'],
      ['simple_rnn', simpleRnnCell, 'tf32'],
    ] as const) {
      it(`is the kernel: ${name} in ${precision}`, async () => {
        const test = large(cell, name, { b: 9, t: 24, h: 32, precision, given: ['h0'] });
        await runCase(session!, 'cuda', test, inputNumbers(test.inputs), guarded);
        const kept = readFileSync(join(folder, 'cuda_algorithms.txt'), 'utf8')
          .split('\n')
          .filter((line) => /, (lstm|gru|simple_rnn)/.test(line))
          .map((line) => line.split('\t'))
          .map(([what, way]) => [/, (\w+) \d+x/.exec(what!)![1], Buffer.from(way!, 'hex').toString()]);
        expect(Object.fromEntries(kept)).to.deep.equal({ [name]: 'persistent', [`${name}_dx`]: 'persistent' });
      });
    }
  });
});
