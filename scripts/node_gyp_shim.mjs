#!/usr/bin/env node
/**
 * prebuildify builds by calling node-gyp; this stands in its place (PREBUILD_NODE_GYP) and calls cmake-js. It runs in the
 * folder that prebuildify was given and leaves the addon in build/Release/ there, linked against oneDNN 3.x. The arguments
 * are node-gyp's (a target version, a place for headers) and mean nothing to a Node-API addon.
 */
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { oneDnnRoot } from './onednn.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(process.cwd(), 'build');
const common = ['--directory', root, '--out', out, '--log-level', 'warn'];

for (const args of [
  ['configure', ...common, `--CDGRADSTEP_ONEDNN_ROOT=${oneDnnRoot()}`],
  ['build', ...common, '--target', 'gradstep', '--parallel', String(availableParallelism())],
]) {
  const result = spawnSync(process.execPath, [join(root, 'node_modules/cmake-js/bin/cmake-js'), ...args], { stdio: 'inherit' });
  if (result.status !== 0) process.exit(result.status ?? 1);
}
