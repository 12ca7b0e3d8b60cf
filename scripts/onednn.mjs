/**
 * oneDNN 3.x from its PyPI wheels, laid out as CMake's option GRADSTEP_ONEDNN_ROOT wants it (include/, lib/, licenses/) in
 * a cache outside the tree. It is what the prebuilt package ships: unlike Debian's, it needs no OpenCL, and an old glibc.
 *
 *   node scripts/onednn.mjs      prints the folder
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '2023.2.0';
const WHEELS = [
  { name: 'onednn-cpu-gomp', sha256: '2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb' },
  { name: 'onednn-devel-cpu-gomp', sha256: '9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284' },
];

/** The name under which the addon finds it at run time. */
export const ONEDNN_SONAME = 'libdnnl.so.3';

function run(command, args) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (result.status !== 0)
    throw new Error(`\`${[command, ...args].join(' ')}\` failed${result.error ? `: ${result.error.message}` : ''}`);
}

/** Folder with oneDNN 3.x; downloads it (38 MB, checked against a hash) when it is not there. */
export function oneDnnRoot() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'gradstep');
  const root = join(cache, `onednn-${VERSION}`);
  if (existsSync(root)) return root;
  console.error(`onednn: downloading the wheels of oneDNN ${VERSION}`);
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'onednn-'));
  try {
    const requirements = WHEELS.map(({ name, sha256 }) => `${name}==${VERSION} --hash=sha256:${sha256}\n`).join('');
    writeFileSync(join(work, 'requirements.txt'), requirements);
    const download = ['download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes', '--dest', work];
    run('python3', ['-m', 'pip', ...download, '-r', join(work, 'requirements.txt')]);
    for (const { name } of WHEELS) {
      const stem = `${name.replaceAll('-', '_')}-${VERSION}`;
      run('python3', ['-m', 'zipfile', '-e', join(work, `${stem}-py2.py3-none-manylinux1_x86_64.whl`), work]);
      const data = join(work, `${stem}.data`, 'data');
      const done = join(work, 'root');
      mkdirSync(join(done, 'lib'), { recursive: true });
      if (existsSync(join(data, 'include'))) cpSync(join(data, 'include'), join(done, 'include'), { recursive: true });
      if (existsSync(join(data, 'lib', ONEDNN_SONAME))) {
        cpSync(join(data, 'lib', ONEDNN_SONAME), join(done, 'lib', ONEDNN_SONAME));
        symlinkSync(ONEDNN_SONAME, join(done, 'lib', 'libdnnl.so'));
        cpSync(join(data, 'share/doc/onednn'), join(done, 'licenses'), { recursive: true });
      }
    }
    renameSync(join(work, 'root'), root);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return root;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) console.log(oneDnnRoot());
