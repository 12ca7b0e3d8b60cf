/**
 * The layer rules: who may import whom, in TypeScript and in C++. A rule is a row of a table below; a folder that no row
 * names is an error, so that a new folder is placed deliberately. `npm run check` runs this; CONTRIBUTING.md explains it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const OPS = ['errors', 'options', 'random', 'graph', 'ops'];
const PARTS = [...OPS, 'activations', 'initializers', 'regularizers', 'constraints'];
const MODEL = [...PARTS, 'abort', 'layers', 'losses', 'metrics', 'schedules', 'optimizers', 'data', 'compile', 'runtime'];

/** Folders of lib/ (or single files, without their ending), each with the ones it may import besides itself. */
const TYPESCRIPT: Record<string, readonly string[]> = {
  errors: [],
  abort: ['errors'],
  options: ['errors'],
  random: ['errors'],
  graph: ['errors'],
  ops: ['errors', 'options', 'random', 'graph'],
  activations: OPS,
  initializers: OPS,
  regularizers: OPS,
  constraints: OPS,
  layers: PARTS,
  losses: OPS,
  metrics: [...OPS, 'losses'],
  schedules: OPS,
  optimizers: [...OPS, 'schedules'],
  data: ['errors', 'abort', 'options', 'random', 'graph'],
  compile: OPS,
  runtime: ['errors', 'options', 'graph', 'data', 'compile'],
  train: MODEL,
  index: [...MODEL, 'train'],
};

