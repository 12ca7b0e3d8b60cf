/**
 * Convolutions on CUDA by cuDNN (native/ops/conv_cudnn.cu), where it can express them. The op-table walk runs the same cases by
 * our own kernels. On the emulated device a stand-in takes the library's place (test/native/cudnn), which lists what it computes;
 * on a GPU it is the library that is installed there, if one is.
 */
import { expect } from 'chai';
import { backends, openSession, sharedSession } from './helpers/backends.js';
import { Computed, cudnnLibrary, setVariables } from './helpers/cudnn.js';
import { compareCase } from './helpers/op_compare.js';
import { SAME } from './cases/conv.js';
import { added, byInput, byKernel, forward } from './cases/conv_narrow.js';
import { ALL_CASES } from './cases/index.js';
import type { OpCase } from './cases/op_case.js';
import type { NativeSession } from '../binding.js';

/** The names of ways: what the stand-in proposes, and then what an installed library may. */
const named = (...algorithms: string[]): string => algorithms.map((name) => `cudnn:${name}`).join(',');
const FIRST = [
  named('implicit_precomp_gemm+bias', 'implicit_precomp_gemm', 'data_1', 'filter_1'),
  named('implicit_gemm', 'gemm', 'direct', 'fft', 'fft_tiling', 'winograd', 'winograd_nonfused'),
  named('data_0', 'data_fft', 'data_fft_tiling', 'data_winograd', 'data_winograd_nonfused'),
  named('filter_0', 'filter_fft', 'filter_3', 'filter_winograd_nonfused', 'filter_fft_tiling'),
].join(',');
const OTHERS = {
  'its second proposals': named('implicit_gemm', 'data_winograd', 'filter_winograd_nonfused'),
  'its third proposals': named('fft_tiling', 'data_winograd_nonfused', 'filter_fft'),
  'its first proposals, a bias by a pass of ours': named('implicit_precomp_gemm', 'data_1', 'filter_1'),
};
const CASES_OF_OTHERS = [
  '3×3',
  'one channel in, 17 out',
  'groups, bias and relu',
  'bias and relu, two groups in tf32',
  '8 to 4 channels in tf32: gradients accumulate',
];

/** Not those that are there for the tiles of our own kernels. */
const CASES = ALL_CASES.conv!.filter(({ name }) => !/tiles|a megabyte|wide channels|many rows/.test(name));
const caseNamed = (name: string): OpCase => CASES.find((test) => test.name === name)!;

/** What the library cannot express: padding that differs before and after an axis, where that changes how many windows there are. */
const BEYOND_IT = [
  '3 to 16 channels, 5×4, stride 2, uneven',
  '32 to 16 channels, uneven',
  '8 to 24 channels, uneven',
  '18 to 32 channels, stride 2, dilation 3',
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
  'masked: three axes',
  'masked: stride 2 in bfloat16',
  'three axes, bias and relu in bfloat16',
  'transposed in bfloat16',
  'transposed in tf32',
];

/** Operands and result in bfloat16, as the library can have them; whatever w is in. */
const CONV = [
  ['x', 'w', 'y'],
  ['x', 'y'],
];
const DX = [
  ['dy', 'w', 'mask', 'dx'],
  ['dy', 'dx'],
];
const NARROW = [
  forward('3×3', [2, 6, 5, 3], [3, 3, 3, 4], SAME, CONV),
  forward('relu, two groups', [2, 6, 6, 16], [3, 3, 8, 12], { ...SAME, groups: 2 }, CONV, ['relu']),
  forward('three axes', [1, 4, 3, 5, 8], [2, 3, 2, 8, 16], { padTop: 1, padBottom: 1 }, CONV),
  forward('depthwise', [1, 5, 4, 8], [3, 3, 1, 8], { ...SAME, groups: 8 }, CONV),
  byInput('8 to 16 channels, masked', [2, 6, 5, 8], [3, 3, 8, 16], SAME, DX, true),
  byInput('odd channels, masked', [1, 6, 5, 3], [3, 3, 3, 7], SAME, DX, true),
  added('8 to 16 channels', [1, 6, 7, 8], [1, 1, 8, 16], {}, [['dy', 'dz', 'w', 'x', 'z', 'dx']]),
];

/** What it cannot have, or would round twice. */
const NARROW_BEYOND_IT = [
  forward('bias', [1, 5, 6, 8], [3, 3, 8, 16], SAME, CONV, ['bias']),
  forward('a result in float32', [1, 5, 6, 8], [3, 3, 8, 16], SAME, [['x', 'w']]),
  byKernel('8 to 16 channels', [1, 6, 7, 8], [3, 3, 8, 16], SAME, [['x', 'dy'], ['x'], ['dy']]),
];

/**
 * Of float32 the library multiplies TF32 numbers in bfloat16: what the reference rounds more is as far from float32. How an installed one
 * rounds to TF32 is its affair.
 */
function within(test: OpCase, emulated: boolean): OpCase {
  const loose = test.name.includes(' bfloat16') || (!emulated && test.name.includes(' tf32'));
  return loose ? { ...test, terms: 1000 * (test.terms ?? 1) } : test;
}

for (const backend of backends().filter(({ kind, order }) => kind === 'cuda' && !order)) {
  const emulated = backend.device === 'cuda-emulated';
  describe(`convolutions by cuDNN on ${backend.name}`, () => {
    const computed = new Computed();
    after(() => computed.end());

    function sessions(ways: string): () => NativeSession {
      let reset: () => void;
      before(() => {
        reset = setVariables({ GRADSTEP_CUDA_WAYS: ways, ...(emulated && computed.machine(cudnnLibrary('fake'))) });
      });
      const session = sharedSession(() => openSession(backend));
      after(() => reset());
      return session;
    }

    describe('by its first proposals', () => {
      const session = sessions(FIRST);
      const own: string[] = [];
      for (const test of CASES) {
        it(test.name, async () => {
          await compareCase(session(), backend.kind, within(test, emulated));
          if (computed.take().length === 0) own.push(test.name);
        });
      }
      it('wherever it can express them', function () {
        if (emulated) expect(own).to.deep.equal(BEYOND_IT);
        else this.skip();
      });
    });

    describe('of tensors in bfloat16', () => {
      const session = sessions(FIRST);
      for (const test of NARROW) {
        it(test.name, async () => {
          await compareCase(session(), backend.kind, test, undefined, []);
          if (emulated) expect(computed.take()).to.not.be.empty;
        });
      }
      for (const test of NARROW_BEYOND_IT) {
        it(`not by it: ${test.name}`, async () => {
          await compareCase(session(), backend.kind, test, undefined, []);
          if (emulated) expect(computed.take()).to.deep.equal([]);
        });
      }
    });

    for (const [name, ways] of Object.entries(OTHERS)) {
      describe(`by ${name}`, () => {
        const session = sessions(ways);
        for (const test of CASES_OF_OTHERS.map(caseNamed)) {
          it(test.name, async () => {
            await compareCase(session(), backend.kind, within(test, emulated));
            if (emulated) expect(computed.take().join()).to.match(/\d/).and.not.to.contain('BiasActivation');
          });
        }
      });
    }
  });
}
