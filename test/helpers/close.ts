/** Numbers against numbers from elsewhere, element by element. */
import { expect } from 'chai';

export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 1e-5): void {
  expect(actual.length).to.equal(expected.length);
  Array.from(expected).forEach((e, i) => expect(actual[i], `element ${i}`).to.be.closeTo(e, tolerance));
}
