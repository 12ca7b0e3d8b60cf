/**
 * `npm run check`: everything that can be said about the sources without running them. All checks run, also after one
 * has failed; the tree is left as it was.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function succeeds(command, ...args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) console.error(`${command} could not be run: ${result.error.message}`);
  return result.status === 0;
}

/** Generates again, compares with what is there, and puts back what was there. */
function generatedFilesAreCurrent() {
  const folder = join(root, 'native/generated');
  const contents = () => new Map(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
  const before = contents();
  if (!succeeds('npm', 'run', '--silent', 'generate')) return false;
  const after = contents();
  const stale = [...after.keys()].filter((name) => after.get(name) !== before.get(name));
  for (const [name, text] of before) if (after.get(name) !== text) writeFileSync(join(folder, name), text);
  for (const name of stale) console.error(`native/generated/${name} is not current: run \`npm run generate\``);
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
