/**
 * Fails when a CUDA kernel does not multiply on tensor cores as it is meant to, or where it is not meant to, when one keeps
 * arrays in local memory, and when one might not be launched or not see what was written: reads the PTX that nvcc made while the
 * plugin was built (native/cuda/compile.cmake keeps it).
 *
 *   node scripts/check_ptx.mjs [folder]      the folder with the PTX; build/native/cuda/ptx without it
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inPlainNames, isAllowed, isMeant } from './check_spills.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The first architecture whose tensor cores multiply bfloat16 and TF32. Kernels for those before only end the program. */
const FIRST = 80;

/** What every driver passes to a kernel; later ones pass more. */
const MOST_PARAMETERS = 4096;

/** Kernels by words of their names that need a later architecture for what they do, and only end the program before it. */
const LATER = { cluster_kernel: 90 };

/** Kernels by words of their names, once for each type that their operands are rounded to. */
function rounded(kernels) {
  return kernels.flatMap((name) => [
    [`${name} RoundedBfloat16`, 'bf16'],
    [`${name} Tf32`, 'tf32'],
  ]);
}

/** Kernels by words of their names whose operands are stored in bfloat16. */
function stored(kernels) {
  return kernels.map((name) => [`${name} StoredBfloat16`, 'bf16']);
}

/** What multiplies on tensor cores, by words of a kernel's name, and what PTX calls the type of its operands. Nothing else does. */
const MULTIPLIES = Object.fromEntries([
  ...rounded(['conv_kernel', 'conv_dx_kernel', 'conv_dw_kernel']),
  ...stored(['conv_kernel', 'conv_dx_kernel', 'conv_dw_kernel']),
  ...rounded(['attention_kernel', 'query_gradient_kernel', 'key_gradient_kernel']),
  ...rounded(['persistent_kernel', 'cluster_kernel']),
]);

/** Where a parameter that is declared by a line ends, if it begins at a place or, as it is aligned, behind it. */
function parameterEnd(line, place) {
  const [, align, bits, count = 1] = /^\s+\.param (?:\.align (\d+) )?\.[a-z]+(\d+) \w+(?:\[(\d+)\])?,?$/.exec(line) ?? [];
  if (!bits) return place;
  const bytes = Number(bits) / 8;
  const unit = Number(align ?? bytes);
  return Math.ceil(place / unit) * unit + bytes * Number(count);
}

/**
 * Every function of a PTX file: its mangled name, types of the operands it multiplies on tensor cores, uses of local memory, loads
 * by the read-only cache; of kernels the bytes of their parameters, and how many threads a block has at most, 0 where that is open.
 */
export function functionsOf(ptx) {
  const [, architecture] = /^\.target (sm_\d+)/m.exec(ptx) ?? [];
  const functions = [];
  for (const line of ptx.split('\n')) {
    const [, kind, name] = /^(?:\.visible |\.weak )*\.(entry|func)\s+(?:\(.*\)\s*)?(\w+)/.exec(line) ?? [];
    if (name) functions.push({ name, architecture, operands: new Set(), local: 0, readOnly: 0 });
    if (kind === 'entry') Object.assign(functions.at(-1), { parameters: 0, threads: 0 });
    const last = functions.at(-1);
    if (last?.parameters !== undefined) last.parameters = parameterEnd(line, last.parameters);
    const [, sizes] = /^\.(?:maxntid|reqntid) ([\d, ]+)/.exec(line) ?? [];
    if (sizes) last.threads = sizes.split(',').reduce((product, size) => product * Number(size), 1);
    if (/\bld\.global\.nc\b/.test(line)) last.readOnly++;
    const [, a, b] = /\bmma\.sync\.\S+\.(\w+)\.(\w+)\.\w+\s/.exec(line) ?? [];
    if (a) functions.at(-1).operands.add(a === b ? a : `${a} and ${b}`);
    if (/\.local\b/.test(line)) functions.at(-1).local++;
  }
  return functions;
}

/** A sentence for each function that does what is not expected of it, and for each expectation that no function meets. */
export function complaints(functions, multiplies = MULTIPLIES, later = LATER) {
  const isAble = (architecture, first) => Number(architecture.slice('sm_'.length)) >= first;
  const able = functions.filter(({ architecture }) => isAble(architecture, FIRST));
  const absent = Object.keys(multiplies).filter((words) => able.length > 0 && !able.some(({ name }) => isMeant(words, name)));
  const wrong = able.flatMap(({ name, architecture, operands }) => {
    const needed = Object.keys(later).filter((words) => isMeant(words, name));
    const isYetAble = needed.every((words) => isAble(architecture, later[words]));
    const expected = Object.keys(multiplies).filter((words) => isYetAble && isMeant(words, name));
    const types = (list) => [...new Set(list)].sort().join(', ') || 'nothing';
    const [made, meant] = [types(operands), types(expected.map((words) => multiplies[words]))];
    return made === meant ? [] : [`${name} (${architecture}): multiplies ${made} on tensor cores, expected ${meant}`];
  });
  const kernels = functions.filter(({ parameters }) => parameters !== undefined);
  const say = (list, what) => list.map((kernel) => `${kernel.name} (${kernel.architecture}): ${what(kernel)}`);
  const local = functions.filter(({ name, architecture, local: uses }) => uses > 0 && !isAllowed(name, architecture));
  return [
    ...absent.map((words) => `there is no kernel by the name of ${words}`),
    ...wrong,
    ...say(local, () => 'uses local memory'),
    // ptxas may give it more registers than a multiprocessor has for its threads.
    ...say(
      kernels.filter(({ threads }) => threads === 0),
      () => 'says by no __launch_bounds__ how many threads it is for',
    ),
    ...say(
      kernels.filter(({ parameters }) => parameters > MOST_PARAMETERS),
      ({ parameters }) => `takes ${parameters} bytes of parameters`,
    ),
    // Memory is used again within a step, and results take the place of operands.
    ...say(
      functions.filter(({ readOnly }) => readOnly > 0),
      () => 'reads by a cache that does not see what is written meanwhile (ld.global.nc)',
    ),
  ];
}

/** The functions of all PTX in a folder and the folders in it. Throws where there are none: then nothing was looked at. */
export function readPtx(folder) {
  const files = existsSync(folder) ? readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.ptx')) : [];
  const functions = files.flatMap((name) => functionsOf(readFileSync(join(folder, name), 'utf8')));
  if (functions.length === 0) throw new Error(`No kernel's PTX is in ${folder}: build the CUDA plugin first (npm run setup)`);
  return functions;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const functions = readPtx(process.argv[2] ?? join(root, 'build/native/cuda/ptx'));
  const found = complaints(functions);
  if (found.length > 0) {
    console.error(inPlainNames(found));
    process.exit(1);
  }
  const multiplying = functions.filter(({ operands }) => operands.size > 0).length;
  console.log(`tensor cores: ${multiplying} of ${functions.length} kernels multiply on them, as they are meant to`);
}
