/**
 * Convolutions and attention with rounded operands, and products of what is stored in bfloat16, on a GPU without tensor cores for
 * them (compute capability 7.5): what multiplies in float32. The op-table walk runs the same cases on tensor cores.
 */
import { backends, openSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';
import type { NativeSession } from '../binding.js';

for (const backend of backends().filter(({ kind, order }) => kind === 'cuda' && order === 0)) {
  describe(`rounded operands without tensor cores on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      process.env.GRADSTEP_EMULATION_CAPABILITY = '7.5';
      session = openSession(backend);
    });
    after(async () => {
      await session.dispose();
      delete process.env.GRADSTEP_EMULATION_CAPABILITY;
    });

    for (const op of ['conv', 'attention', 'matmulNarrow']) {
      describe(op, () => {
        for (const test of ALL_CASES[op]!.filter(({ name }) => /in (bfloat16|tf32)/.test(name))) {
          it(test.name, () => compareCase(session, backend.kind, test));
        }
      });
    }

    describe('convolutions of what is stored in bfloat16', () => {
      for (const test of ALL_CASES.convNarrow!.filter(({ name }) => !name.includes('depthwise'))) {
        it(test.name, () => compareCase(session, backend.kind, test, undefined, []));
      }
    });
  });
}
