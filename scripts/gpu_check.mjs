/**
 * `npm run gpu:check`, on any machine with an NVIDIA GPU: builds for it, runs op cases and golden models on it, watches them
 * with compute-sanitizer, times the bench beside its peers, and leaves a report in bench/results/. Stages do not depend on
 * one another: one that fails is recorded and the rest go on, and the report is written anew after each. What stages say is
 * in build/gpu_check/, or in logs/ beside the report where --out names a folder. Plain Node, because its first stage installs
 * the rest; without oneDNN, and with an addon that loads, it builds the CUDA plugin alone.
 *
 *   npm run gpu:check                                   all of it; CUDA_VISIBLE_DEVICES chooses among several GPUs
 *   npm run gpu:check -- --quick                        what a few minutes tell, for a GPU that is lent: two cases of each op, golden
 *                                                       models, memcheck and two workloads, each for at most as long as --limit says
 *   npm run gpu:check -- --stages ops,golden            some stages
 *   npm run gpu:check -- --stages bench --only mlp      some workloads of the bench: all of them beside their peers take hours
 *   npm run gpu:check -- --stages memcheck --all        compute-sanitizer over all op cases instead of the first two of each
 *                                                       op: hours instead of minutes
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { convolutionsOf, cudnnVersion, gpuOf, markdownOf, QUERY, reportName, sanitizerFindings } from './gpu_report.mjs';
import { countsOf, expectPassed, failuresOf, GRACE, passSpecs, runSpecs } from './specs.mjs';
import { ask, execute, runStages, stageTable, succeed, tailOf } from './stages.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
/** Where everything runs: CUDA's first GPU. */
const DEVICE = 'cuda:0';
const TESTED = { GRADSTEP_TEST_DEVICES: DEVICE };

const SANITIZERS = ['memcheck', 'racecheck', 'initcheck', 'synccheck'];
export const STAGES = ['build', 'ops', 'golden', ...SANITIZERS, 'bench'];

/** Cases of each op that compute-sanitizer watches without --all, and that are run with --quick. */
const CASES = '2';

/** Where reports are kept. */
const RESULTS = 'bench/results';

