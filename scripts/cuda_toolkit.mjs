/**
 * A CUDA toolkit to compile the plugin with: the machine's (CUDA_HOME, nvcc on the PATH, /usr/local/cuda) where it is 12.4
 * or later and has cuBLAS's headers, otherwise the compiler, headers and static runtime of CUDA 13.0 from PyPI's wheels, in
 * a cache outside the tree. Nothing of it is needed to run the plugin.
 *
 *   node scripts/cuda_toolkit.mjs      prints the folder: bin/nvcc, include/, lib/ or lib64/
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const WHEELS = {
  'nvidia-cublas==13.0.2.14': '0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c',
  'nvidia-cuda-cccl==13.0.85': 'e0da7ad981f3a8aff08241b5bfc1af868742a63e2762f53a5171c492ef242649',
  'nvidia-cuda-crt==13.0.88': '2c8043c7c9e02492716426e9919fc78d2c5b3b2a7a768a88e952676b08aa55a4',
  'nvidia-cuda-nvcc==13.0.88': '56fe502eb77625a12f25172caa3cdddb4e4c8ba2c8c17dba44b164761b380f03',
  'nvidia-cuda-runtime==13.0.96': '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
  'nvidia-nvvm==13.0.88': 'c5f41ffeb6466944a026dfa5317d7d85355c119bbec279205d22f1869d1054e0',
};

/** Unpacks what compiling needs: everything but the shared libraries, which are 600 MB. */
const UNPACK = `
import re, sys, zipfile
for wheel in sys.argv[2:]:
    with zipfile.ZipFile(wheel) as z:
        z.extractall(sys.argv[1], [n for n in z.namelist() if not re.search(r'\\.so(\\.|$)', n)])
`;

function run(command, args) {
  const result = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (result.status !== 0) {
    throw new Error(`\`${[command, ...args.slice(0, 6)].join(' ')} …\` failed${result.error ? `: ${result.error.message}` : ''}`);
  }
}

/** Whether nvcc there is 12.4 or later and finds what the plugin includes. */
function isUsable(root) {
  if (!['bin/nvcc', 'include/cuda_runtime.h', 'include/cublasLt.h'].every((file) => existsSync(join(root, file)))) return false;
  const { stdout } = spawnSync(join(root, 'bin/nvcc'), ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /release (\d+)\.(\d+)/.exec(stdout ?? '') ?? [];
  return Number(major) * 100 + Number(minor) >= 1204;
}

function ofTheMachine() {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'nvcc'));
  const nvcc = onPath.filter((file) => existsSync(file)).map((file) => dirname(dirname(realpathSync(file))));
  return [process.env.CUDA_HOME, ...nvcc, '/usr/local/cuda'].find((root) => root && isUsable(root));
}

function fromWheels() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'gradstep');
  const root = join(cache, 'cuda-13.0');
  if (existsSync(root)) return root;
  console.error('cuda: downloading the compiler of CUDA 13.0 (525 MB)');
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, 'cuda-'));
  try {
    const requirements = Object.entries(WHEELS).map(([wheel, sha256]) => `${wheel} --hash=sha256:${sha256}\n`);
    writeFileSync(join(work, 'requirements.txt'), requirements.join(''));
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--require-hashes'];
    run('python3', [...download, '--dest', join(work, 'wheels'), '-r', join(work, 'requirements.txt')]);
    const wheels = readdirSync(join(work, 'wheels')).map((name) => join(work, 'wheels', name));
    run('python3', ['-c', UNPACK, work, ...wheels]);
    const toolkit = join(work, 'nvidia/cu13');
    // Unpacking drops the right to execute.
    for (const folder of [join(toolkit, 'bin'), join(toolkit, 'nvvm/bin')]) {
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        if (entry.isFile()) chmodSync(join(folder, entry.name), 0o755);
      }
    }
    renameSync(toolkit, root);
  } catch (error) {
    if (!existsSync(root)) throw error; // else another process was faster
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return root;
}

/** Folder of a toolkit; downloads one where the machine has none. */
export function cudaToolkit() {
  return ofTheMachine() ?? fromWheels();
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) console.log(cudaToolkit());
