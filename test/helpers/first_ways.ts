/**
 * The emulation has no clock worth measuring by: of several ways to run a step (native/cuda/ways.h) tests take the first, unless
 * they name another. What tests do measure goes to a folder of their own, and not to the user's.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

process.env.GRADSTEP_CUDA_WAYS ??= 'first';

if (process.env.GRADSTEP_CACHE === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'gradstep-tests-'));
  process.env.GRADSTEP_CACHE = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
}
