/**
 * Fails when a CUDA kernel keeps registers or arrays in local memory, which is memory of the device: reads what ptxas said
 * while the plugin was built (native/cuda/compile.cmake keeps it).
 *
 *   node scripts/check_spills.mjs [folder]      the folder with the logs; build/native/cuda/ptxas without it
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Kernels that may do so, by words of name and architecture, and why it costs nothing that matters. */
const ALLOWED = {
  'depthwise_dw_kernelILi4E sm_100': 'four registers of 128, which ptxas wants for loads that are all under way at once',
};

/** Every kernel of a log, once for each architecture: its mangled name, registers, and bytes of local memory. */
export function kernelsOf(log) {
  const kernels = [];
  for (const line of log.split('\n')) {
    const [, name, architecture] = /Compiling entry function '(\S+)' for '(\S+)'/.exec(line) ?? [];
    if (name) kernels.push({ name, architecture, stack: 0, spilled: 0, registers: 0 });
    const kernel = kernels.at(-1);
    const [, stack, stores, loads] =
      /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line) ?? [];
    if (kernel && stack) {
      kernel.stack += Number(stack);
      kernel.spilled += Number(stores) + Number(loads);
    }
    const [, registers] = /Used (\d+) registers/.exec(line) ?? [];
    if (kernel && registers) kernel.registers = Number(registers);
  }
  return kernels;
}

/** Whether a kernel's name has every word. */
export function isMeant(words, kernel) {
  return words.split(' ').every((word) => kernel.includes(word));
}

/** Whether a kernel may use local memory on an architecture. */
export function isAllowed(name, architecture, allowed = ALLOWED) {
  return Object.keys(allowed).some((words) => isMeant(words, `${name} ${architecture}`));
}

/** Complaints, one a line, with the names of functions as they are in C++ where a program for that is there. */
export function inPlainNames(found) {
  const lines = found.join('\n');
  return spawnSync('c++filt', { input: lines, encoding: 'utf8' }).stdout || lines;
}

/** A sentence for each kernel that uses local memory and is not in `allowed`. */
export function complaints(kernels, allowed = ALLOWED) {
  return kernels
    .filter(({ stack, spilled }) => stack > 0 || spilled > 0)
    .filter(({ name, architecture }) => !isAllowed(name, architecture, allowed))
    .map(
      ({ name, architecture, stack, spilled }) =>
        `${name} (${architecture}): ${stack} bytes of local memory, ${spilled} bytes of spills`,
    );
}

/** A sentence for each architecture that some kernel was not compiled for. */
export function missing(kernels, architectures) {
  const counts = architectures.map((number) => kernels.filter(({ architecture }) => architecture === `sm_${number}`).length);
  const all = Math.max(...counts);
  return architectures
    .map((number, i) => `${counts[i]} of ${all} kernels were compiled for sm_${number}`)
    .filter((_, i) => counts[i] !== all);
}

/** The kernels of every log in a folder. Throws where there are none: then nothing was looked at. */
export function readLogs(folder) {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.log')) : [];
  const kernels = files.flatMap((name) => kernelsOf(readFileSync(join(folder, name), 'utf8')));
  if (kernels.length === 0) throw new Error(`No kernel is logged in ${folder}: build the CUDA plugin first (npm run setup)`);
  return kernels;
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const kernels = readLogs(process.argv[2] ?? join(root, 'build/native/cuda/ptxas'));
  const found = complaints(kernels);
  if (found.length > 0) {
    console.error(inPlainNames(found));
    process.exit(1);
  }
  const most = Math.max(...kernels.map(({ registers }) => registers));
  console.log(`spills: none that is not allowed in ${kernels.length} kernels; the largest uses ${most} registers`);
}
