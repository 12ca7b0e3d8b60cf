/**
 * `npm run check`: everything that can be said about the sources without running them. All checks run, also after one
 * has failed, several at a time; each says what it found when it is done. The tree is left as it was.
 */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);

/** Runs a program; throws what it said where it fails. */
async function succeed(command, ...args) {
  try {
    await run(command, args, { cwd: root, maxBuffer: 1 << 28 });
  } catch (error) {
    throw new Error([error.stdout, error.stderr].filter(Boolean).join('\n').trimEnd() || error.message, { cause: error });
  }
}

function filesUnder(folder) {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Generates again, compares with what is there, and puts back what was there. */
async function generatedFilesAreCurrent() {
  const generated = filesUnder('native/generated');
  generated.push('lib/ops/table.ts', 'test/cases/index.ts');
  const contents = () => new Map(generated.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
  const before = contents();
  await succeed('npm', 'run', '--silent', 'generate');
  const after = contents();
  const stale = generated.filter((name) => after.get(name) !== before.get(name));
  for (const name of stale) writeFileSync(join(root, name), before.get(name));
  if (stale.length > 0) throw new Error(stale.map((name) => `${name} is not current: run \`npm run generate\``).join('\n'));
}

/** The longest first, so that none is left over at the end. */
const checks = [
  ['lint', () => succeed('eslint', '.')],
  ['types', () => succeed('tsc', '--noEmit')],
  ['formatting', () => succeed('prettier', '--check', '--log-level', 'warn', '.')],
  ['C++ formatting', () => succeed(process.execPath, 'scripts/clang_format.mjs', '--check')],
  ['layer rules', () => succeed('tsx', 'scripts/check_layers.ts')],
];
const failed = [];

async function check(name, passes) {
  const started = performance.now();
  const said = await passes().catch((error) => error.message);
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`check: ${name}: ${said === undefined ? 'passed' : 'failed'} in ${seconds} s`);
  if (said === undefined) return;
  console.error(said);
  failed.push(name);
}

// First and alone: it writes files that the others read.
await check('generated files', generatedFilesAreCurrent);
const waiting = [...checks];
async function work() {
  for (let next = waiting.shift(); next; next = waiting.shift()) await check(...next);
}
await Promise.all(Array.from({ length: availableParallelism() }, work));

if (failed.length > 0) {
  console.error(`check: failed: ${failed.join(', ')}`);
  process.exit(1);
}
