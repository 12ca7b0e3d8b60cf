/**
 * Makes the working tree ready, and does nothing where it is ready: system packages, npm packages, native builds.
 * Plain Node without dependencies, because it runs before there are any.
 *
 *   node scripts/setup.mjs addon     what the demo and the bench need: the native addon
 *   node scripts/setup.mjs test      also the C++ tests, the addon that the package ships, the emulated CUDA plugin, the CUDA
 *                                    plugin with its toolkit, and the part of TensorBoard that reads event files
 *   node scripts/setup.mjs check     what `npm run check` needs: npm packages and clang-format
 *   node scripts/setup.mjs           all of these
 *   node scripts/setup.mjs cuda      the CUDA plugin alone
 *   node scripts/setup.mjs prebuild  the addon that the package ships, and the CUDA plugin for every architecture that it
 *                                    supports, which takes long
 *   node scripts/setup.mjs shipped   the addon that the package ships, alone
 *   node scripts/setup.mjs races     the emulated CUDA plugin once more, such that it finds races, for `npm run check:full`
 *
 * GRADSTEP_CUDA_ARCHITECTURES names what the tree's own plugin is compiled for (`80` where it is not set).
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cudaToolkit } from './cuda_toolkit.mjs';
import { oneDnnRoot } from './onednn.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** System packages by what shows that they are there: a command on the PATH, a header, or a program that must succeed. */
const SYSTEM = [
  { package: 'g++', groups: ['addon', 'test', 'cuda', 'prebuild', 'shipped', 'races'], command: 'g++' },
  { package: 'cmake', groups: ['addon', 'test', 'cuda', 'prebuild', 'shipped', 'races'], command: 'cmake' },
  { package: 'ninja-build', groups: ['addon', 'test', 'cuda', 'prebuild', 'shipped', 'races'], command: ['ninja', 'make'] },
  { package: 'libdnnl-dev', groups: ['addon', 'test'], header: 'dnnl.hpp' },
  { package: 'python3-pip', groups: ['test', 'cuda', 'prebuild', 'shipped'], program: ['python3', '-m', 'pip', '--version'] },
  { package: 'patchelf', groups: ['test', 'prebuild'], command: 'patchelf' },
  { package: 'clang-format', groups: ['check'], command: 'clang-format' },
];

const CORE = ['CMakeLists.txt', 'package-lock.json', 'native/core', 'native/generated'];
const CPU = ['native/cpu', ['native/ops', '.h', '.cc']];
const CUDA = ['native/cuda', ['native/ops', '.h', '.cu', '.cuh']];
const EMULATION = 'test/native/cuda_emulation';

/** What the package's plugin is compiled for; with PTX of the last for GPUs to come. */
export const EVERY_ARCHITECTURE = ['75', '80', '86', '89', '90', '100'];

/** The CUDA plugin for some architectures, which are part of what it is made from. */
function cudaPlugin(folder, architectures) {
  return {
    folder,
    architectures,
    targets: ['gradstep_cuda'],
    download: 'cuda_toolkit.mjs',
    options: () => ({
      GRADSTEP_CUDA: 'ON',
      GRADSTEP_CUDA_TOOLKIT: cudaToolkit(),
      GRADSTEP_CUDA_ARCHITECTURES: architectures.join(';'),
    }),
    sources: [...CORE, ...CUDA, 'test/native/cublaslt', ['test/native', 'harness.h', 'harness.cc'], 'scripts/cuda_toolkit.mjs'],
    outputs: ['gradstep_cuda.so', 'gradstep_gemm_test', 'gradstep_choice_test'].map((name) => `${folder}/Release/${name}`),
  };
}

/**
 * Native builds. `sources` are files and folders (with an optional list of endings); a build is current while their
 * contents are those of its last success and its outputs exist. `options` are CMake's, `folder` is CMake's too (`build`
 * where none is named).
 */
