/**
 * Convolutions on CUDA by cuDNN (native/ops/conv_cudnn.cu), where it can express them. The op-table walk runs the same cases by
 * our own kernels. On the emulated device a stand-in takes the library's place (test/native/cudnn), which lists what it computes;
 * on a GPU it is the library that is installed there.
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { backends, openSession } from './helpers/backends.js';
import { native } from '../lib/runtime/native.js';
import { plugin } from './helpers/emulation.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';
import type { OpCase } from './cases/op_case.js';
import type { NativeSession } from '../binding.js';

/** Where the stand-in and two libraries that cannot be used lie. */
const library = (which: 'fake' | 'old' | 'broken'): string =>
  join(dirname(dirname(plugin('cuda-emulated'))), `native/cuda/${which}_cudnn/libcudnn.so.9`);

/** Sets variables, or removes them, and returns what sets them back. */
function setting(variables: Record<string, string | undefined>): () => void {
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  const set = (entries: readonly (readonly [string, string | undefined])[]): void =>
    entries.forEach(([name, value]) => {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    });
  set(Object.entries(variables));
  return () => set(before);
}

/** The names of ways: what the stand-in proposes, and its own epilogue. */
const named = (...algorithms: string[]): string => algorithms.map((name) => `cudnn:${name}`).join(',');
const FIRST = named('implicit_precomp_gemm+bias', 'implicit_precomp_gemm', 'data_1', 'filter_1');
const OTHERS = {
  'its second proposals': named('implicit_gemm', 'data_winograd', 'filter_winograd_nonfused'),
  'its third proposals': named('fft_tiling', 'data_winograd_nonfused', 'filter_fft'),
  'its first proposals, a bias by a pass of ours': named('implicit_precomp_gemm', 'data_1', 'filter_1'),
};
const CASES_OF_OTHERS = [
  '3×3',
  'one channel in, 17 out',
  'groups, bias and relu',
  '8 to 4 channels in tf32: gradients accumulate',
];

/** Not those that are there for the tiles of our own kernels. */
const CASES = ALL_CASES.conv!.filter(({ name }) => !/tiles|a megabyte/.test(name));
const caseNamed = (name: string): OpCase => CASES.find((test) => test.name === name)!;

/** What the library cannot express: padding that differs before and after an axis, where that changes how many windows there are. */
const BEYOND_IT = [
  '3 to 16 channels, 5×4, stride 2, uneven',
  '32 to 16 channels, uneven',
  'depthwise, 5×5, strided',
  'depthwise, dilated and strided',
  'depthwise, two channels from each, 1×9',
  '5×2, uneven padding',
  'stride 4, 2 with dilation 2, 3',
  'dilation 2',
  'depthwise, one row, two channels from each',
  'three axes',
  'three axes, strides and dilations',
  'three axes, groups, relu',
  'three axes, bias and relu in bfloat16',
  'transposed in bfloat16',
  'transposed in tf32',
];

/**
 * In bfloat16 the library multiplies TF32 numbers: what the reference rounds more is as far from float32. How an installed one
 * rounds to TF32 is its affair.
 */
function within(test: OpCase, emulated: boolean): OpCase {
  const loose = test.name.includes(' bfloat16') || (!emulated && test.name.includes(' tf32'));
  return loose ? { ...test, terms: 1000 * (test.terms ?? 1) } : test;
}

for (const backend of backends().filter(({ kind, order }) => kind === 'cuda' && !order)) {
  const emulated = backend.device === 'cuda-emulated';
  describe(`convolutions by cuDNN on ${backend.name}`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'gradstep-cudnn-'));
    const log = join(folder, 'log');
    after(() => rmSync(folder, { recursive: true }));

    /** What the stand-in was asked to compute since the last look. */
    function computed(): string[] {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
      writeFileSync(log, '');
      return lines;
    }

    /** Sessions that take these ways; the library is the one at this path. */
    function sessions(ways: string, path?: string): () => NativeSession {
      let session: NativeSession;
      let reset: () => void;
      before(() => {
        const machine = { GRADSTEP_EMULATION_CUDNN: path, GRADSTEP_FAKE_CUDNN_LOG: log };
        reset = setting({ GRADSTEP_CUDA_WAYS: ways, ...(emulated && machine) });
        session = openSession(backend);
      });
      after(async () => {
        await session.dispose();
        reset();
      });
      return () => session;
    }

    describe('by its first proposals', () => {
      const session = sessions(FIRST, library('fake'));
      const own: string[] = [];
      for (const test of CASES) {
        it(test.name, async () => {
          await compareCase(session(), backend.kind, within(test, emulated));
          if (computed().length === 0) own.push(test.name);
        });
      }
      it('wherever it can express them', function () {
        if (emulated) expect(own).to.deep.equal(BEYOND_IT);
        else this.skip();
      });
    });

    for (const [name, ways] of Object.entries(OTHERS)) {
      describe(`by ${name}`, () => {
        const session = sessions(ways, library('fake'));
        for (const test of CASES_OF_OTHERS.map(caseNamed)) {
          it(test.name, async () => {
            await compareCase(session(), backend.kind, within(test, emulated));
            if (emulated) expect(computed().join()).to.match(/\d/).and.not.to.contain('BiasActivation');
          });
        }
      });
    }

    if (!emulated) return;
    for (const [name, path] of Object.entries({
      old: library('old'),
      broken: library('broken'),
      missing: '/nowhere/libcudnn.so.9',
    })) {
      describe(`where the library is ${name}`, () => {
        const session = sessions(FIRST, path);
        it('are our own kernels', async () => {
          await compareCase(session(), backend.kind, caseNamed('bias and relu'));
          expect(computed()).to.deep.equal([]);
        });
      });
    }
  });
}

