/**
 * `npm run gpu:check`, on any machine with an NVIDIA GPU: builds for it, runs op cases and golden models on it, watches them
 * with compute-sanitizer, times the bench beside its peers, and leaves a report in bench/results/. Stages do not depend on
 * one another: one that fails is recorded and the rest go on, and the report is written anew after each. Plain Node, because its
 * first stage installs the rest; without oneDNN, and with an addon that loads, it builds the CUDA plugin alone.
 *
 *   npm run gpu:check                                   all of it; CUDA_VISIBLE_DEVICES chooses among several GPUs
 *   npm run gpu:check -- --quick                        what a few minutes tell, for a GPU that is lent: two cases of each op, golden
 *                                                       models, memcheck and two workloads, each for at most as long as --limit says
 *   npm run gpu:check -- --stages ops,golden            some stages
 *   npm run gpu:check -- --stages bench --only mlp      some workloads of the bench: all of them beside their peers take hours
 *   npm run gpu:check -- --stages memcheck --all        compute-sanitizer over all op cases instead of the first two of each
 *                                                       op: hours instead of minutes
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convolutionsOf, cudnnVersion, gpuOf, markdownOf, QUERY, reportName, sanitizerFindings } from './gpu_report.mjs';
import { execute, limited, mochaOf, runStages, runTests, stageTable, succeed, tailOf, testsOf } from './stages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where everything runs: CUDA's first GPU. */
const DEVICE = 'cuda:0';

const SANITIZERS = ['memcheck', 'racecheck', 'initcheck', 'synccheck'];
export const STAGES = ['build', 'ops', 'golden', ...SANITIZERS, 'bench'];

/** What compute-sanitizer exits with where it found something: no test does. */
const FOUND = '86';

/** Cases of each op that compute-sanitizer watches without --all, and that are run with --quick. */
const CASES = '2';

const OPTIONS = {
  stages: { type: 'string' },
  grep: { type: 'string' }, // op cases and golden models whose names match
  all: { type: 'boolean', default: false },
  only: { type: 'string' }, // workloads of the bench
  peers: { type: 'string' },
  seconds: { type: 'string' }, // for each measurement of the bench
  limit: { type: 'string' }, // seconds after which a stage begins no further test
  quick: { type: 'boolean', default: false },
  out: { type: 'string', default: 'bench/results' },
};

/** What options are where they are not given. */
const USUALLY = { stages: STAGES.join(','), peers: 'pytorch,jax', seconds: '2' };
const QUICKLY = {
  stages: 'build,ops,golden,memcheck,bench',
  peers: '',
  seconds: '0.5',
  only: 'mlp,cnn_mnist',
  limit: '100',
};

/** The stages asked for, in their order. Throws where one is not known. */
export function stagesOf(text) {
  const asked = text.split(',').map((name) => name.trim());
  const unknown = asked.filter((name) => !STAGES.includes(name));
  if (unknown.length > 0) throw new Error(`Expected any of ${STAGES.join(', ')} for --stages but received ${unknown.join(', ')}`);
  return STAGES.filter((name) => asked.includes(name));
}

function said(command, args) {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8' });
  return status === 0 ? stdout : '';
}

/** The GPU that CUDA calls the first; undefined where there is none. */
function firstGpu() {
  const id = (process.env.CUDA_VISIBLE_DEVICES || '0').split(',')[0];
  const query = [`--query-gpu=${Object.values(QUERY).join(',')}`, '--format=csv,noheader,nounits', '-i', id];
  return gpuOf(said('nvidia-smi', query));
}

/** Asks the cuDNN that the plugin finds, too: where the loader looks, or where NVIDIA's archives are unpacked. */
const ASK_CUDNN = `
import ctypes
for name in ['libcudnn.so.9', '/usr/local/cuda/lib64/libcudnn.so.9']:
    try:
        print(ctypes.CDLL(name).cudnnGetVersion())
        break
    except OSError:
        pass`;

function sanitizer() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), join(process.env.CUDA_HOME || '/usr/local/cuda', 'bin')];
  const found = folders.map((folder) => join(folder, 'compute-sanitizer')).find((path) => existsSync(path));
  if (!found) throw new Error('compute-sanitizer was not found: it is part of the CUDA toolkit');
  return found;
}

/**
 * Where a library lies, for LD_LIBRARY_PATH, where the dynamic linker does not find it: in the toolkit, or among the wheels that
 * PyTorch comes with.
 */