export const BUILDS = [
  {
    name: 'addon',
    title: 'the native addon',
    groups: ['addon', 'test'],
    targets: ['gradstep'],
    options: () => ({}),
    sources: [...CORE, ...CPU, 'native/binding'],
    outputs: ['build/Release/gradstep.node'],
  },
  {
    name: 'addon-shipped',
    title: 'the addon on the oneDNN that the package ships',
    groups: ['test', 'prebuild', 'shipped'],
    targets: ['gradstep_shipped'],
    download: 'onednn.mjs',
    options: () => ({ GRADSTEP_SHIPPED_ONEDNN_ROOT: oneDnnRoot() }),
    sources: [...CORE, ...CPU, 'native/binding', 'scripts/onednn.mjs'],
    outputs: ['build/shipped/gradstep.node'],
  },
  {
    name: 'native-test',
    title: 'the C++ tests',
    groups: ['test'],
    targets: ['gradstep_native_test'],
    options: () => ({ GRADSTEP_TESTS: 'ON' }),
    sources: [...CORE, ...CPU, ['test/native', '.txt', '.h', '.cc']],
    outputs: ['build/Release/gradstep_native_test'],
  },
  {
    name: 'cuda-emulated',
    title: 'the emulated CUDA plugin',
    groups: ['test'],
    targets: ['gradstep_cuda_emulated', 'gradstep_broken_kernels', 'gradstep_racing_kernels', 'gradstep_cuda_backend_test'],
    options: () => ({ GRADSTEP_CUDA_EMULATED: 'ON' }),
    sources: [
      ...CORE,
      ...CUDA,
      EMULATION,
      'test/native/cuda_backend',
      'test/native/cudnn',
      ['test/native', 'harness.h', 'harness.cc', 'builder.h'],
    ],
    outputs: [
      'gradstep_cuda_emulated.so',
      'gradstep_broken_kernels',
      'gradstep_racing_kernels',
      'gradstep_cuda_backend_test',
    ].map((x) => `build/Release/${x}`),
  },
  {
    name: 'cuda-races',
    title: 'the emulated CUDA plugin that finds races',
    folder: 'build-races',
    groups: ['races'],
    targets: ['gradstep_cuda_emulated'],
    options: () => ({ GRADSTEP_CUDA_EMULATED: 'ON', GRADSTEP_CUDA_RACES: 'ON' }),
    sources: [...CORE, ...CUDA, EMULATION, 'test/native/cudnn'],
    outputs: ['build-races/Release/gradstep_cuda_emulated.so'],
  },
  {
    name: 'cuda',
    title: 'the CUDA plugin',
    groups: ['test', 'cuda'],
    ...cudaPlugin('build', (process.env.GRADSTEP_CUDA_ARCHITECTURES || '80').split(';')),
  },
  {
    name: 'cuda-full',
    title: 'the CUDA plugin for every architecture',
    groups: ['prebuild'],
    ...cudaPlugin('build-full', EVERY_ARCHITECTURE),
  },
];

/**
 * Whether `npm ci` is not needed: every package of the lock file that fits this platform (Linux with glibc) is installed in its
 * version. npm leaves out optional packages for no platform in particular (WebAssembly fallbacks) where a native one fits.
 */
export function dependenciesCurrent(lock, installed) {
  const fits = (list, value) => !list || (list.some((x) => x === value || x.startsWith('!')) && !list.includes(`!${value}`));
  const wanted = Object.entries(lock.packages).filter(
    ([path, entry]) =>
      path &&
      fits(entry.os, process.platform) &&
      fits(entry.cpu, process.arch) &&
      fits(entry.libc, 'glibc') &&
      !(entry.optional && !entry.os && !installed.packages[path]),
  );
  return wanted.every(([path, entry]) => installed.packages[path]?.version === entry.version);
}

/** The Debian packages that any of the groups needs and `probe` does not find, in order. */
export function missingPackages(groups, probe) {
  const needed = SYSTEM.filter((entry) => entry.groups.some((group) => groups.includes(group)));
  return needed.filter((entry) => !probe(entry)).map((entry) => entry.package);
}

/** What to tell a user who has to install packages by hand. */
export function installAdvice(packages) {
  return [
    `gradstep needs these Debian packages, which are not installed: ${packages.join(', ')}`,
    'They can only be installed by root. Run this, then the same command again:',
    '',
    `  sudo apt-get update && sudo apt-get install -y ${packages.join(' ')}`,
    '',
  ].join('\n');
}

function onPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, command)));
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function isInstalled(entry) {
  if (entry.command) return [entry.command].flat().some(onPath);
  if (entry.header) {
    const folders = [
      ...(process.env.CPLUS_INCLUDE_PATH ?? process.env.CPATH ?? '').split(delimiter),
      '/usr/include',
      '/usr/local/include',
    ];
    return folders.some((folder) => folder && existsSync(join(folder, entry.header)));
  }
  return succeeds(entry.program[0], entry.program.slice(1));
}

function say(line) {
  console.log(`setup: ${line}`);
}

/** Runs a command with its output shown (or, where `options` say that it is kept, shown on failure); ends the set-up where it fails. */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.status === 0) return;
  if (result.stdout) console.error(`${result.stdout}${result.stderr}`);
  const why = result.error ? result.error.message : `exit status ${result.status ?? result.signal}`;
  console.error(`setup: \`${[command, ...args].join(' ')}\` failed: ${why}`);
  process.exit(1);
}

function checkPlatform() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    console.error(`gradstep needs Node.js 20.19 or later; this is ${process.versions.node}.`);
    process.exit(1);
  }
  if (process.platform !== 'linux') {
    console.error(`gradstep builds on Linux (Debian 12 is what it is tested on); this is ${process.platform}.`);
    process.exit(1);
  }
}

