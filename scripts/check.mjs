/**
 * `npm run check`: everything that can be said about the sources without running them. All checks run, also after one
 * has failed; the tree is left as it was.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function succeeds(command, ...args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) console.error(`${command} could not be run: ${result.error.message}`);
  return result.status === 0;
}

function filesUnder(folder) {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Generates again, compares with what is there, and puts back what was there. */
function generatedFilesAreCurrent() {
  const generated = filesUnder('native/generated');
  generated.push('lib/ops/table.ts', 'test/cases/index.ts');
  const contents = () => new Map(generated.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
  const before = contents();
  if (!succeeds('npm', 'run', '--silent', 'generate')) return false;
  const after = contents();
  const stale = generated.filter((name) => after.get(name) !== before.get(name));
  for (const name of stale) {
    writeFileSync(join(root, name), before.get(name));
    console.error(`${name} is not current: run \`npm run generate\``);
  }
  return stale.length === 0;
}

const checks = [
  ['generated files', generatedFilesAreCurrent],
  ['formatting', () => succeeds('prettier', '--check', '--log-level', 'warn', '.')],
  ['C++ formatting', () => succeeds(process.execPath, 'scripts/clang_format.mjs', '--check')],
  ['lint', () => succeeds('eslint', '.')],
  ['layer rules', () => succeeds('tsx', 'scripts/check_layers.ts')],
  ['types', () => succeeds('tsc', '--noEmit')],
];

const failed = checks.filter(([name, passes]) => {
  console.log(`check: ${name}`);
  return !passes();
});
if (failed.length > 0) {
  console.error(`check: failed: ${failed.map(([name]) => name).join(', ')}`);
  process.exit(1);
}
