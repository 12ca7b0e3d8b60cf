/**
 * Convolutions on CUDA in every way in which they are cut into blocks (native/ops/conv_cuts.cuh): tiles, slices of the sum, and
 * what each tile is compiled for. The op-table walk takes the first way of every case; that the ways asked for here are there is
 * tested in test/native/cuda_backend/conv_cuts_test.cc.
 */
import type { NativeSession } from '../binding.js';
import type { ConvWindow } from '../lib/ops/conv.js';
import { accumulated, convolution, inPrecision, larger, SAME } from './cases/conv.js';
import { byInput, byKernel, forward } from './cases/conv_narrow.js';
import type { OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { compareCase, MODES } from './helpers/op_compare.js';

const guarded = MODES.find(({ name }) => name === 'guarded')!;
const PRECISIONS = ['float32', 'tf32', 'bfloat16'] as const;
type Precision = (typeof PRECISIONS)[number];

/** A tile whatever its slices: a gradient by a kernel has as many as its shape asks for. */
const tile = (size: string): string => [`tile ${size}`, ...Array.from({ length: 64 }, (_, i) => sliced(size, i + 2))].join(',');
const sliced = (size: string, slices: number): string => `tile ${size} in ${slices} slices`;

function waysOf(precision: Precision): [ways: string, tests: OpCase[]][] {
  const rounded = precision === 'float32' ? undefined : precision;
  const many = larger('32 to 36 channels', [1, 15, 13, 32], [3, 3, 32, 36], SAME, rounded);
  const few = larger('16 channels', [1, 17, 16, 16], [3, 3, 16, 16], SAME, rounded);
  const first = larger('3 to 20 channels', [1, 12, 12, 3], [3, 3, 3, 20], {}, rounded);
  const odd = larger('5 to 19 channels', [1, 12, 12, 5], [3, 2, 5, 19], {}, rounded);
  const deep = larger('three axes', [1, 4, 6, 6, 12], [2, 2, 2, 12, 36], {}, rounded);
  const strided = larger('32 channels, stride 2', [1, 19, 17, 32], [3, 3, 32, 32], { ...SAME, strideH: 2, strideW: 2 }, rounded);
  const grouped = larger('two groups', [1, 11, 9, 64], [3, 3, 32, 64], { ...SAME, groups: 2 }, rounded);
  const ended = (units: number): OpCase => {
    const shapes = [[1, 9, 9, 32], [3, 3, 32, units], SAME, true, true] as const;
    const name = `bias and relu, ${units}`;
    return rounded ? inPrecision(rounded, name, ...shapes) : { ...convolution(name, ...shapes), gradients: [] };
  };
  const twice = rounded ? [accumulated(rounded, '32 to 36 channels', [1, 15, 13, 32], [3, 3, 32, 36], SAME)] : [];
  const isRounded = rounded !== undefined;
  return [
    [tile('128x64'), [many, deep, grouped]],
    [tile('64x64'), isRounded ? [many] : [many, first, odd, deep]],
    [tile('128x32'), isRounded ? [many, deep] : [many, first, odd, deep]],
    ...(isRounded ? ([[tile('64x32'), [many, first, odd, deep]]] as [string, OpCase[]][]) : []),
    [tile('256x16'), isRounded ? [many, few] : [many, few, deep]],
    [sliced('128x64', 2), [many, strided, ended(36), ...twice]],
    [`${sliced('64x32', 2)},${sliced('64x64', 2)}`, [ended(33), grouped]],
    [sliced('256x16', 2), [few]],
  ];
}

/** The same of tensors that are stored in bfloat16. */
function waysOfStored(): [ways: string, tests: OpCase[]][] {
  const all = (x: number[], w: number[], g: ConvWindow, name = `${x} by ${w}`): OpCase[] => [
    forward(
      name,
      x,
      w,
      g,
      [
        ['x', 'w', 'y'],
        ['x', 'w'],
      ],
      ['bias', 'relu'],
    ),
    byInput(
      name,
      x,
      w,
      g,
      [
        ['dy', 'w', 'mask', 'dx'],
        ['dy', 'w'],
      ],
      true,
    ),
    byKernel(name, x, w, g, [['x', 'dy']]),
  ];
  const many = all([1, 15, 13, 32], [3, 3, 32, 40], SAME);
  const few = all([1, 17, 16, 16], [3, 3, 16, 16], SAME);
  const deep = all([1, 4, 6, 6, 16], [2, 2, 2, 16, 40], {});
  const strided = all([1, 19, 17, 32], [3, 3, 32, 32], { ...SAME, strideH: 2, strideW: 2 });
  const grouped = all([1, 11, 9, 64], [3, 3, 32, 64], { ...SAME, groups: 2 });
  const others = [
    ...all([1, 12, 12, 3], [3, 3, 3, 24], {}),
    ...all([1, 12, 12, 5], [3, 2, 5, 19], {}),
    ...all([1, 8, 12, 12], [3, 2, 12, 20], {}),
    ...all([1, 4, 6, 6, 12], [2, 2, 2, 12, 20], {}),
    ...all([1, 4, 6, 6, 3], [2, 2, 2, 3, 7], {}),
  ];
  return [
    [tile('128x64'), [...many, ...deep, ...grouped]],
    [tile('64x64'), many],
    [tile('128x32'), [...many, ...deep]],
    [tile('64x32'), [...many, ...deep, ...others]],
    [tile('256x16'), few],
    [sliced('128x64', 2), [...many, ...strided]],
    [sliced('256x16', 2), few],
  ];
}

for (const backend of backends().filter(({ kind }) => kind === 'cuda')) {
  describe(`convolutions in every way on ${backend.name}`, () => {
    const stored = waysOfStored().map(([ways, tests]) => ['stored in bfloat16', ways, tests, []] as const);
    const rounded = PRECISIONS.flatMap((p) => waysOf(p).map(([ways, tests]) => [p, ways, tests, [guarded]] as const));
    for (const [name, ways, tests, modes] of [...rounded, ...stored]) {
      describe(`${name}, ${ways.split(',')[0]}`, () => {
        let before: string | undefined;
        let session: NativeSession;
        beforeEach(() => {
          before = process.env.GRADSTEP_CUDA_WAYS;
          process.env.GRADSTEP_CUDA_WAYS = ways;
          session = openSession(backend);
        });
        afterEach(async () => {
          await session.dispose();
          process.env.GRADSTEP_CUDA_WAYS = before;
        });

        for (const test of tests) it(test.name, () => compareCase(session, backend.kind, test, undefined, [...modes]));
      });
    }
  });
}