function installPackages(groups) {
  const missing = missingPackages(groups, isInstalled);
  if (missing.length === 0) return;
  const isRoot = process.getuid() === 0;
  if (!onPath('apt-get') || !(isRoot || (onPath('sudo') && succeeds('sudo', ['-n', 'true'])))) {
    console.error(installAdvice(missing));
    process.exit(1);
  }
  say(`installing Debian packages: ${missing.join(' ')}`);
  const [command, ...prefix] = isRoot ? ['apt-get'] : ['sudo', '-n', 'apt-get'];
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const quietly = { env, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 26 };
  run(command, [...prefix, 'update', '-q'], quietly);
  run(command, [...prefix, 'install', '-y', '-q', '--no-install-recommends', ...missing], quietly);
}

function installDependencies() {
  const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));
  const installed = join(root, 'node_modules/.package-lock.json');
  if (existsSync(installed) && dependenciesCurrent(read('package-lock.json'), read('node_modules/.package-lock.json'))) return;
  say('installing npm packages');
  // No dependency needs its install script (esbuild's only replaces a launcher), and npm 10 and 11 differ in whether they run it.
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']);
}

function filesUnder(path, endings) {
  const full = join(root, path);
  if (!existsSync(full)) return [];
  if (!statSync(full).isDirectory()) return [full];
  return readdirSync(full, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && (endings.length === 0 || endings.some((ending) => entry.name.endsWith(ending))))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A hash of names and contents of everything a build is made from. */
export function sourceHash(sources) {
  const hash = createHash('sha256');
  const files = sources.map((source) => [source].flat()).flatMap(([path, ...endings]) => filesUnder(path, endings));
  for (const file of [...new Set(files)].sort()) {
    hash.update(relative(root, file)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

/** Configures with the options this build needs (those of other builds stay as they were), then builds its target. */
function compile(entry) {
  const cmakeJs = [join(root, 'node_modules/cmake-js/bin/cmake-js'), '--log-level', 'warn', '--out', join(root, folderOf(entry))];
  const options = Object.entries(entry.options()).map(([name, value]) => `--CD${name}=${value}`);
  run(process.execPath, [...cmakeJs, 'configure', ...options, '--', '-Wno-dev'], { stdio: ['ignore', 'ignore', 'inherit'] });
  for (const target of entry.targets) {
    run(process.execPath, [...cmakeJs, 'build', '--target', target, '--parallel', String(availableParallelism())]);
  }
}

function folderOf({ folder = 'build' }) {
  return folder;
}

/** What a build was made from: it is current while that, written down at its last success, is the same. */
function made(entry) {
  return [sourceHash(entry.sources), ...(entry.architectures ?? [])].join(' ');
}

function stampOf(entry) {
  return join(root, folderOf(entry), `.${entry.name}.stamp`);
}

function absentOutputs(entry) {
  return entry.outputs.filter((path) => !existsSync(join(root, path)));
}

function isCurrent(entry) {
  const stamp = stampOf(entry);
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === made(entry) && absentOutputs(entry).length === 0;
}

function build(entry) {
  say(`building ${entry.title}`);
  const started = Date.now();
  const stamp = stampOf(entry);
  const hash = made(entry);
  rmSync(stamp, { force: true });
  compile(entry);
  const absent = absentOutputs(entry);
  if (absent.length > 0) {
    console.error(`setup: the build of ${entry.title} did not produce ${absent.join(', ')}`);
    process.exit(1);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, hash);
  say(`built ${entry.title} in ${((Date.now() - started) / 1000).toFixed(0)} s`);
}

/**
 * Runs a script that puts something into the cache where it is not there, beside what the set-up goes on with; resolves when it is
 * done, and ends the set-up where it fails.
 */
function download(script) {
  const child = spawn(process.execPath, [join(root, 'scripts', script)], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve) => {
    child.once('close', (code) => {
      if (code === 0) return resolve();
      console.error(`setup: scripts/${script} failed`);
      process.exit(1);
    });
  });
}

/** Does what is left to do for the groups given. */
export async function setup(groups) {
  checkPlatform();
  installPackages(groups);
  const due = BUILDS.filter((entry) => entry.groups.some((group) => groups.includes(group)) && !isCurrent(entry));
  const scripts = due.map((entry) => entry.download).filter(Boolean);
  const downloads = new Map([...new Set(scripts)].map((script) => [script, download(script)]));
  const tensorboard = groups.includes('test') ? download('tensorboard.mjs') : undefined;
  installDependencies();
  for (const entry of due) {
    await downloads.get(entry.download);
    build(entry);
  }
  await tensorboard;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const groups = process.argv.slice(2);
  const known = ['addon', 'test', 'check', 'cuda', 'prebuild', 'shipped', 'races'];
  const unknown = groups.filter((group) => !known.includes(group));
  if (unknown.length > 0) {
    console.error(`Expected any of ${known.join(', ')} but received ${unknown.join(', ')}`);
    process.exit(1);
  }
  await setup(groups.length > 0 ? groups : ['addon', 'test', 'check']);
}
