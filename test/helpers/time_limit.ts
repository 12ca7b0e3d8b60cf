/**
 * Tests that would begin when GRADSTEP_TEST_SECONDS seconds have passed are skipped, so that what ran until then is told: for
 * machines that are there for minutes (scripts/gpu_check.mjs).
 */
const seconds = Number(process.env.GRADSTEP_TEST_SECONDS || Infinity);

export function isLate(): boolean {
  return performance.now() > seconds * 1000;
}

export const mochaHooks = {
  beforeEach(this: Mocha.Context): void {
    if (isLate()) this.skip();
  },
};
