/**
 * The package as a user gets it: packed, installed into an empty folder with install scripts disabled and neither compiler
 * nor CMake nor oneDNN to be found, it trains. Then what the shipped binaries need from the system: only glibc, libstdc++
 * and libgcc, and no newer ones than the README states.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const npmCli = join(dirname(process.execPath), '../lib/node_modules/npm/bin/npm-cli.js');
const npm = [process.env['npm_execpath'], npmCli, '/usr/share/nodejs/npm/bin/npm-cli.js'].find(
  (path) => path?.endsWith('.js') && existsSync(path),
);

/** Runs a program to its end and returns what it printed; a failure shows both streams. */
function run(command: string, args: string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): string {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.status !== 0) {
    throw new Error(
      `${command} ${args.join(' ')}: status ${result.status}\n${result.stdout}\n${result.stderr}\n${result.error?.message ?? ''}`,
    );
  }
  return result.stdout;
}

/** XOR, from the library's own name; prints the predictions and where the process found its shared libraries. */
const XOR = `
async function main(gs) {
  const x = gs.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]);
  const y = gs.tensor([[0], [1], [1], [0]]);
  const model = gs.sequential([
    gs.layers.dense({ units: 8, activation: 'tanh', inputShape: [2] }),
    gs.layers.dense({ units: 1, activation: 'sigmoid' }),
  ]);
  model.compile({ optimizer: gs.optimizers.adam({ learningRate: 0.1 }), loss: 'binaryCrossentropy', device: 'cpu', seed: 7 });
  await model.fit(x, y, { epochs: 300, batchSize: 4 });
  const predicted = await model.predict(x);
  const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
  const libraries = [...new Set(maps.match(/\\/\\S+(?:\\.so[.\\d]*|\\.node)$/gm))];
  console.log(JSON.stringify({ predicted: [...predicted.data], libraries }));
}
`;
const ESM = `import * as gs from 'gradstep';\nimport { createRequire } from 'node:module';\nconst require = createRequire(import.meta.url);\n${XOR}\nawait main(gs);\n`;
const COMMONJS = `const gs = require('gradstep');\n${XOR}\nmain(gs);\n`;
/** The README's TypeScript, on fewer digits made up here, and a line that must not compile. */
function readmeProgram(): string {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1]!);
  expect(blocks.length).to.be.greaterThan(1);
  // The first is a program; the others stand for themselves.
  const [first, ...others] = blocks;
  const code = [first, ...others.map((block) => `{\n${block}}`)]
    .join('\n')
    .replaceAll('8000', '60')
    .replace(/^import .*$/m, '');
  return `
import * as gs from 'gradstep';
const digits = (count: number) => Uint8Array.from({ length: count * 784 }, (_, i) => i % 251);
const pixels = digits(60);
const labels = Int32Array.from({ length: 60 }, (_, i) => i % 10);
const xTest = gs.tensor(digits(10), [10, 28, 28, 1]);
const yTest = labels.subarray(0, 10);
${code}
// @ts-expect-error there is no such option
export const misspelled = () => gs.layers.dense({ unit: 1 });
const same = (await again.predict(xTest)).data.every((p, i) => p === probabilities.data[i]);
console.log(JSON.stringify({ same, loss, accuracy, epochs: history.val_accuracy!.length }));
`;
}

interface Outcome {
  predicted: number[];
  libraries: string[];
}

/** Libraries a shipped file may take from the system. */
const SYSTEM_LIBRARIES =
  /^(libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux-x86-64\.so\.2|libstdc\+\+\.so\.6|libgcc_s\.so\.1)$/;

/** The highest version of the kind `GLIBC_2.34` among the symbols a file wants from its libraries. */
function highestVersion(file: string, prefix: string): string {
  const needs = run('readelf', ['--version-info', '--wide', file]).split(/Version needs section/)[1] ?? '';
  const versions = [...needs.matchAll(new RegExp(`Name: ${prefix}_([\\d.]+)`, 'g'))].map((match) => match[1]!);
  const order = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
  return versions.sort(order).at(-1) ?? '0';
}

