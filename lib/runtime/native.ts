/**
 * Loads the native addon, and nothing else does. The binary is the one node-gyp-build finds in the package's folder:
 * build/Release in a checkout, prebuilds/ in an installed package, or whatever GRADSTEP_PREBUILD points to. It is
 * refused when it was built for another op table. Failures say what was sought, what was found, and what to run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NativeAddon } from '../../binding.js';
import { opTableHash } from '../compile/encode.js';
import { GradstepError } from '../errors.js';

const require = createRequire(import.meta.url);

/** The package's folder: where package.json lies, above this file whether it runs from lib/ or from dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (folder !== dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'gradstep') return folder;
    folder = dirname(folder);
  }
  throw new GradstepError(
    'ERR_LOAD',
    `gradstep's package.json is missing above ${fileURLToPath(import.meta.url)}: bundlers are to leave gradstep out (external), as it loads a binary that lies beside it; otherwise install the package again`,
  );
}

/** `linux-x64 (glibc 2.36)`. */
function platform(): string {
  const header = (process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined)?.header;
  const libc =
    process.platform !== 'linux' ? '' : header?.glibcVersionRuntime ? ` (glibc ${header.glibcVersionRuntime})` : ' (musl)';
  return `${process.platform}-${process.arch}${libc}`;
}

function howToBuild(root: string): string {
  return existsSync(join(root, 'CMakeLists.txt'))
    ? 'Build it with `npm run setup`.'
    : 'This package holds no sources. Get a checkout of gradstep, run `npm run setup` in it, and start your program with ' +
        'GRADSTEP_PREBUILD=<that checkout>.';
}

/** What Node.js says where its permission model, or a flag, keeps addons out. */
const FORBIDDEN: readonly unknown[] = ['ERR_ACCESS_DENIED', 'ERR_DLOPEN_DISABLED'];

function howToAllow(root: string): string {
  return `Start Node.js with --allow-addons, without --no-addons, and with --allow-fs-read=${root}/* and --allow-fs-read=/etc/alpine-release.`;
}

function loadError(root: string, what: string, cause?: unknown): GradstepError {
  const details = cause instanceof Error ? `\n  ${cause.message.trim().replaceAll('\n', '\n  ')}` : '';
  const isForbidden = FORBIDDEN.includes((cause as { code?: unknown } | undefined)?.code);
  return new GradstepError('ERR_LOAD', `${what}${details}\n${isForbidden ? howToAllow(root) : howToBuild(root)}`, { cause });
}

/** A loaded addon and the file it came from. */
export interface LoadedAddon {
  addon: NativeAddon;
  path: string;
}

/**
 * Loads the addon of the package in `root`, which must have been built for the op table `hash`. Throws ERR_LOAD naming
 * the platform, the places that were searched and the command that builds a binary.
 */
export function loadAddon(root: string, hash = opTableHash()): LoadedAddon {
  let path: string;
  try {
    const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };
    path = nodeGypBuild.path(root);
  } catch (error) {
    const places = [process.env.GRADSTEP_PREBUILD ?? root].flatMap((f) => [join(f, 'build/Release'), join(f, 'prebuilds')]);
    throw loadError(root, `gradstep has no binary for ${platform()} in ${places.join(' or ')}:`, error);
  }
  let addon: NativeAddon;
  try {
    addon = withShortSpins(() => require(path) as NativeAddon);
  } catch (error) {
    throw loadError(root, `gradstep's binary ${path} cannot be loaded on ${platform()}:`, error);
  }
  if (addon.opTableHash !== hash) {
    const found = `it has op table ${addon.opTableHash}, the JavaScript side ${hash}`;
    throw loadError(root, `gradstep's binary ${path} was built from other sources (${found}).`);
  }
  return { addon, path };
}

/**
 * libgomp reads its settings when it is loaded. Its threads spin between parallel regions for milliseconds by default,
 * which on a busy machine keeps the very thread waiting that they wait for: steps took 1.3 to 2.8 times as long beside
 * one busy process. A thousand turns do; inside a step threads are kept awake otherwise (native/cpu/thread_team.h). The
 * user's own settings win.
 */
function withShortSpins<T>(load: () => T): T {
  const { env } = process;
  if (env.GOMP_SPINCOUNT !== undefined || env.OMP_WAIT_POLICY !== undefined) return load();
  env.GOMP_SPINCOUNT = '1000';
  try {
    return load();
  } finally {
    delete env.GOMP_SPINCOUNT;
  }
}

let loaded: LoadedAddon | undefined;

function load(): LoadedAddon {
  return (loaded ??= loadAddon(packageRoot()));
}

/** The addon, loaded when it is first asked for. Throws ERR_LOAD. */
export function native(): NativeAddon {
  return load().addon;
}

/** What names another file than the one next to the addon; for tests. */
const PLUGINS = {
  cuda: { file: 'gradstep_cuda.so', variable: 'GRADSTEP_CUDA_PLUGIN' },
  'cuda-emulated': { file: 'gradstep_cuda_emulated.so', variable: 'GRADSTEP_EMULATED_PLUGIN' },
};

/** Path of a plugin library, or the place where it was sought. */
export function pluginPath(kind: keyof typeof PLUGINS): { path?: string; sought: string[] } {
  const { file, variable } = PLUGINS[kind];
  const place = process.env[variable] || join(dirname(load().path), file);
  return existsSync(place) ? { path: place, sought: [place] } : { sought: [place] };
}
