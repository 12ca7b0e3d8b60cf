/**
 * The set-up: what it asks for, when it thinks that something is to be done, and that it does nothing the second time.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUILDS, dependenciesCurrent, installAdvice, missingPackages, sourceHash } from '../scripts/setup.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));

describe('set-up', () => {
  it('asks for no compiler to run the checks, and for everything the addon needs', () => {
    expect(missingPackages(['check'], () => false)).to.deep.equal(['clang-format']);
    expect(missingPackages(['addon'], () => false)).to.deep.equal(['g++', 'cmake', 'ninja-build', 'libdnnl-dev']);
    expect(missingPackages(['addon', 'check'], () => false)).to.have.members([
      'g++',
      'cmake',
      'ninja-build',
      'libdnnl-dev',
      'clang-format',
    ]);
    expect(missingPackages(['addon'], () => true)).to.deep.equal([]);
    expect(missingPackages(['addon'], (entry) => entry.package !== 'libdnnl-dev')).to.deep.equal(['libdnnl-dev']);
  });

  it('names exactly what to install and the command that does it', () => {
    const advice = installAdvice(['cmake', 'libdnnl-dev']);
    expect(advice).to.contain('not installed: cmake, libdnnl-dev');
    expect(advice).to.contain('apt-get install -y cmake libdnnl-dev');
  });

  it('gives that message, installs nothing and fails where it may not install', function () {
    // A PATH with node and nothing else: no compiler, no apt-get, no sudo.
    const bin = mkdtempSync(join(tmpdir(), 'gradstep-setup-'));
    try {
      symlinkSync(process.execPath, join(bin, 'node'));
      const args = [join(root, 'scripts/setup.mjs'), 'addon'];
      const result = spawnSync(process.execPath, args, { env: { PATH: bin, HOME: bin }, encoding: 'utf8' });
      expect(result.status).to.equal(1);
      expect(result.stderr).to.match(/not installed: g\+\+, cmake, ninja-build/);
      expect(result.stdout).to.equal('');
    } finally {
      rmSync(bin, { recursive: true });
    }
  });

  it('refuses a group it does not know', () => {
    const result = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), 'everything'], { encoding: 'utf8' });
    expect(result.status).to.equal(1);
    expect(result.stderr).to.contain('received everything');
  });

  it('compares what is installed with the lock file, leaving out packages for other platforms', () => {
    const lock = {
      packages: {
        '': {},
        'node_modules/a': { version: '1.0.0' },
        'node_modules/here': { version: '2.0.0', os: [process.platform], cpu: [process.arch] },
        'node_modules/elsewhere': { version: '2.0.0', os: ['aix'] },
        'node_modules/not_here': { version: '2.0.0', os: [`!${process.platform}`] },
        'node_modules/musl': { version: '2.0.0', os: [process.platform], libc: ['musl'], optional: true },
        'node_modules/fallback': { version: '2.0.0', optional: true },
      },
    };
    const a = { 'node_modules/a': { version: '1.0.0' } };
    expect(dependenciesCurrent(lock, { packages: { ...a, 'node_modules/here': { version: '2.0.0' } } })).to.equal(true);
    expect(dependenciesCurrent(lock, { packages: { ...a, 'node_modules/here': { version: '2.0.1' } } })).to.equal(false);
    expect(dependenciesCurrent(lock, { packages: a })).to.equal(false);
    const needed = { packages: { 'node_modules/native': { version: '1.0.0', os: [process.platform], optional: true } } };
    expect(dependenciesCurrent(needed, { packages: {} })).to.equal(false);
  });

  it('sees a change of any source it is given, and of no other', () => {
    const folder = mkdtempSync(join(root, 'build', 'hash-'));
    const path = folder.slice(root.length);
    try {
      writeFileSync(join(folder, 'a.cc'), 'int a;');
      writeFileSync(join(folder, 'b.cu'), 'int b;');
      const before = sourceHash([[path, '.cc']]);
      expect(before).to.match(/^[0-9a-f]{64}$/);
      writeFileSync(join(folder, 'b.cu'), 'int c;');
      expect(sourceHash([[path, '.cc']])).to.equal(before);
      writeFileSync(join(folder, 'a.cc'), 'int d;');
      expect(sourceHash([[path, '.cc']])).to.not.equal(before);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('hashes sources that exist: no build depends on a file that has gone', () => {
    for (const build of BUILDS) {
      for (const source of build.sources) {
        const path = typeof source === 'string' ? source : source[0];
        expect(() => statSync(join(root, path)), `${build.name}: ${path}`).to.not.throw();
      }
    }
  });

  it('does nothing and says nothing when all is current', () => {
    const built = BUILDS.filter(({ groups }) => groups.includes('addon') || groups.includes('test'));
    const outputs = built.flatMap((build) => build.outputs).map((path) => join(root, path));
    const times = () => outputs.map((path) => statSync(path).mtimeMs);
    const before = times();
    const result = spawnSync(process.execPath, [join(root, 'scripts/setup.mjs'), 'addon', 'test'], { encoding: 'utf8' });
    expect(result.stdout + result.stderr).to.equal('');
    expect(result.status).to.equal(0);
    expect(times()).to.deep.equal(before);
  });

  it('leaves no registry address in the lock file and no script that runs on installation', () => {
    expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).to.not.contain('"resolved": "http');
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
    for (const name of ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare'])
      expect(scripts).to.not.have.property(name);
    // npm compiles a package with a binding.gyp on installation even when there is no script.
    expect(readdirSync(root)).to.not.include('binding.gyp');
  });
});
