/**
 * The CUDA plugin as it is built for GPUs: what it depends on, what ptxas said of its kernels and what PTX they are, what it
 * says on a machine without a driver. Then the CUDA backend's own work, on the emulated device: replaying, growing, running out of memory.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeProgram } from '../lib/compile/encode.js';
import { assign, lower } from '../lib/compile/lower.js';
import { Graph, type Variable } from '../lib/graph/graph.js';
import { elementwise } from '../lib/ops/map.js';
import { matmul } from '../lib/ops/matmul.js';
import { native } from '../lib/runtime/native.js';
import type { NativeSession } from '../binding.js';
import { countingProgram, emulatedSession, plugin } from './helpers/emulation.js';
import * as ptx from '../scripts/check_ptx.mjs';
import { complaints, kernelsOf, missing, readLogs } from '../scripts/check_spills.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));

describe('the CUDA plugin', () => {
  it('needs no library of CUDA to be loaded', () => {
    const { stdout } = spawnSync('readelf', ['-d', plugin('cuda')], { encoding: 'utf8' });
    const needed = [...stdout.matchAll(/NEEDED.*\[(.*?)\]/g)].map((match) => match[1]);
    expect(needed).to.include('libc.so.6');
    expect(needed.filter((name) => /cuda|cublas|nvidia/i.test(name!))).to.deep.equal([]);
  });

  it('exports its entry point and nothing else of its own', () => {
    const { stdout } = spawnSync('nm', ['-D', '--defined-only', '-C', plugin('cuda')], { encoding: 'utf8' });
    expect(stdout).to.match(/ T gradstep_plugin\n/);
    expect(stdout).to.not.match(/gradstep::|cudaMalloc/);
  });

  it('finds its devices or says in a sentence why there are none', () => {
    const { devices, why } = native().pluginDevices(plugin('cuda'));
    if (existsSync('/proc/driver/nvidia/version')) {
      expect(devices.length > 0 || why.length > 0).to.equal(true);
    } else {
      expect(devices).to.deep.equal([]);
      expect(why).to.match(/^No NVIDIA driver was found \(libcuda\.so\.1\): install one that supports CUDA \d+\.\d+\.$/);
    }
  });

  it('refuses a session on a device that is not there', async () => {
    const session = new (native().Session)({ device: 'cuda:99', threads: 0, plugin: plugin('cuda') });
    let error: unknown;
    await session.reserve(64).catch((e: unknown) => (error = e));
    expect(error).to.include({ code: 'ERR_DEVICE_UNAVAILABLE' });
    expect((error as Error).message).to.match(/^Device cuda:99 is not available\. \S/);
    await session.dispose();
  });
});

describe('products on cuBLASLt', () => {
  const run = (libraries: string): { status: number | null; stdout: string } => {
    const env = { ...process.env, LD_LIBRARY_PATH: libraries };
    return spawnSync(join(dirname(plugin('cuda')), 'gradstep_gemm_test'), { env, encoding: 'utf8' });
  };

  it('are right for every transpose, epilogue and accumulation, on a stand-in for the library, and tell what fails', () => {
    const { status, stdout } = run(join(dirname(dirname(plugin('cuda'))), 'native/cuda/fake'));
    expect(stdout).to.equal('2592 products, 0 failures\n');
    expect(status).to.equal(0);
  });

  it('are made with the fastest algorithm that is right, which is remembered', () => {
    const libraries = join(dirname(dirname(plugin('cuda'))), 'native/cuda/fake');
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-choice-'));
    try {
      const env = { ...process.env, LD_LIBRARY_PATH: libraries, TMPDIR: folder };
      const { status, stdout } = spawnSync(join(dirname(plugin('cuda')), 'gradstep_choice_test'), { env, encoding: 'utf8' });
      expect(stdout).to.match(/^\d+ passed, 0 failed\n$/);
      expect(status).to.equal(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('are refused with advice where the library is an old one', () => {
    const { status, stdout } = run(join(dirname(dirname(plugin('cuda'))), 'native/cuda/old'));
    expect(stdout).to.match(
      /^ERR_DEVICE_UNAVAILABLE The cuBLAS that was found \(libcublasLt\.so\.13\) has no cublasLt\w+: install a later one\.\n$/,
    );
    expect(status).to.equal(2);
  });

  it('are refused with advice where the library is missing', function () {
    const known = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).stdout ?? '';
    if (known.includes('libcublasLt.so') || existsSync('/usr/local/cuda')) this.skip();
    const { status, stdout } = run('');
    expect(stdout).to.match(
      /^ERR_DEVICE_UNAVAILABLE cuBLAS was not found \(libcublasLt\.so\.13 or \.12\): install .* LD_LIBRARY_PATH\.\n$/,
    );
    expect(status).to.equal(2);
  });
});

describe('what ptxas says of the kernels', () => {
  const log = (stack: number, stores: number, loads: number): string =>
    [
      "ptxas info    : Compiling entry function '_Z4slowPf' for 'sm_90'",
      'ptxas info    : Function properties for _Z4slowPf',
      `    ${stack} bytes stack frame, ${stores} bytes spill stores, ${loads} bytes spill loads`,
      'ptxas info    : Used 255 registers, used 1 barriers, 32 bytes smem',
    ].join('\n');

  it('is understood', () => {
    expect(kernelsOf(log(8, 4, 12))).to.deep.equal([
      { name: '_Z4slowPf', architecture: 'sm_90', stack: 8, spilled: 16, registers: 255 },
    ]);
    expect(complaints(kernelsOf(log(0, 0, 0)))).to.deep.equal([]);
    expect(complaints(kernelsOf(log(8, 4, 12)))).to.deep.equal([
      '_Z4slowPf (sm_90): 8 bytes of local memory, 16 bytes of spills',
    ]);
    expect(complaints(kernelsOf(log(8, 0, 0)))).to.have.length(1);
    expect(complaints(kernelsOf(log(8, 4, 12)), { slow: 'runs once a run' })).to.deep.equal([]);
    expect(complaints(kernelsOf(log(8, 4, 12)), { 'slow sm_90': 'runs once a run' })).to.deep.equal([]);
    expect(complaints(kernelsOf(log(8, 4, 12)), { 'slow sm_100': 'runs once a run' })).to.have.length(1);
  });

  it('says which architecture a kernel was not compiled for', () => {
    const kernels = kernelsOf([80, 90].map((n) => log(0, 0, 0).replace('sm_90', `sm_${n}`)).join('\n'));
    expect(missing(kernels, ['80', '90'])).to.deep.equal([]);
    expect(missing(kernels, ['80', '90', '100'])).to.deep.equal(['0 of 1 kernels were compiled for sm_100']);
  });

  it('is looked for where the plugin was built', () => {
    expect(() => readLogs(join(root, 'test/golden'))).to.throw('No kernel is logged in');
  });

  it('no kernel spills or uses local memory', () => {
    const kernels = readLogs(join(dirname(dirname(plugin('cuda'))), 'native/cuda/ptxas'));
    expect(missing(kernels, (process.env.GRADSTEP_CUDA_ARCHITECTURES || '80').split(';'))).to.deep.equal([]);
    expect(complaints(kernels)).to.deep.equal([]);
  });

  it('every .cu file was compiled', () => {
    const folder = join(dirname(dirname(plugin('cuda'))), 'native/cuda');
    const used = readdirSync(folder).filter((name) => name.endsWith('.d'));
    const compiled = used.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
    const sources = readdirSync(join(root, 'native/ops')).filter((name) => name.endsWith('.cu'));
    expect(sources.filter((name) => !compiled.includes(`/ops/${name} `))).to.deep.equal([]);
    const units = used.map((name) => name.slice(0, -'.o.d'.length));
    for (const said of ['ptxas', 'ptx']) {
      expect(readdirSync(join(folder, said)).map((name) => name.replace(/\.log$/, ''))).to.include.members(units);
    }
  });
});

describe('the PTX of the kernels', () => {
  const multiplying = (type: string): string =>
    `\tmma.sync.aligned.m16n8k16.row.col.f32.${type}.${type}.f32 {%f5, %f6}, {%r1, %r2}, {%r3}, {%f5, %f6};`;
  const kernel = (name: string, ...body: string[]): string =>
    bounded(name, ['.u64'], '.maxntid 256, 1, 1\n.minnctapersm 2', ...body);
  const bounded = (name: string, parameters: string[], bounds: string, ...body: string[]): string => {
    const declared = parameters.map((type, i) =>
      type.replace(/^([^[]*)(.*)$/, `\t.param $1 ${name}_param_${i}$2${i + 1 < parameters.length ? ',' : ''}`),
    );
    return [`.visible .entry ${name}(`, ...declared, ')', bounds, '{', '\t.reg .f32 %f<9>;', ...body, '\tret;', '}'].join('\n');
  };
  const file = (target: number, ...kernels: string[]): string =>
    ['.version 9.0', `.target sm_${target}`, '.address_size 64', ...kernels].join('\n');
  /** What is said of kernels by the list { 'product Half': 'bf16' }. */
  const said = (...kernels: string[]): string[] =>
    ptx.complaints(ptx.functionsOf(file(80, ...kernels)), { 'product Half': 'bf16' });

  it('is understood', () => {
    const text = file(86, kernel('_Z4bothv', multiplying('bf16'), multiplying('bf16'), multiplying('tf32')), kernel('_Z5otherv'));
    const entry = { architecture: 'sm_86', operands: new Set<string>(), local: 0, readOnly: 0, parameters: 8, threads: 256 };
    expect(ptx.functionsOf(text)).to.deep.equal([
      { ...entry, name: '_Z4bothv', operands: new Set(['bf16', 'tf32']) },
      { ...entry, name: '_Z5otherv' },
    ]);
    const called = file(80, `.func  (.param .b32 func_retval0) _Z6calledf(\n)\n{\n${multiplying('tf32')}\n}`);
    expect(ptx.functionsOf(called).map(({ name, operands }) => [name, ...operands])).to.deep.equal([['_Z6calledf', 'tf32']]);
  });

  it('tells which kernel multiplies otherwise than it is meant to', () => {
    const meant = kernel('_Z7productI4HalfE', multiplying('bf16'));
    expect(said(meant, kernel('_Z7productI5FloatE'))).to.deep.equal([]);
    const wrong = (name: string, made: string, expected: string): string =>
      `${name} (sm_80): multiplies ${made} on tensor cores, expected ${expected}`;
    const second = (name: string, ...types: string[]): string[] => said(meant, kernel(name, ...types.map(multiplying)));
    expect(second('_Z7productI4HalfLi2E')).to.deep.equal([wrong('_Z7productI4HalfLi2E', 'nothing', 'bf16')]);
    expect(second('_Z7productI4HalfLi2E', 'tf32')).to.deep.equal([wrong('_Z7productI4HalfLi2E', 'tf32', 'bf16')]);
    expect(second('_Z7productI4HalfLi2E', 'bf16', 'tf32')).to.deep.equal([wrong('_Z7productI4HalfLi2E', 'bf16, tf32', 'bf16')]);
    expect(second('_Z7productI5FloatE', 'tf32')).to.deep.equal([wrong('_Z7productI5FloatE', 'tf32', 'nothing')]);
    expect(said(kernel('_Z3sumv'))).to.deep.equal(['there is no kernel by the name of product Half']);
  });

  it('has no tensor cores to use before sm_80', () => {
    const older = ptx.functionsOf(file(75, kernel('_Z7productI4HalfE')));
    expect(ptx.complaints(older, { 'product Half': 'bf16' })).to.deep.equal([]);
  });

  it('takes kernels that need a later architecture by that', () => {
    const found = (target: number, ...body: string[]): string[] =>
      ptx.complaints(
        ptx.functionsOf(file(target, kernel('_Z7productI4HalfE', ...body))),
        { 'product Half': 'bf16' },
        { product: 90 },
      );
    const wrong = (target: number, made: string, expected: string): string =>
      `_Z7productI4HalfE (sm_${target}): multiplies ${made} on tensor cores, expected ${expected}`;
    expect(found(86)).to.deep.equal([]);
    expect(found(90, multiplying('bf16'))).to.deep.equal([]);
    expect(found(100)).to.deep.equal([wrong(100, 'nothing', 'bf16')]);
    expect(found(89, multiplying('bf16'))).to.deep.equal([wrong(89, 'bf16', 'nothing')]);
  });

  it('tells which kernel keeps something in local memory', () => {
    const local = kernel('_Z3sumv', '\t.local .align 4 .b8 \t__local_depot0[64];', '\tst.local.f32 [%rd1], %f1;');
    expect(ptx.complaints(ptx.functionsOf(file(75, local)), {})).to.deep.equal(['_Z3sumv (sm_75): uses local memory']);
  });

  it('tells which kernel leaves open how many threads it is for', () => {
    const open = file(75, bounded('_Z3sumv', ['.u64'], ''), bounded('_Z4sum2v', ['.u64'], '.maxntid 32'));
    expect(ptx.complaints(ptx.functionsOf(open), {})).to.deep.equal([
      '_Z3sumv (sm_75): says by no __launch_bounds__ how many threads it is for',
    ]);
  });

  it('tells which kernel takes more parameters than every driver passes', () => {
    const of = (...types: string[]) => ptx.functionsOf(file(75, bounded('_Z3sumv', types, '.maxntid 32')));
    expect(of('.u8', '.align 8 .b8[24]', '.f32', '.u64').map(({ parameters }) => parameters)).to.deep.equal([48]);
    expect(ptx.complaints(of('.align 4 .b8[4092]', '.u32'), {})).to.deep.equal([]);
    expect(ptx.complaints(of('.align 4 .b8[4092]', '.u64'), {})).to.deep.equal([
      '_Z3sumv (sm_75): takes 4104 bytes of parameters',
    ]);
  });

  it('tells which kernel reads by the cache that does not see what is written', () => {
    const load = kernel('_Z3sumv', '\tld.global.nc.f32 \t%f1, [%rd1];');
    expect(ptx.complaints(ptx.functionsOf(file(75, load)), {})).to.deep.equal([
      '_Z3sumv (sm_75): reads by a cache that does not see what is written meanwhile (ld.global.nc)',
    ]);
  });

  it('is looked for where the plugin was built', () => {
    expect(() => ptx.readPtx(join(root, 'test/golden'))).to.throw("No kernel's PTX is in");
  });

  it('of every kernel: what is meant to multiply on tensor cores does, and nothing else', () => {
    const folder = join(dirname(dirname(plugin('cuda'))), 'native/cuda/ptx');
    expect(ptx.complaints(ptx.readPtx(folder))).to.deep.equal([]);
  });
});

