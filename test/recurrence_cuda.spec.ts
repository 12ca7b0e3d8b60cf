/**
 * Recurrences on CUDA in one persistent kernel (native/ops/persistent_recurrence.cuh), where its rule allows it. The op-table
 * walk runs the same cases with a product and a launch each step.
 */
import { backends, openSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';
import type { NativeSession } from '../binding.js';

for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
  describe(`recurrences in one kernel on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      process.env.GRADSTEP_CUDA_RECURRENCE = 'persistent';
      session = openSession(backend);
    });
    after(async () => {
      await session.dispose();
      delete process.env.GRADSTEP_CUDA_RECURRENCE;
    });

    for (const op of ['lstm', 'gru', 'simpleRnn']) {
      describe(op, () => {
        for (const test of ALL_CASES[op]!) it(test.name, () => compareCase(session, backend.kind, test));
      });
    }
  });
}
