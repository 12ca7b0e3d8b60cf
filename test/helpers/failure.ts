/** The error that something fails with, which must be a GradstepError; and a way to pass what the types forbid. */
import { expect } from 'chai';
import { GradstepError, type ErrorCode } from '../../lib/errors.js';

/** Waits for a promise, or runs a function, that must fail. */
export async function failure(body: Promise<unknown> | (() => unknown)): Promise<GradstepError> {
  try {
    await (typeof body === 'function' ? body() : body);
  } catch (error) {
    expect(error, String(error)).to.be.instanceOf(GradstepError);
    return error as GradstepError;
  }
  throw new Error('nothing was thrown');
}

/** Expects a failure with a code and a message: the whole message, or a pattern. */
export async function expectFailure(run: () => unknown, code: ErrorCode, message: string | RegExp): Promise<void> {
  const error = await failure(run);
  expect(error.code, error.message).to.equal(code);
  if (typeof message === 'string') expect(error.message).to.equal(message);
  else expect(error.message).to.match(message);
}

/** For arguments that the types forbid. */
export function wrong(value: unknown): never {
  return value as never;
}