/** The only file that may load the native addon. */
const LOADER = 'lib/runtime/native.ts';
const LOADER_TEXT = /node-gyp-build|process\.dlopen|createRequire|\.node['"`]/;

/** Third-party headers by what may include them. A header that matches no row is free (standard library, POSIX). */
const THIRD_PARTY: readonly { header: RegExp; name: string; folders: readonly string[] }[] = [
  { header: /^(napi|node_api|js_native_api|uv|v8|node)(\.h|-inl\.h|_types\.h)$/, name: 'Node-API', folders: ['binding'] },
  { header: /^(oneapi\/dnnl\/|dnnl)/, name: 'oneDNN', folders: ['cpu', 'ops.cc'] },
  { header: /^(cuda|cublas|cudnn|nccl|mma\.h|cooperative_groups|curand)/, name: 'CUDA', folders: ['cuda', 'ops.cu'] },
];

/**
 * Folders of native/ and the ones each may include besides itself. native/ops is three: headers shared by the backends
 * (ops.h), CPU kernels (ops.cc), CUDA kernels (ops.cu).
 */
const CPP: Record<string, readonly string[]> = {
  generated: ['core', 'cpu', 'cuda', 'ops.h'],
  core: ['generated'],
  cpu: ['core', 'generated', 'ops.h'],
  cuda: ['core', 'generated', 'ops.h'],
  'ops.h': ['core', 'generated'],
  'ops.cc': ['core', 'cpu', 'generated', 'ops.h'],
  'ops.cu': ['core', 'cuda', 'generated', 'ops.h'],
  binding: ['core', 'generated'],
};

/** What one backend declares for itself in native/generated; the other backend and core must not see it. */
const GENERATED_FOR: Record<string, readonly string[]> = {
  'generated/cpu_ops.h': ['cpu', 'ops.cc'],
  'generated/cuda_ops.h': ['cuda', 'ops.cu'],
  'generated/map_chains.cuh': ['cuda', 'ops.cu'],
};

/**
 * The packages that the library may import, each with the only folder that may: small ones that readers of files and the
 * progress bar need, and sharp, an optional peer that is loaded when images are read and missed with a sentence.
 */
const PACKAGES: Readonly<Record<string, string>> = {
  'node-gyp-build': 'runtime',
  'csv-parse': 'data',
  yauzl: 'data',
  yazl: 'data',
  sharp: 'data',
  'cli-progress': 'train',
};

const BUILT_IN = new Set(builtinModules);

/** The part of lib/ a file belongs to: `lib/ops/map.ts` is in `ops`, `lib/errors.ts` is `errors`. */
function areaOf(path: string): string {
  const [, area = ''] = path.split('/');
  return area.replace(/\.ts$/, '');
}

/** The part of native/ a file belongs to. */
function partOf(path: string): string {
  const folder = path.split('/')[1] ?? '';
  if (folder !== 'ops') return folder;
  if (/\.cuh?$/.test(path)) return 'ops.cu';
  return path.endsWith('.cc') ? 'ops.cc' : 'ops.h';
}

function checkTypeScript(path: string, text: string): string[] {
  const area = areaOf(path);
  const allowed = TYPESCRIPT[area];
  if (!allowed) return [`${path}: no layer rule names ${area}; give it a row in scripts/check_layers.ts`];
  const problems: string[] = [];
  for (const { fileName: specifier } of ts.preProcessFile(text, true, true).importedFiles) {
    if (!specifier.startsWith('.')) {
      if (BUILT_IN.has(specifier.replace(/^node:/, ''))) continue;
      const folder = Object.hasOwn(PACKAGES, specifier) ? PACKAGES[specifier] : undefined;
      if (folder === undefined) problems.push(`${path}: the library may not depend on ${specifier}`);
      else if (folder !== area) problems.push(`${path}: only ${folder} may import ${specifier}`);
      continue;
    }
    const target = normalize(join(dirname(path), specifier)).replace(/\.js$/, '.ts');
    if (target === 'binding.ts') {
      if (area !== 'runtime' && area !== 'train') problems.push(`${path}: only runtime and train know the native interface`);
    } else if (!target.startsWith('lib/')) {
      problems.push(`${path}: the library may not import ${target}`);
    } else if (areaOf(target) !== area && !allowed.includes(areaOf(target))) {
      problems.push(`${path}: ${area} may not import ${areaOf(target)} (${specifier})`);
    }
  }
  if (path !== LOADER && LOADER_TEXT.test(text)) problems.push(`${path}: only ${LOADER} may load the native addon`);
  return problems;
}

function checkCpp(path: string, text: string): string[] {
  const part = partOf(path);
  const allowed = CPP[part];
  if (!allowed) return [`${path}: no layer rule names native/${part}; give it a row in scripts/check_layers.ts`];
  const problems: string[] = [];
  for (const match of text.matchAll(/^[ \t]*#[ \t]*include[ \t]+["<]([^">]+)[">]/gm)) {
    const header = match[1] ?? '';
    const owner = `native/${header}`;
    const third = THIRD_PARTY.find((row) => row.header.test(header));
    if (CPP[partOf(owner)] && header.includes('/')) {
      if (partOf(owner) !== part && !allowed.includes(partOf(owner))) {
        problems.push(`${path}: ${part} may not include ${header}`);
      } else if (GENERATED_FOR[header] && !GENERATED_FOR[header].includes(part)) {
        problems.push(`${path}: ${part} may not include ${header}`);
      }
    } else if (third && !third.folders.includes(part)) {
      problems.push(`${path}: only ${third.folders.join(', ')} may include headers of ${third.name} (${header})`);
    }
  }
  return problems;
}

/** Problems of a set of files, by path relative to the repository (`lib/…`, `native/…`). Empty when all rules hold. */
export function checkLayers(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, text]) => {
    if (path.startsWith('lib/') && path.endsWith('.ts')) return checkTypeScript(path, text);
    if (path.startsWith('native/') && /\.(h|cc|cuh?)$/.test(path)) return checkCpp(path, text);
    return [];
  });
}

/** Every file of lib/ and native/ with its contents. */
export function readTree(root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of ['lib', 'native']) {
    if (!existsSync(join(root, folder))) continue;
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(path.slice(root.length), readFileSync(path, 'utf8'));
    }
  }
  return files;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const problems = checkLayers(readTree(fileURLToPath(new URL('../', import.meta.url))));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exit(1);
}
