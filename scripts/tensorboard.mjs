/**
 * TensorBoard's reader of event files for the tests: TensorBoard and what that part of it needs, from PyPI, in a cache outside the
 * tree. Nothing of it is needed to write event files.
 *
 *   node scripts/tensorboard.mjs      prints the folder to put on PYTHONPATH
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = ['tensorboard==2.21.0', 'absl-py==2.5.1', 'protobuf==7.36.2', 'numpy>=1.26,<3'];

/** The folder; installs it where it is not there. */
export function tensorboard() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'gradstep');
  const folder = join(cache, 'tensorboard-2.21.0');
  if (existsSync(folder)) return folder;
  console.error('tensorboard: downloading its reader of event files (25 MB)');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'tensorboard-'));
  try {
    const install = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--root-user-action=ignore'];
    const result = spawnSync('python3', [...install, '--target', work, ...PACKAGES], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (result.status !== 0) {
      throw new Error(`\`python3 ${install.join(' ')} …\` failed${result.error ? `: ${result.error.message}` : ''}`);
    }
    if (!existsSync(folder)) renameSync(work, folder);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return folder;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) console.log(tensorboard());