describe('the package', function () {
  this.timeout(1_200_000);
  let folder: string;
  let installed: string;
  let env: NodeJS.ProcessEnv;

  before('prebuild, pack, install', () => {
    expect(npm, 'npm').to.be.a('string');
    // With the tree's own plugin: that for every architecture takes long to compile (`npm run check:full` does).
    const prebuild = ['scripts/prebuild.mjs', 'build/Release/gradstep_cuda.so'];
    const built = spawnSync(process.execPath, prebuild, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    expect(built.status, 'scripts/prebuild.mjs').to.equal(0);
    rmSync(join(root, 'dist'), { recursive: true, force: true });
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json']);

    folder = mkdtempSync(join(tmpdir(), 'gradstep-package-'));
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    symlinkSync(process.execPath, join(bin, 'node'));
    env = { PATH: bin, HOME: folder };
    const packed = run(process.execPath, [npm!, 'pack', '--json', '--loglevel=error', '--pack-destination', folder]);
    const [{ filename }] = JSON.parse(packed) as [{ filename: string }];
    writeFileSync(join(folder, 'package.json'), '{ "name": "user", "private": true }');
    // Dependencies come from npm's cache or the registry; the npm that installs knows where that is, the user's process need not.
    run(
      process.execPath,
      [npm!, 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', `./${filename}`],
      {
        cwd: folder,
        env: { ...process.env, PATH: bin },
      },
    );
    installed = join(folder, 'node_modules/gradstep');
  });

  after(() => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  function trains(script: string, source: string): void {
    writeFileSync(join(folder, script), source);
    const outcome = JSON.parse(run(process.execPath, [script], { cwd: folder, env })) as Outcome;
    const expected = [0, 1, 1, 0];
    expect(outcome.predicted).to.have.length(4);
    outcome.predicted.forEach((p, i) => expect(p).to.be.closeTo(expected[i]!, 0.2));
    // The libraries in the process are the package's own, although this machine has others of the same kind.
    const own = outcome.libraries.filter((path) => /gradstep|dnnl|gomp|OpenCL/.test(path));
    expect(own.map((path) => path.slice(path.lastIndexOf('/') + 1)).sort()).to.include.members([
      'gradstep.node',
      'libdnnl.so.3',
      'libgomp.so.1',
    ]);
    for (const path of own) expect(path).to.satisfy((p: string) => p.startsWith(join(installed, 'prebuilds/linux-x64/')), path);
  }

  it('has no compiler, no CMake and no oneDNN within reach of the process', () => {
    const seek = `process.exit(['g++', 'c++', 'cmake', 'make', 'ninja'].some((c) => require('node:child_process').spawnSync(c).error === undefined) ? 1 : 0)`;
    expect(spawnSync(process.execPath, ['-e', seek], { env }).status).to.equal(0);
  });

  it('trains XOR from an ES module', () => trains('xor.mjs', ESM));

  it('trains XOR from CommonJS', () => trains('xor.cjs', COMMONJS));

  it('carries types with which the README’s code compiles, and the code runs', () => {
    writeFileSync(join(folder, 'readme.mts'), readmeProgram());
    writeFileSync(join(folder, 'houses.csv'), 'area,rooms,price\n0.7,3,1.9\n1.2,4,3.1\n0.5,2,1.4\n');
    const compilerOptions = {
      strict: true,
      module: 'nodenext',
      target: 'es2022',
      lib: ['es2023', 'dom'],
      types: [],
    };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['readme.mts'] }));
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder]);
    const printed = run(process.execPath, ['readme.mjs'], { cwd: folder, env }).trim().split('\n');
    const { same, loss, accuracy, epochs } = JSON.parse(printed.at(-1)!) as Record<string, number | boolean>;
    expect(same).to.equal(true);
    expect(epochs).to.equal(10);
    expect(loss).to.be.a('number').greaterThan(0);
    expect(accuracy).to.be.within(0, 1);
  });

  it('says which platform it looked for and how to build, where no prebuilt binary fits', () => {
    const prebuilds = join(installed, 'prebuilds');
    renameSync(prebuilds, `${prebuilds}.away`);
    try {
      const script = `import('gradstep').then((gs) => gs.devices()).then(() => 'loaded', (e) => e.code + ' ' + e.message).then(console.log)`;
      const said = run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder, env });
      expect(said).to.match(/^ERR_LOAD /);
      expect(said).to.contain('linux-x64');
      expect(said).to.contain('npm run setup');
    } finally {
      renameSync(`${prebuilds}.away`, prebuilds);
    }
  });

  it('ships the licences of what it bundles, and nothing that is not for users', () => {
    for (const file of ['LICENSE', 'NOTICE', 'README.md', 'binding.d.ts', 'dist/index.js', 'dist/index.d.ts']) {
      expect(existsSync(join(installed, file)), file).to.equal(true);
    }
    for (const file of ['onednn/LICENSE', 'onednn/THIRD-PARTY-PROGRAMS', 'libgomp/copyright', 'libgomp/GPL-3']) {
      expect(statSync(join(installed, 'prebuilds/linux-x64/licenses', file)).size, file).to.be.greaterThan(1000);
    }
    expect(readdirSync(installed)).to.have.members([
      'LICENSE',
      'NOTICE',
      'README.md',
      'binding.d.ts',
      'dist',
      'package.json',
      'prebuilds',
    ]);
  });

  it('needs from the system only glibc, libstdc++ and libgcc, of the versions the README states', () => {
    const binaries = join(installed, 'prebuilds/linux-x64');
    const files = readdirSync(binaries).filter((name) => statSync(join(binaries, name)).isFile());
    expect(files).to.have.members(['gradstep.node', 'gradstep_cuda.so', 'libdnnl.so.3', 'libgomp.so.1']);
    const lowest = { GLIBC: '0', GLIBCXX: '0' };
    for (const name of files) {
      const dynamic = run('readelf', ['--dynamic', '--wide', join(binaries, name)]);
      const needed = [...dynamic.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map((match) => match[1]!);
      expect(needed, name).to.include('libc.so.6');
      const foreign = needed.filter((library) => !SYSTEM_LIBRARIES.test(library) && !files.includes(library));
      expect(foreign, `${name} needs`).to.deep.equal([]);
      expect(dynamic, name).to.match(/\((?:RUNPATH|RPATH)\).*\[\$ORIGIN\]/);
      for (const prefix of ['GLIBC', 'GLIBCXX'] as const) {
        const version = highestVersion(join(binaries, name), prefix);
        if (version.localeCompare(lowest[prefix], 'en', { numeric: true }) > 0) lowest[prefix] = version;
      }
    }
    console.log(`      lowest glibc ${lowest.GLIBC}, lowest libstdc++ symbol version GLIBCXX_${lowest.GLIBCXX}`);
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    expect(/glibc (\d+\.\d+) or later/.exec(readme)?.[1]).to.equal(lowest.GLIBC);
    expect(/GLIBCXX_([\d.]*\d)/.exec(readme)?.[1]).to.equal(lowest.GLIBCXX);
  });
});
