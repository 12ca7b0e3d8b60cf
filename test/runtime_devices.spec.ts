/** What a device's name means, what `devices()` lists, and how a missing, broken or stale binary is reported. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, totalmem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { GradstepError } from '../lib/errors.js';
import { devices, resolveDevice } from '../lib/runtime/devices.js';
import { loadAddon, native, packageRoot } from '../lib/runtime/native.js';

function errorOf(body: () => unknown): GradstepError {
  try {
    body();
  } catch (error) {
    expect(error).to.be.instanceOf(GradstepError);
    return error as GradstepError;
  }
  return expect.fail('nothing was thrown');
}

describe('devices', () => {
  it('lists the CPU with its memory, and GPUs or the reason why there are none', async () => {
    const list = await devices();
    const [cpu, ...others] = list;
    expect(cpu).to.include({ name: 'cpu', available: true, threads: native().threads });
    expect(cpu!.threads).to.be.within(1, cpus().length);
    expect(cpu!.description).not.to.equal('');
    expect(cpu!.memoryBytes).to.be.within(1 << 28, totalmem());
    const flags = process.platform === 'linux' ? readFileSync('/proc/cpuinfo', 'utf8') : '';
    expect(cpu!.bfloat16).to.equal(/\bavx512_bf16\b/.test(flags) ? 'native' : 'emulated');
    expect(others).not.to.have.length(0);
    for (const gpu of others) {
      if (gpu.available) expect(gpu.name).to.match(/^cuda:\d+$/);
      else
        expect(gpu)
          .to.include({ name: 'cuda', memoryBytes: 0 })
          .and.to.have.property('reason')
          .that.is.a('string')
          .and.not.equal('');
    }
  });

  it('resolves names; auto takes what is there', async () => {
    const gpu = (await devices()).find((d) => d.available && d.name !== 'cpu');
    expect(resolveDevice('cpu')).to.deep.equal({ name: 'cpu' });
    expect(resolveDevice('auto').name).to.equal(gpu ? 'cuda:0' : 'cpu');
    if (gpu) expect(resolveDevice('cuda').name).to.equal('cuda:0');
    else expect(errorOf(() => resolveDevice('cuda')).code).to.equal('ERR_DEVICE_UNAVAILABLE');
  });

  it('a device asked for by name never becomes another', async () => {
    const error = errorOf(() => resolveDevice('cuda:999'));
    expect(error.code).to.equal('ERR_DEVICE_UNAVAILABLE');
    const absent = (await devices()).find((d) => !d.available);
    expect(error.message).to.contain(
      `The device 'cuda:999' cannot be used: ${absent ? absent.reason : 'this machine has cuda:0'}`,
    );
  });

  for (const name of ['', 'gpu', 'CPU', 'cuda:', 'cuda:-1', 'cuda:1.5', 'cuda:0 ', 'cuda:1234']) {
    it(`'${name}' is no device`, () => {
      const error = errorOf(() => resolveDevice(name));
      expect(error.code).to.equal('ERR_OPTION');
      expect(error.message).to.equal(
        `Expected 'auto', 'cpu', 'cuda' or 'cuda:N' for device but received "${name}" of type string`,
      );
    });
  }
});

describe('loading the addon', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it('is done once, and says what the addon is', () => {
    expect(native()).to.equal(native());
    expect(native().onednnVersion).to.match(/^[23]\.\d+\.\d+$/);
    expect(native().threads).to.be.at.least(1);
  });

  it('a package without a binary: platform, places, how to get one', () => {
    const error = errorOf(() => loadAddon(folder));
    expect(error.code).to.equal('ERR_LOAD');
    expect(error.message).to.contain(`gradstep has no binary for ${process.platform}-${process.arch}`);
    if (process.platform === 'linux') expect(error.message).to.match(/\((glibc [\d.]+|musl)\)/);
    expect(error.message).to.contain(join(folder, 'build/Release')).and.to.contain(join(folder, 'prebuilds'));
    expect(error.message)
      .to.contain('Get a checkout of gradstep, run `npm run setup` in it')
      .and.to.contain('GRADSTEP_PREBUILD=');
  });

  it('a checkout without a binary: the command that builds one', () => {
    writeFileSync(join(folder, 'CMakeLists.txt'), '');
    expect(errorOf(() => loadAddon(folder)).message).to.contain('Build it with `npm run setup`.');
  });

  it('where Node.js loads no addons: how to start it', () => {
    const loader = pathToFileURL(join(packageRoot(), 'lib/runtime/native.ts')).href;
    const code = `import { native } from '${loader}'; try { native(); } catch (error) { console.log(error.code, error.message); }`;
    const args = ['--no-addons', '--import', 'tsx', '--input-type=module', '--eval', code];
    const said = execFileSync(process.execPath, args, { cwd: packageRoot(), encoding: 'utf8' });
    expect(said).to.match(/^ERR_LOAD gradstep's binary .* cannot be loaded/);
    expect(said).to.contain('Start Node.js with --allow-addons, without --no-addons');
    expect(said).not.to.contain('npm run setup');
  });

  it('a binary that cannot be loaded: which one, and why', () => {
    mkdirSync(join(folder, 'build/Release'), { recursive: true });
    const file = join(folder, 'build/Release/gradstep.node');
    writeFileSync(file, 'not a library');
    const error = errorOf(() => loadAddon(folder));
    expect(error.code).to.equal('ERR_LOAD');
    expect(error.message).to.contain(`gradstep's binary ${file} cannot be loaded on ${process.platform}`);
    expect(error.message).to.match(/file too short|invalid ELF header/);
    expect(error.cause).to.be.instanceOf(Error);
  });

  it('a binary built for another op table', () => {
    const error = errorOf(() => loadAddon(packageRoot(), '0123456789abcdef'));
    expect(error.code).to.equal('ERR_LOAD');
    expect(error.message).to.contain('was built from other sources').and.to.contain('the JavaScript side 0123456789abcdef');
    expect(error.message).to.contain('npm run setup');
  });
});
