/**
 * Recurrences on CUDA, a product and a launch each turn. The op-table walk runs them in one kernel wherever its rule allows
 * it (native/ops/persistent_recurrence.cuh); here the same cases run without it.
 */
import { backends, openSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';
import type { NativeSession } from '../binding.js';

for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
  describe(`recurrences turn by turn on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      process.env.GRADSTEP_CUDA_RECURRENCE = 'steps';
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
