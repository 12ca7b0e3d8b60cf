/**
 * The op-table walk: every case of every op on every backend, with guarded buffers and in place, fused and not, against
 * float64 references; gradients against central differences of the references. Then: no op, attribute value, dtype or
 * mode of the table may be without a case.
 */
import { expect } from 'chai';
import { Coverage } from './helpers/coverage.js';
import { backends, openSession, sharedSession } from './helpers/backends.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';

/** So many cases of each op: for tools of analysis, under which all of them take hours. */
const casesOfEach = Number(process.env.GRADSTEP_TEST_CASES || Infinity);

for (const backend of backends()) {
  describe(`op table on ${backend.name}`, () => {
    const coverage = new Coverage();
    const session = sharedSession(() => openSession(backend));

    for (const [op, cases] of Object.entries(ALL_CASES)) {
      describe(op, () => {
        for (const test of cases.slice(0, casesOfEach)) {
          it(test.name, async () => {
            await compareCase(session(), backend.kind, test, (program) => coverage.add(program));
          });
        }
      });
    }

    // A suite of its own, so that it comes after the cases.
    describe('coverage', () => {
      it('no op, attribute value, dtype or mode is without a case', function () {
        if (casesOfEach < Infinity) this.skip();
        expect(coverage.missing(backend.kind)).to.deep.equal([]);
      });
    });
  });
}
