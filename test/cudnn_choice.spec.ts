/**
 * Which cuDNN is found, and which convolutions it computes: on the emulated device, with a stand-in for the library whose calls take
 * as long as a kernel (test/native/cudnn).
 */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { native } from '../lib/runtime/native.js';
import { Computed, cudnnLibrary, setVariables } from './helpers/cudnn.js';
import { plugin } from './helpers/emulation.js';
import { compareCase } from './helpers/op_compare.js';
import { ALL_CASES } from './cases/index.js';

describe('cuDNN', () => {
  // Ours make the gradient by x in four launches where strides are 2, the library in two, with the kernel that turns the weights;
  // the forward convolution in one and in two.
  const test = ALL_CASES.conv!.find(({ name }) => name === 'one tap, 16 to 32 channels, stride 2')!;
  let computed: Computed;
  beforeEach(() => (computed = new Computed()));
  afterEach(() => computed.end());

  /** Runs the case twice; what was measured to be the fastest, and what the library computed the second time. */
  async function choose(
    library: string,
    options: { deterministic?: boolean; refuses?: string; ways?: string } = {},
  ): Promise<{ kept: string[]; calls: string[] }> {
    const reset = setVariables({
      ...computed.machine(library),
      GRADSTEP_CUDA_WAYS: options.ways,
      GRADSTEP_CACHE: computed.folder,
      GRADSTEP_EMULATION_PACE: '1',
      GRADSTEP_FAKE_CUDNN_REFUSES: options.refuses,
    });
    const { deterministic = false } = options;
    const session = new (native().Session)({
      device: 'cuda-emulated',
      threads: 0,
      plugin: plugin('cuda-emulated'),
      deterministic,
    });
    try {
      await compareCase(session, 'cuda', test);
      computed.take();
      await compareCase(session, 'cuda', test);
    } finally {
      await session.dispose();
      reset();
    }
    const cache = join(computed.folder, 'cuda_algorithms.txt');
    const lines = existsSync(cache) ? readFileSync(cache, 'utf8').split('\n') : [];
    const kept = lines.flatMap((line) => {
      const [, op, hex] = /, (conv\S*) .*, cuDNN 92801\t(.*)$/.exec(line) ?? [];
      if (op === undefined) return [];
      const way = Buffer.from(hex!, 'hex').toString();
      return [`${op} ${way.startsWith('cudnn:') ? way : 'own'}`];
    });
    return { kept: kept.sort(), calls: [...new Set(computed.take())] };
  }

  it('computes what it is faster at, and the choice is kept under its version', async () => {
    expect(await choose(cudnnLibrary('fake'))).to.deep.equal({
      kept: ['conv own', 'conv_dw own', 'conv_dx cudnn:data_1'],
      calls: ['cudnnConvolutionBackwardData 1'],
    });
  });

  it('does not compute what it turns out not to support', async () => {
    expect(await choose(cudnnLibrary('fake'), { refuses: 'cudnnConvolutionBackwardData' })).to.deep.equal({
      kept: ['conv own', 'conv_dw own', 'conv_dx own'],
      calls: [],
    });
  });

  it('computes nothing by a part of the library that is missing or broken', async () => {
    for (const status of [1008, 4000]) {
      const refuses = `cudnnGetConvolutionBackwardDataAlgorithm_v7 ${status}`;
      const { kept } = await choose(cudnnLibrary('fake'), { refuses });
      expect(kept).to.deep.equal(['conv own', 'conv_dw own']);
    }
  });

  it('computes nothing in a deterministic session', async () => {
    expect(await choose(cudnnLibrary('fake'), { deterministic: true })).to.deep.equal({ kept: [], calls: [] });
  });

  const everything = 'cudnn:implicit_precomp_gemm,cudnn:data_1,cudnn:filter_1';
  for (const [which, library] of [
    ['an older one', () => cudnnLibrary('old')],
    ['one without the functions that are needed', () => cudnnLibrary('broken')],
    ['a file that is not there', () => '/nowhere/libcudnn.so.9'],
  ] as const) {
    it(`${which} counts as none`, async () => {
      expect(await choose(library(), { ways: everything })).to.deep.equal({ kept: [], calls: [] });
    });
  }

  it('is asked for by name and version', () => {
    const found = (which: 'fake' | 'old' | 'broken'): string => {
      const env = { ...process.env, LD_LIBRARY_PATH: dirname(cudnnLibrary(which)) };
      return spawnSync(join(dirname(plugin('cuda-emulated')), 'gradstep_find_cudnn'), { env, encoding: 'utf8' }).stdout;
    };
    expect([found('fake'), found('old'), found('broken')]).to.deep.equal(['92801\n', 'none\n', 'none\n']);
  });
});
