/**
 * `npm run gpu:check` without a GPU: what it reads from NVIDIA's tools and what it writes, on texts and with stand-ins for
 * the tools on the PATH. The emulated device takes the GPU's place where op cases are run (GRADSTEP_CUDA_PLUGIN).
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pluginPath } from '../lib/runtime/native.js';
import { STAGES, stagesOf } from '../scripts/gpu_check.mjs';
import {
  convolutionsOf,
  cudnnVersion,
  gpuOf,
  markdownOf,
  reportName,
  sanitizerFindings,
  type Report,
} from '../scripts/gpu_report.mjs';
import { execute, runStages, stageTable } from '../scripts/stages.mjs';
import { FAKE_PLUGIN } from './helpers/native_session.js';
import { expectClose } from './helpers/op_compare.js';

const root = fileURLToPath(new URL('../', import.meta.url));
const CSV = 'NVIDIA H100 80GB HBM3, 580.65.06, 9.0, 81559, 345, 2619, 1980, 2619, 700.00\n';
const CLEAN = '========= COMPUTE-SANITIZER\n  2 passing (3s)\n========= ERROR SUMMARY: 0 errors\n';
const MEMCHECK = `========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 4 bytes
=========     at gradstep::cuda::scatter(float *)+0x90
=========     by thread (31,0,0) in block (0,0,0)
=========
  1 passing (3s)
========= ERROR SUMMARY: 3 errors
`;

const REPORT: Report = {
  date: '2026-11-29T08:00:00.000Z',
  command: 'npm run gpu:check -- --stages ops,bench',
  device: 'cuda:0',
  gpu: gpuOf(CSV)!,
  cuda: '13.0',
  cudnn: '9.28.1',
  smClockAfterMHz: '1755',
  stages: [
    { stage: 'ops', found: '', seconds: 12.34, error: 'exit status 1, 3 passed, 1 failed\n  1) a | b' },
    { stage: 'bench', found: 'beside pytorch', seconds: 600, table: '┌──┐\n│ a │\n' },
  ],
};

describe('gpu:check: what it reads and writes', () => {
  it('the first GPU of nvidia-smi, or none', () => {
    expect(gpuOf(`${CSV}NVIDIA T4, 580.65.06, 7.5, 15360, 300, 405, 1590, 5001, 70.00\n`)).to.deep.equal({
      name: 'NVIDIA H100 80GB HBM3',
      driver: '580.65.06',
      capability: '9.0',
      memoryMiB: '81559',
      smClockMHz: '345',
      memoryClockMHz: '2619',
      highestSmClockMHz: '1980',
      highestMemoryClockMHz: '2619',
      powerLimitW: '700.00',
    });
    expect(gpuOf('')).to.equal(undefined);
    expect(gpuOf('No devices were found\n')).to.equal(undefined);
  });

  it('which cuDNN there is, and which convolutions are by it', () => {
    expect(cudnnVersion('92801\n')).to.equal('9.28.1');
    expect(cudnnVersion('90000\n')).to.equal('9.0.0');
    expect(cudnnVersion('')).to.equal('not found');
    const device = 'NVIDIA H100, 9.0, 132 multiprocessors, driver 13000, runtime 13000';
    const hex = (name: string): string => Buffer.from(name).toString('hex');
    const choices = [
      'gradstep CUDA algorithms, format 1',
      `${device}, conv x 1 2 2 1 float32, cuDNN 92801\t${hex('cudnn:implicit_gemm+bias')}`,
      `${device}, conv_dx x 1 2 2 1 tf32\t${hex('own')}`,
      `${device}, lstm 4 8\t${hex('persistent')}`,
    ];
    expect(convolutionsOf(`${choices.join('\n')}\n`)).to.deep.equal([
      { what: 'conv x 1 2 2 1 float32', way: 'cudnn:implicit_gemm+bias' },
      { what: 'conv_dx x 1 2 2 1 tf32', way: 'own' },
    ]);
  });

  it('a report is named by device and date', () => {
    const date = new Date('2026-11-29T23:59:00Z');
    expect(reportName('NVIDIA H100 80GB HBM3', date)).to.equal('cuda_h100_80gb_hbm3_2026-11-29');
    expect(reportName('NVIDIA GeForce RTX 4090', date)).to.equal('cuda_rtx_4090_2026-11-29');
  });

  it('what compute-sanitizer found', () => {
    expect(sanitizerFindings(CLEAN)).to.deep.equal({ errors: 0, first: [] });
    const { errors, first } = sanitizerFindings(MEMCHECK);
    expect(errors).to.equal(3);
    expect(first).to.deep.equal([
      'Invalid __global__ write of size 4 bytes',
      '    at gradstep::cuda::scatter(float *)+0x90',
      '    by thread (31,0,0) in block (0,0,0)',
    ]);
    const hazards = '========= RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)\n';
    expect(sanitizerFindings(hazards).errors).to.equal(2);
    expect(sanitizerFindings(`${MEMCHECK}========= ERROR SUMMARY: 1 error\n`).errors, 'of several processes').to.equal(4);
  });

  it('no summary is no result', () => {
    const silent = '========= COMPUTE-SANITIZER\n========= Target application terminated before first instrumented API call\n';
    expect(() => sanitizerFindings(silent)).to.throw(/printed no summary\nCOMPUTE-SANITIZER\nTarget application terminated/);
  });

  it('stages in their order, and none that is not known', () => {
    expect(stagesOf(STAGES.join(','))).to.deep.equal(STAGES);
    expect(stagesOf('bench, ops')).to.deep.equal(['ops', 'bench']);
    expect(() => stagesOf('ops,speed')).to.throw(/^Expected any of build, ops, .* for --stages but received speed$/);
  });

  it('the report has the machine, a line a stage, the table, and why a stage failed', () => {
    const text = markdownOf(REPORT);
    expect(text).to.match(/^# NVIDIA H100 80GB HBM3, 2026-11-29\n\n`npm run gpu:check -- --stages ops,bench`\n\nFailed: ops\.\n/);
    const lines = text.split('\n');
    expect(lines).to.include('| device | cuda:0: NVIDIA H100 80GB HBM3, compute capability 9.0, 81559 MiB |');
    expect(lines).to.include('| driver | 580.65.06, for CUDA up to 13.0 |');
    expect(lines).to.include('| cuDNN | 9.28.1 |');
    expect(lines).to.include('| clocks, MHz | SM 345 before and 1755 after, at most 1980; memory 2619, at most 2619 |');
    expect(lines).to.include('| ops | FAILED: exit status 1, 3 passed, 1 failed | 12.3 |');
    expect(lines).to.include('| bench | beside pytorch | 600.0 |');
    expect(text).to.contain('## Bench\n\n```\n┌──┐\n│ a │\n```\n');
    expect(text).to.contain('## Why ops failed\n\n```\nexit status 1, 3 passed, 1 failed\n  1) a | b\n```\n');
    const sound = markdownOf({ ...REPORT, stages: REPORT.stages.slice(1) });
    expect(sound).to.contain('\nEvery stage passed.\n').and.not.to.contain('## Why');
  });
});

describe('stages', () => {
  it('a program that takes too long is ended, and what it has started', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-stages-'));
    try {
      const log = join(folder, 'slow.log');
      const ended = await execute(['sh', '-c', 'echo begun; sleep 60 & echo $!; wait'], { log, seconds: 0.5 });
      expect(ended.failure).to.equal('ended after 0.5 s');
      const [begun, child] = ended.output.split('\n');
      expect(begun).to.equal('begun');
      const isThere = (): boolean =>
        existsSync(`/proc/${child}`) && !/^State:\s+Z/m.test(readFileSync(`/proc/${child}/status`, 'utf8'));
      for (let left = 100; left > 0 && isThere(); left--) await new Promise((resolve) => setTimeout(resolve, 50));
      expect(isThere()).to.equal(false);
      expect((await execute(['sh', '-c', 'echo done'], { log, seconds: 60 })).failure).to.equal('');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('one that fails is recorded, and the rest go on', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-stages-'));
    const logs: string[] = [];
    const kept: number[] = [];
    const stages = [
      { name: 'first part', run: (log: string) => (logs.push(log), 'nine') },
      { name: 'second', run: () => Promise.reject(new Error('no room\nat all')) },
      { name: 'third', run: () => ({ found: 'ten', passed: 10 }) },
      { name: 'fourth', run: () => ({ found: 'half', error: 'half failed' }) },
    ];
    try {
      const results = await runStages('test', stages, folder, (soFar) => kept.push(soFar.length));
      expect(kept).to.deep.equal([1, 2, 3, 4]);
      expect(results.map(({ stage, found, passed, error }) => [stage, found, passed, error])).to.deep.equal([
        ['first part', 'nine', undefined, undefined],
        ['second', '', undefined, 'no room\nat all'],
        ['third', 'ten', 10, undefined],
        ['fourth', 'half', undefined, 'half failed'],
      ]);
      expect(logs).to.deep.equal([join(folder, 'first_part.log')]);
      const timed = results.map((result) => ({ ...result, seconds: 100 }));
      expect(stageTable(timed).split('\n')).to.deep.equal([
        'first part  nine    100 s',
        'second      FAILED  100 s',
        'third       ten     100 s',
        'fourth      FAILED  100 s',
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('gpu:check with stand-ins for NVIDIA’s tools', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gradstep-gpu-'));
    mkdirSync(join(folder, 'bin'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function tool(name: string, script: string): void {
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(folder, 'bin', name), 0o755);
  }

  function check(
    args: string[],
    env: NodeJS.ProcessEnv = {},
  ): { status: number | null; said: string; report?: Report; text?: string } {
    const path = `${join(folder, 'bin')}${delimiter}${process.env.PATH}`;
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['scripts/gpu_check.mjs', '--out', join(folder, 'results'), ...args],
      { cwd: root, encoding: 'utf8', env: { ...process.env, PATH: path, ...env } },
    );
    const files = existsSync(join(folder, 'results')) ? readdirSync(join(folder, 'results')).sort() : [];
    const reports = files.filter((file) => file !== 'logs');
    if (reports.length === 0) return { status, said: stdout + stderr };
    const [json, markdown] = reports.map((file) => readFileSync(join(folder, 'results', file), 'utf8'));
    expect(reports.map((file) => file.replace(/\d{4}-\d\d-\d\d/, 'DATE'))).to.deep.equal([
      'cuda_h100_80gb_hbm3_DATE.json',
      'cuda_h100_80gb_hbm3_DATE.md',
    ]);
    return { status, said: stdout + stderr, report: JSON.parse(json!) as Report, text: markdown! };
  }

  const NVIDIA_SMI = `case "$1" in --query-gpu*) echo '${CSV.trim()}' ;; *) echo '| Driver Version: 580.65.06  CUDA Version: 13.0 |' ;; esac`;

  it('says in a line that there is no GPU, and writes nothing', () => {
    tool('nvidia-smi', 'echo "No devices were found"; exit 6');
    const { status, said, report } = check(['--stages', 'ops']);
    expect(said).to.equal('gpu:check: No NVIDIA GPU was found (nvidia-smi lists none), and this check is about one.\n');
    expect(status).to.equal(1);
    expect(report).to.equal(undefined);
  });

  it('refuses a stage and an option it does not know', () => {
    expect(check(['--stages', 'speed'])).to.include({ status: 1 });
    expect(check(['--gpu', '3']).said).to.match(/^gpu:check: .*--gpu/);
  });

  const few = ['--grep', '^(?!random).*argmax']; // the op's own cases
  const EMULATED = { GRADSTEP_CUDA_PLUGIN: pluginPath('cuda-emulated').path };

  it('runs op cases on the device asked for, and compute-sanitizer over two of each op', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    tool('compute-sanitizer', `echo "========= $*"; shift 10; "$@"; echo '========= ERROR SUMMARY: 0 errors'`);
    const { status, said, report, text } = check(['--stages', 'ops,memcheck', ...few], EMULATED);
    expect(status, said).to.equal(0);
    const [ops, memcheck] = report!.stages;
    expect(ops).to.include({ stage: 'ops' });
    expect(ops!.passed).to.be.greaterThan(2);
    expect(memcheck).to.include({ stage: 'memcheck', passed: 2, found: 'nothing in op cases: 2 passed' });
    const log = readFileSync(join(folder, 'results/logs/memcheck.log'), 'utf8');
    expect(log).to.match(
      /^========= --tool memcheck --print-limit 20 --launch-timeout 300 --report-api-errors no --destroy-on-device-error kernel /,
    );
    expect(log).to.contain('op table on cuda:0').and.not.to.contain('op table on cpu');
    expect(text).to.contain('Every stage passed.');
    expect(report!.gpu.driver).to.equal('580.65.06');
    expect(report!.cuda).to.equal('13.0');
  });

  it('takes minutes with --quick: a few cases of each op, and none that would begin too late', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    const quick = ['--quick', '--stages', 'ops', ...few];
    expect(check(quick, EMULATED).report!.stages[0]!.found).to.equal('2 passed');
    expect(check([...quick, '--limit', '0.01'], EMULATED).report!.stages[0]!.found).to.match(
      /^0 passed, \d+ left out after 0.01 s$/,
    );
    expect(check(['--limit', 'soon']).said).to.equal('gpu:check: Expected a number > 0 for --limit but received soon\n');
  });

  it('leaves it to cuBLAS what operands are rounded to, and notices what is wrong all the same', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    const products = ['--stages', 'ops', '--grep', '(matmul[^[]*\\[(5, 7|33, 65)\\]|lstm|gru|simpleRnn).* in (bfloat16|tf32)'];
    for (const rounding of ['', 'none']) {
      const { status, said, report } = check(products, { ...EMULATED, GRADSTEP_EMULATION_ROUNDING: rounding });
      expect(status, said).to.equal(0);
      expect(report!.stages[0]!.passed).to.be.greaterThan(40);
    }
    const rounded = { terms: 16 };
    expect(() => expectClose([1.3], [1], rounded, 'y')).to.throw(/^y\[0\] is 1.3, the reference says 1 /);
    expectClose([1.3], [1], rounded, 'y', true);
    expect(() => expectClose([1.6], [1], rounded, 'y', true)).to.throw(/^y\[0\] is 1.6, the reference says 1 /);
    expect(() => expectClose([NaN], [1], rounded, 'y', true)).to.throw();
  });

  it('op cases fail on a device that computes nothing: they are run there', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    const { status, report, text } = check(['--stages', 'ops', ...few], { GRADSTEP_CUDA_PLUGIN: FAKE_PLUGIN });
    expect(status).to.equal(1);
    expect(report!.stages[0]!.error).to.match(/^\d+ failed, 0 passed\n {2}op table on cuda:0 argmax \S/);
    expect(text).to.contain('Failed: ops.').and.to.contain('## Why ops failed');
  });

  it('records what compute-sanitizer found, and goes on', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    tool('compute-sanitizer', `shift 10; "$@"; cat <<'END'\n${MEMCHECK}END`);
    const { status, report } = check(['--stages', 'memcheck,synccheck', ...few], EMULATED);
    expect(status).to.equal(1);
    expect(report!.stages.map(({ stage }) => stage)).to.deep.equal(['memcheck', 'synccheck']);
    for (const { error } of report!.stages) {
      expect(error).to.match(/^3 errors or hazards; op cases: 2 passed\nInvalid __global__ write of size 4 bytes\n/);
    }
  });

  it('the report is written where the GPU is lost meanwhile', () => {
    const lost = join(folder, 'lost');
    tool('nvidia-smi', `[ -e ${lost} ] && exit 1\n${NVIDIA_SMI}`);
    tool('compute-sanitizer', `touch ${lost}; exit 1`);
    const { report } = check(['--stages', 'memcheck', ...few]);
    expect(report!.smClockAfterMHz).to.equal('unknown');
    expect(report!.stages[0]!.error).to.match(/^compute-sanitizer printed no summary/);
  });

  it('compute-sanitizer that watched nothing is a failure', () => {
    tool('nvidia-smi', NVIDIA_SMI);
    tool('compute-sanitizer', 'echo "========= COMPUTE-SANITIZER"');
    const { status, report } = check(['--stages', 'initcheck', ...few]);
    expect(status).to.equal(1);
    expect(report!.stages[0]!.error).to.match(/^compute-sanitizer printed no summary/);
  });
});