const OPTIONS = {
  stages: { type: 'string' },
  grep: { type: 'string' }, // op cases and golden models whose names match
  all: { type: 'boolean', default: false },
  only: { type: 'string' }, // workloads of the bench
  peers: { type: 'string' },
  seconds: { type: 'string' }, // for each measurement of the bench
  limit: { type: 'string' }, // seconds after which a stage begins no further test
  quick: { type: 'boolean', default: false },
  out: { type: 'string', default: RESULTS },
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

/** The GPU that CUDA calls the first; undefined where there is none. */
async function firstGpu() {
  const id = (process.env.CUDA_VISIBLE_DEVICES || '0').split(',')[0];
  const query = [`--query-gpu=${Object.values(QUERY).join(',')}`, '--format=csv,noheader,nounits', '-i', id];
  return gpuOf((await ask('nvidia-smi', query)) ?? '');
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
async function folderOf(library, wheels) {
  const isThere = (folder) => existsSync(folder) && readdirSync(folder).some((name) => library.test(name));
  const linked = (process.env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const known = ((await ask('ldconfig', ['-p'])) ?? '').split('\n');
  if (linked.some(isThere) || known.some((line) => library.test(line.trim().split(' ')[0]))) return undefined;
  const toolkit = process.env.CUDA_HOME || '/usr/local/cuda';
  const packages = await ask(python(), ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
  const nvidia = packages ? wheels.map((name) => join(packages.trim(), 'nvidia', name)) : [];
  return [toolkit, ...nvidia].flatMap((root) => [join(root, 'lib64'), join(root, 'lib')]).find(isThere);
}

async function addLibraries() {
  const folders = [
    await folderOf(/^libcublasLt\.so\.1[23]$/, ['cu13', 'cublas']),
    await folderOf(/^libcudnn\.so\.9$/, ['cudnn']),
  ];
  const all = [...folders, process.env.LD_LIBRARY_PATH].filter((path) => path);
  if (all.length > 0) process.env.LD_LIBRARY_PATH = all.join(delimiter);
}

/**
 * Runs compute-sanitizer over op cases. It waits ten seconds for a program's first call of CUDA unless it is told otherwise. What
 * calls return is not its affair: the plugin looks at all of them, and CUDA's own libraries make some in order to see whether
 * they fail. A kernel in which it finds something is ended, not the context with all that is behind it.
 */
async function sanitize(tool, log, { grep, all: every, limit }) {
  const watch = [sanitizer(), '--tool', tool, '--print-limit', '20', '--launch-timeout', '300', '--report-api-errors', 'no'];
  watch.push('--destroy-on-device-error', 'kernel');
  const env = { ...TESTED, ...(!every && { GRADSTEP_TEST_CASES: CASES }) };
  const all = await runSpecs(['test/op_table.spec.ts'], { log, grep, env, limit, watch });
  const { errors, first } = sanitizerFindings(all.output);
  const counts = countsOf(all, limit);
  if (errors > 0) throw new Error([`${errors} errors or hazards; op cases: ${counts}`, ...first, failuresOf(all)].join('\n'));
  expectPassed(all, limit);
  return { found: `nothing in op cases: ${counts}`, passed: all.passed };
}

/** Python with the peers. */
function python() {
  return process.env.GRADSTEP_PEER_PYTHON ?? 'python3';
}

/** Those of the peers that can be loaded, and the others. */
async function installedOf(peers) {
  const modules = { pytorch: 'torch', jax: 'jax, optax', keras: 'keras, tensorflow' };
  const here = [];
  for (const peer of peers) {
    const said = await ask(python(), ['-c', `import ${modules[peer]}`], { seconds: 120 });
    if (said !== undefined) here.push(peer);
  }
  return [here, peers.filter((peer) => !here.includes(peer))];
}

async function bench(log, { peers, seconds, only, limit }) {
  const [here, missing] = await installedOf(peers.split(',').filter((peer) => peer !== ''));
  const [json, cache] = [`${log}.json`, `${log}.choices`];
  for (const path of [json, cache]) rmSync(path, { force: true, recursive: true });
  const options = ['--device', DEVICE, '--precision', 'both', '--seconds', seconds, '--json', json];
  if (here.length > 0) options.push('--peers', ...here);
  if (only) options.push('--only', ...only.split(','));
  const { failure, output } = await execute([process.execPath, '--import', 'tsx', 'bench/run.ts', ...options], {
    log,
    env: { GRADSTEP_CACHE: cache },
    seconds: limit && Number(limit) + GRACE,
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

/** By which nvcc the plugin was built, as far as it can be told. */
async function nvccVersion() {
  try {
    const { cudaToolkit } = await import('./cuda_toolkit.mjs');
    return /release ([\d.]+)/.exec(await ask(join(cudaToolkit(), 'bin/nvcc'), ['--version']))?.[1] ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

/** What a stage does; it gets the path of its log. */
function stageNamed(name, options, gpu) {
  const tests = async (specs, log, env) => {
    const { grep, limit } = options;
    const all = await passSpecs(specs, { log, grep, limit, env: { ...TESTED, ...env } });
    return { found: countsOf(all, limit), passed: all.passed };
  };
  switch (name) {
    case 'build':
      return async (log) => {
        const architecture = gpu.capability.replace('.', '');
        const env = { GRADSTEP_CUDA_ARCHITECTURES: architecture };
        const groups = !hasOneDnn() && (await addonLoads()) ? ['cuda'] : ['addon', 'cuda'];
        await succeed([process.execPath, 'scripts/setup.mjs', ...groups], { log, env });
        return `for sm_${architecture}, by nvcc of CUDA ${await nvccVersion()}`;
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
      return (log) => sanitize(name, log, options);
  }
}

function hasOneDnn() {
  return ['/usr/include', '/usr/local/include'].some((folder) => existsSync(join(folder, 'dnnl.hpp')));
}

/** Whether there is an addon, for this op table, that this machine can load. */
async function addonLoads() {
  const load = `import('./lib/runtime/native.ts').then(({ native }) => native())`;
  return (await ask(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', load], { cwd: root })) !== undefined;
}

async function main() {
  const { values } = parseArgs({ options: OPTIONS });
  const options = { ...(values.quick ? QUICKLY : USUALLY), ...values };
  if (options.limit !== undefined && !(options.limit > 0)) {
    throw new Error(`Expected a number > 0 for --limit but received ${options.limit}`);
  }
  const names = stagesOf(options.stages);
  const gpu = await firstGpu();
  if (!gpu) throw new Error('No NVIDIA GPU was found (nvidia-smi lists none), and this check is about one.');
  // CUDA's own order of GPUs is by speed; nvidia-smi's is by the bus.
  process.env.CUDA_DEVICE_ORDER = 'PCI_BUS_ID';
  await addLibraries();
  const date = new Date();
  const cuda = /CUDA Version *: *([\d.]+)/.exec(await ask('nvidia-smi', []))?.[1] ?? 'unknown';
  const cudnn = cudnnVersion((await ask('python3', ['-c', ASK_CUDNN])) ?? '');
  const command = ['npm run gpu:check --', ...process.argv.slice(2)].join(' ');
  const folder = resolve(root, options.out);
  const path = join(folder, reportName(gpu.name, date));
  mkdirSync(folder, { recursive: true });
  const write = (soFar, smClockAfterMHz) => {
    const report = { date: date.toISOString(), command, device: DEVICE, gpu, cuda, cudnn, smClockAfterMHz, stages: soFar };
    writeFileSync(`${path}.json`, `${JSON.stringify(report, null, 1)}\n`);
    writeFileSync(`${path}.md`, markdownOf(report));
  };
  const keep = async (soFar) => {
    write(soFar, 'unknown'); // before the GPU is asked anything: it may have been lost
    write(soFar, (await firstGpu())?.smClockMHz ?? 'unknown');
  };
  const stages = names.map((name) => ({ name, run: stageNamed(name, options, gpu) }));
  // Reports are committed where they usually are, and logs are not.
  const logs = folder === join(root, RESULTS) ? join(root, 'build/gpu_check') : join(folder, 'logs');
  const results = await runStages('gpu:check', stages, logs, keep);
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