function folderOf(library, wheels) {
  const isThere = (folder) => existsSync(folder) && readdirSync(folder).some((name) => library.test(name));
  const linked = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const known = said('ldconfig', ['-p']).split('\n');
  if (linked.some(isThere) || known.some((line) => library.test(line.trim().split(' ')[0]))) return undefined;
  const toolkit = process.env.CUDA_HOME || '/usr/local/cuda';
  const packages = said(python(), ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']).trim();
  const nvidia = packages === '' ? [] : wheels.map((name) => join(packages, 'nvidia', name));
  return [toolkit, ...nvidia].flatMap((root) => [join(root, 'lib64'), join(root, 'lib')]).find(isThere);
}

function addLibraries() {
  const folders = [folderOf(/^libcublasLt\.so\.1[23]$/, ['cu13', 'cublas']), folderOf(/^libcudnn\.so\.9$/, ['cudnn'])];
  const all = [...folders, process.env.LD_LIBRARY_PATH].filter((path) => path);
  if (all.length > 0) process.env.LD_LIBRARY_PATH = all.join(delimiter);
}

function leftOut(skipped, limit) {
  return limit && skipped > 0 ? `, ${skipped} left out after ${limit} s` : '';
}

/**
 * A run of compute-sanitizer over op cases, in one process. It waits ten seconds for a program's first call of CUDA unless it
 * is told otherwise. What calls return is not its affair: the plugin looks at all of them, and CUDA's own libraries make some
 * in order to see whether they fail.
 */
async function sanitize(tool, log, { grep, all, limit }, env) {
  const watched = [sanitizer(), '--tool', tool, '--error-exitcode', FOUND, '--print-limit', '20', '--launch-timeout', '300'];
  watched.push('--report-api-errors', 'no');
  const few = all ? {} : { GRADSTEP_TEST_CASES: CASES };
  const command = [...watched, ...mochaOf(['test/op_table.spec.ts'], grep)];
  const { failure, output } = await execute(command, { log, ...limited(limit, { ...env, ...few }) });
  const { passed, failed, skipped } = testsOf(output);
  const { errors, first } = sanitizerFindings(output);
  if (errors > 0) throw new Error(`${errors} errors or hazards, op cases: ${passed + failed}\n${first.join('\n')}`);
  if (failure) throw new Error(`${failure}, ${passed} passed, ${failed} failed\n${tailOf(output)}`);
  return { found: `nothing in ${passed} op cases${leftOut(skipped, limit)}`, passed };
}

/** Python with the peers. */
function python() {
  return process.env.GRADSTEP_PEER_PYTHON ?? 'python3';
}

/** Those of the peers that can be loaded, and the others. */
function installedOf(peers) {
  const modules = { pytorch: 'torch', jax: 'jax, optax', keras: 'keras, tensorflow' };
  const isHere = (peer) => spawnSync(python(), ['-c', `import ${modules[peer]}`]).status === 0;
  return [peers.filter(isHere), peers.filter((peer) => !isHere(peer))];
}

async function bench(log, { peers, seconds, only, limit }) {
  const [here, missing] = installedOf(peers.split(',').filter((peer) => peer !== ''));
  const [json, cache] = [`${log}.json`, `${log}.choices`];
  for (const path of [json, cache]) rmSync(path, { force: true, recursive: true });
  const options = ['--device', DEVICE, '--precision', 'both', '--seconds', seconds, '--json', json];
  if (here.length > 0) options.push('--peers', ...here);
  if (only) options.push('--only', ...only.split(','));
  const { failure, output } = await execute([process.execPath, '--import', 'tsx', 'bench/run.ts', ...options], {
    log,
    env: { GRADSTEP_CACHE: cache },
    seconds: limit && 2 * limit + 30,
  });
  const choices = join(cache, 'cuda_algorithms.txt');
  const convolutions = convolutionsOf(existsSync(choices) ? readFileSync(choices, 'utf8') : '');
  const found = [
    `beside ${here.join(', ') || 'no peer'}`,
    ...missing.map((peer) => `${peer} is not installed`),
    `${convolutions.filter(({ way }) => way.startsWith('cudnn:')).length} of ${convolutions.length} convolutions by cuDNN`,
  ].join('; ');
  const table = output.slice(Math.max(0, output.indexOf('┌')));
  return {
    found,
    convolutions,
    ...(existsSync(json) && { table, measured: JSON.parse(readFileSync(json, 'utf8')) }),
    ...(failure && { error: `${failure}\n${tailOf(output)}` }),
  };
}

/** What a stage does; it gets the path of its log. */
function stageNamed(name, options, gpu) {
  // Algorithms that are chosen while tests run, some of them under compute-sanitizer, are not the user's.
  const env = { GRADSTEP_TEST_DEVICES: DEVICE, GRADSTEP_CACHE: join(root, 'build/gpu_check/cache') };
  const tests = async (specs, log, more = {}) => {
    const { passed, skipped } = await runTests(specs, {
      log,
      grep: options.grep,
      ...limited(options.limit, { ...env, ...more }),
    });
    return { found: `${passed} passed${leftOut(skipped, options.limit)}`, passed };
  };
  switch (name) {
    case 'build':
      return async (log) => {
        const architecture = gpu.capability.replace('.', '');
        const wanted = { GRADSTEP_CUDA_ARCHITECTURES: architecture };
        const groups = !hasOneDnn() && addonLoads() ? ['cuda'] : ['addon', 'cuda'];
        await succeed([process.execPath, 'scripts/setup.mjs', ...groups], { log, env: wanted });
        const { cudaToolkit } = await import('./cuda_toolkit.mjs');
        const [, version] = /release ([\d.]+)/.exec(said(join(cudaToolkit(), 'bin/nvcc'), ['--version'])) ?? [];
        return `for sm_${architecture}, by nvcc of CUDA ${version ?? 'unknown'}`;
      };
    case 'ops':
      return (log) => {
        const ways = [
          'recurrence_cuda',
          'dense_cuda',
          'conv_ways',
          'conv_cudnn',
          'passing_nan',
          'gradient_faults',
          'random_models',
          'random_ops',
          'second_gradients',
          'fuse_relu',
        ].map((name) => `test/${name}.spec.ts`);
        return tests(['test/op_table.spec.ts', ...ways], log, options.quick ? { GRADSTEP_TEST_CASES: CASES } : {});
      };
    case 'golden': // in those ways that are measured to be the fastest
      return (log) => tests(['test/golden.spec.ts'], log, { GRADSTEP_CUDA_WAYS: '' });
    case 'bench':
      return (log) => bench(log, options);
    default:
      return (log) => sanitize(name, log, options, env);
  }
}

function hasOneDnn() {
  return ['/usr/include', '/usr/local/include'].some((folder) => existsSync(join(folder, 'dnnl.hpp')));
}

/** Whether there is an addon, for this op table, that this machine can load. */
function addonLoads() {
  const load = `import('./lib/runtime/native.ts').then(({ native }) => native())`;
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', load], { cwd: root }).status === 0;
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  const options = { ...(values.quick ? QUICKLY : USUALLY), ...values };
  if (options.limit !== undefined && !(options.limit > 0)) {
    throw new Error(`Expected a number > 0 for --limit but received ${options.limit}`);
  }
  const names = stagesOf(options.stages);
  const gpu = firstGpu();
  if (!gpu) throw new Error('No NVIDIA GPU was found (nvidia-smi lists none), and this check is about one.');
  // CUDA's own order of GPUs is by speed; nvidia-smi's is by the bus.
  process.env.CUDA_DEVICE_ORDER = 'PCI_BUS_ID';
  addLibraries();
  const date = new Date();
  const cuda = /CUDA Version *: *([\d.]+)/.exec(said('nvidia-smi', []))?.[1] ?? 'unknown';
  const cudnn = cudnnVersion(said('python3', ['-c', ASK_CUDNN]));
  const command = ['npm run gpu:check --', ...process.argv.slice(2)].join(' ');
  const folder = resolve(root, options.out);
  const path = join(folder, reportName(gpu.name, date));
  mkdirSync(folder, { recursive: true });
  const keep = (soFar) => {
    const smClockAfterMHz = firstGpu()?.smClockMHz ?? 'unknown';
    const report = { date: date.toISOString(), command, device: DEVICE, gpu, cuda, cudnn, smClockAfterMHz, stages: soFar };
    writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
    writeFileSync(`${path}.md`, markdownOf(report));
  };
  const stages = names.map((name) => ({ name, run: stageNamed(name, options, gpu) }));
  const results = await runStages('gpu:check', stages, join(root, 'build/gpu_check'), keep);
  console.log(`\n${stageTable(results)}\n\nWritten: ${relative(process.cwd(), path)}.md and .json`);
  if (results.some(({ error }) => error !== undefined)) process.exitCode = 1;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await main();
  } catch (error) {
    console.error(`gpu:check: ${error.message}`);
    process.exitCode = 1;
  }
}