describe('the CUDA backend, emulated', () => {
  let session: NativeSession;

  beforeEach(() => {
    session = emulatedSession();
  });

  afterEach(async () => {
    delete process.env.GRADSTEP_EMULATION_MEMORY;
    await session.dispose();
  });

  /** y = a·a, n by n, at offset 128: needs workspace, and scratch for an intermediate value. */
  function squaring(n: number): { program: Uint8Array; bytes: number; y: number } {
    const a: Variable = { name: 'a', shape: [n, n], dtype: 'float32' };
    const y: Variable = { name: 'y', shape: [n, n], dtype: 'float32' };
    const size = Math.ceil((n * n * 4) / 64) * 64;
    const bytes = 128 + 2 * size;
    const graph = new Graph();
    const twice = elementwise('add', graph.read(a), graph.read(a));
    assign(y, matmul(twice, matmul(twice, graph.read(a))));
    const offsetOf = (v: Variable): number => (v === a ? 128 : 128 + size);
    return {
      program: encodeProgram(lower(graph, { name: 'squaring', backend: 'cuda', offsetOf, persistentBytes: () => bytes })),
      bytes,
      y: 128 + size,
    };
  }

  const persistent = (offset: number, bytes: number) => ({ region: 'persistent' as const, offset, bytes });
  const counters = async (): Promise<number[]> => [...new Int32Array(await session.read(persistent(0, 16)))];
  const doubled = async (): Promise<number> => new Float32Array(await session.read(persistent(64, 4)))[0]!;
  const report = { offset: 0, bytes: 16 };

  async function failure(work: Promise<unknown>): Promise<Error & { code: string }> {
    try {
      await work;
    } catch (error) {
      return error as Error & { code: string };
    }
    throw new Error('Expected a rejection');
  }

  it('takes GPUs of compute capability 7.5 and later, which multiply bfloat16 from 8.0 on', () => {
    const asked = (capability: string) => {
      process.env.GRADSTEP_EMULATION_CAPABILITY = capability;
      try {
        return native().pluginDevices(plugin('cuda-emulated'));
      } finally {
        delete process.env.GRADSTEP_EMULATION_CAPABILITY;
      }
    };
    expect(asked('7.2')).to.deep.equal({
      devices: [],
      why: 'GPU 0 (emulated CUDA device) has compute capability 7.2, and this build of gradstep needs 7.5 or higher.',
    });
    expect(asked('7.5').devices.map(({ bfloat16 }) => bfloat16)).to.deep.equal(['emulated']);
    expect(asked('8.0').devices.map(({ bfloat16 }) => bfloat16)).to.deep.equal(['native']);
    expect(asked('10.0').devices.map(({ bfloat16 }) => bfloat16)).to.deep.equal(['native']);
  });

  it('captures a program once and replays it: every replay advances the state', async () => {
    const entry = await session.load(countingProgram());
    expect(await counters(), 'capturing runs nothing').to.deep.equal([0, 0, 0, 0]);
    await session.write({ region: 'persistent', offset: 64 }, new Float32Array([1]));
    expect((await session.run(entry, 5, 0, report)).steps).to.equal(5);
    expect(await counters()).to.deep.equal([5, 50, 0, 0]);
    const second = await session.run(entry, 3, 0, report);
    expect([...new Int32Array(second.report)]).to.deep.equal([8, 80, 0, 0]);
    expect(await doubled()).to.equal(256);
  });

  it('ends when its time has passed, having finished the steps it says', async () => {
    const entry = await session.load(countingProgram());
    const { steps } = await session.run(entry, 1e9, 30, report);
    expect(steps).to.be.within(1, 1e9 - 1);
    expect((await counters())[0]).to.equal(steps);
  });

  it('keeps contents and programs when its blocks grow', async () => {
    const first = await session.load(countingProgram());
    await session.write({ region: 'persistent', offset: 64 }, new Float32Array([3]));
    await session.run(first, 1, 0, report);
    const { program, bytes, y } = squaring(40);
    const second = await session.load(program);
    const identity = Float32Array.from({ length: 1600 }, (_, i) => (i % 41 === 0 ? 3 : 0));
    expect(
      new Uint8Array(await session.read(persistent(128, bytes - 128))).every((b) => b === 0),
      'zero-filled',
    ).to.equal(true);
    await session.write({ region: 'persistent', offset: 128 }, identity);
    await session.run(first, 1, 0, report);
    await session.run(second, 1, 0, report);
    await session.reserve(bytes + 4096);
    await session.run(first, 2, 0, report);
    expect(await counters()).to.deep.equal([4, 40, 0, 0]);
    expect(await doubled()).to.equal(3 * 16);
    const product = new Float32Array(await session.read(persistent(y, 6400)));
    expect([...product]).to.deep.equal([...identity].map((v) => (v === 0 ? 0 : 6 * 6 * 3)));
    const use = await session.memory();
    expect(use.persistent).to.equal(bytes + 4096);
    expect(use.scratch).to.be.at.least(6400);
    expect(use.workspace).to.be.greaterThan(0);
  });

  it('transfers what is larger than its staging memory, from odd places', async () => {
    const bytes = 3 * 2 ** 20 + 12345;
    const data = Uint8Array.from({ length: bytes }, (_, i) => (i * 2654435761) >>> 24);
    await session.reserve(bytes + 64);
    await session.write({ region: 'persistent', offset: 7 }, data);
    const back = new Uint8Array(await session.read(persistent(7, bytes)));
    expect(Buffer.compare(back, data)).to.equal(0);
    expect([...new Uint8Array(await session.read(persistent(0, 7)))]).to.deep.equal([0, 0, 0, 0, 0, 0, 0]);
  });

  it('says how much memory was asked for and how much there is, and goes on without it', async () => {
    process.env.GRADSTEP_EMULATION_MEMORY = String(2 ** 20);
    const entry = await session.load(countingProgram());
    const held = (await session.memory()).persistent;
    const error = await failure(session.reserve(2 ** 21));
    expect(error.code).to.equal('ERR_OOM');
    expect(error.message).to.match(
      /^Out of GPU memory: the model needs 2097152 bytes, \d+ of 1048576 are in use and \d+ are free$/,
    );
    const slot = await failure(session.allocateSlot(0, 0, 1000, 1000));
    expect(slot.code).to.equal('ERR_OOM');
    expect(slot.message).to.contain('a data set needs 4000000 bytes');
    expect((await session.memory()).persistent).to.equal(held);
    expect((await session.memory()).slots).to.equal(0);
    await session.run(entry, 2, 0, report);
    expect((await counters())[0]).to.equal(2);
  });

  it('gives back what it held', async () => {
    process.env.GRADSTEP_EMULATION_MEMORY = String(2 ** 20);
    await session.reserve(600_000);
    await session.dispose();
    session = emulatedSession();
    await session.reserve(600_000);
    expect((await session.memory()).persistent).to.equal(600_000);
  });
});
