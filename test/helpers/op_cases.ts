/**
 * Specs of the public functions of `gs.ops`: their cases on every backend, as the op table's are run, outputs and gradients by float64;
 * and what they refuse.
 */
import { expect } from 'chai';
import type { NativeSession } from '../../binding.js';
import type { ErrorCode } from '../../lib/errors.js';
import type { OpCase } from '../cases/op_case.js';
import { backends, openSession } from './backends.js';
import { compareCase } from './op_compare.js';

export function describeCases(title: string, cases: readonly OpCase[]): void {
  for (const backend of backends()) {
    describe(`${title} on ${backend.name}`, () => {
      let session: NativeSession;
      before(() => {
        session = openSession(backend);
      });
      after(() => session.dispose());
      for (const test of cases) {
        it(test.name, () => compareCase(session, backend.kind, test));
      }
    });
  }
}

/** What is wrong, how it is called, and a part of the message. */
export type Refusal = readonly [name: string, body: () => unknown, code: ErrorCode, message: string];

export function describeRefusals(title: string, refusals: readonly Refusal[]): void {
  describe(`${title}: wrong arguments`, () => {
    for (const [name, body, code, message] of refusals) {
      it(name, () => {
        expect(body).to.throw(message).with.property('code', code);
      });
    }
  });
}
