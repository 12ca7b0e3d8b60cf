/**
 * clang-format over the C++ and CUDA sources: in place, or with --check only to report. Generated files are left out;
 * the generator decides what they look like.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const files = ['native', 'test']
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((path) => join(folder, path)))
  .filter((path) => /\.(h|cc|cu|cuh)$/.test(path) && !path.startsWith(join('native', 'generated')))
  .sort();

const mode = process.argv.includes('--check') ? ['--dry-run', '-Werror'] : ['-i'];
const result = spawnSync('clang-format', [...mode, ...files], { cwd: root, stdio: 'inherit' });
if (result.error) console.error(`clang-format could not be run: ${result.error.message}`);
process.exit(result.status ?? 1);