describe('the choice between cuDNN and our own kernels', () => {
  // A kernel or a call of the library takes a microsecond there. Ours make the gradient by x in four launches where strides are 2,
  // the library in two with the kernel that turns the weights; the forward convolution in one and in two.
  const test = caseNamed('one tap, 16 to 32 channels, stride 2');
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'gradstep-cudnn-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Runs the case on a machine with the stand-in; what was measured to be the fastest there, and what the library computed at last. */
  async function choose(
    options: { deterministic?: boolean; refuses?: string } = {},
  ): Promise<{ kept: string[]; last: string[] }> {
    const log = join(folder, 'log');
    const reset = setting({
      GRADSTEP_CUDA_WAYS: '',
      GRADSTEP_CACHE: folder,
      GRADSTEP_EMULATION_CUDNN: library('fake'),
      GRADSTEP_EMULATION_PACE: '1',
      GRADSTEP_FAKE_CUDNN_LOG: log,
      GRADSTEP_FAKE_CUDNN_REFUSES: options.refuses,
    });
    try {
      writeFileSync(log, '');
      const { deterministic = false } = options;
      const session = new (native().Session)({
        device: 'cuda-emulated',
        threads: 0,
        plugin: plugin('cuda-emulated'),
        deterministic,
      });
      try {
        await compareCase(session, 'cuda', test);
        writeFileSync(log, '');
        await compareCase(session, 'cuda', test);
      } finally {
        await session.dispose();
      }
      const cache = join(folder, 'cuda_algorithms.txt');
      const lines = existsSync(cache) ? readFileSync(cache, 'utf8').split('\n') : [];
      const kept = lines.flatMap((line) => {
        const [, what, hex] = /, (conv.*), cuDNN 92801\t(.*)$/.exec(line) ?? [];
        return what === undefined ? [] : [`${what.split(' ')[0]} ${Buffer.from(hex!, 'hex').toString()}`];
      });
      return { kept, last: [...new Set(readFileSync(log, 'utf8').split('\n').slice(0, -1))] };
    } finally {
      reset();
    }
  }

  it('is by what is faster, and is kept under the library’s version', async () => {
    const { kept, last } = await choose();
    expect(kept.sort()).to.deep.equal(['conv own', 'conv_dw own', 'conv_dx cudnn:data_1']);
    expect(last).to.deep.equal(['cudnnConvolutionBackwardData 1']);
  });

  it('leaves out what the library turns out not to support', async () => {
    const { kept, last } = await choose({ refuses: 'cudnnConvolutionBackwardData' });
    expect(kept.sort()).to.deep.equal(['conv own', 'conv_dw own', 'conv_dx own']);
    expect(last).to.deep.equal([]);
  });

  it('is for our own where a session is deterministic', async () => {
    expect(await choose({ deterministic: true })).to.deep.equal({ kept: [], last: [] });
  });
});

describe('cuDNN on a user’s machine', () => {
  const found = (folder: string): string => {
    const env = { ...process.env, LD_LIBRARY_PATH: folder };
    return spawnSync(join(dirname(plugin('cuda-emulated')), 'gradstep_find_cudnn'), { env, encoding: 'utf8' }).stdout;
  };
  it('is found by its name', () => expect(found(dirname(library('fake')))).to.equal('92801\n'));
  it('counts as absent where it is an older one', () => expect(found(dirname(library('old')))).to.equal('none\n'));
  it('counts as absent where functions are missing', () => expect(found(dirname(library('broken')))).to.equal('none\n'));
});
