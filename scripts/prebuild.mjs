/**
 * Fills prebuilds/linux-x64/ with what the package ships: the addon built against oneDNN 3.x, the CUDA plugin, oneDNN and
 * libgomp under their SONAMEs (all found next to each other, by $ORIGIN), and the licences of the bundled libraries.
 * Does nothing while the sources are those of the last run.
 *
 *   node scripts/prebuild.mjs [plugin]   the CUDA plugin to ship; without it the one for every architecture. Both plugins and
 *                                        the addon are built by `node scripts/setup.mjs prebuild` and `test`
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ONEDNN_SONAME, oneDnnRoot } from './onednn.mjs';
import { BUILDS, sourceHash } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const target = join(root, 'prebuilds/linux-x64');
const built = (name) => BUILDS.find((entry) => entry.name === name).outputs[0];
const addon = built('addon-shipped');
const plugin = process.argv[2] ?? built('cuda-full');

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (result.status === 0) return result.stdout;
  console.error(
    `prebuild: \`${[command, ...args].join(' ')}\` failed: ${result.error?.message ?? `exit status ${result.status}`}`,
  );
  process.exit(1);
}

/** The compiler's own libgomp, with its licence where Debian keeps it. */
function gomp() {
  const library = run('g++', ['-print-file-name=libgomp.so.1'], { stdio: 'pipe', encoding: 'utf8' }).trim();
  return { library, licenses: ['/usr/share/doc/libgomp1/copyright', '/usr/share/common-licenses/GPL-3'] };
}

function copyLibraries() {
  const onednn = oneDnnRoot();
  const { library, licenses } = gomp();
  for (const file of [addon, plugin]) cpSync(join(root, file), join(target, basename(file)));
  cpSync(join(onednn, 'lib', ONEDNN_SONAME), join(target, ONEDNN_SONAME));
  cpSync(library, join(target, 'libgomp.so.1'), { dereference: true });
  for (const file of ['LICENSE', 'THIRD-PARTY-PROGRAMS'])
    cpSync(join(onednn, 'licenses', file), join(target, 'licenses/onednn', file));
  for (const file of licenses) cpSync(file, join(target, 'licenses/libgomp', basename(file)), { dereference: true });
}

const files = [basename(addon), basename(plugin), ONEDNN_SONAME, 'libgomp.so.1'];
const sources = sourceHash([
  ...BUILDS.filter((entry) => ['addon-shipped', 'cuda'].includes(entry.name)).flatMap((entry) => entry.sources),
  'scripts/prebuild.mjs',
]);
const hash = `${sources} ${plugin}`;
const stamp = join(root, 'build/.prebuilds.stamp');
const current =
  existsSync(stamp) && readFileSync(stamp, 'utf8') === hash && files.every((file) => existsSync(join(target, file)));

if (!current) {
  run(process.execPath, ['scripts/setup.mjs', 'shipped']);
  rmSync(stamp, { force: true });
  rmSync(target, { recursive: true, force: true });
  copyLibraries();
  for (const file of files) {
    run('strip', ['--strip-unneeded', join(target, file)]);
    run('patchelf', ['--set-rpath', '$ORIGIN', join(target, file)]);
  }
  writeFileSync(stamp, hash);
}
console.log(`prebuild: ${target} is current`);
