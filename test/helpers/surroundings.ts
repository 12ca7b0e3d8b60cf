/**
 * What tests run in. The emulation has no clock worth measuring by: of several ways to run a step (native/cuda/ways.h) tests take
 * the first, unless they name another. What tests do measure, and all that they write to temporary folders, goes to one folder, which the
 * process that made it removes when it ends. Processes that it starts, mocha's workers among them, share that folder.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

process.env.GRADSTEP_CUDA_WAYS ??= 'first';

if (process.env.GRADSTEP_TEST_FOLDER === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'gradstep-tests-'));
  process.env.GRADSTEP_TEST_FOLDER = folder;
  process.env.TMPDIR = folder;
  process.env.GRADSTEP_CACHE ??= folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}
