/**
 * conv and its gradients on tensors that are stored in bfloat16, in the CPU's ways that conv_narrow.ts does not reach: few
 * channels, vectors of eight of them, oneDNN's own bfloat16 in and out, depthwise, kernel gradients too large for the tiles.
 */
import { added, byInput, byKernel, forward } from './conv_narrow.js';
import type { OpCase } from './op_case.js';

const SAME = { padTop: 1, padBottom: 1, padLeft: 1, padRight: 1 };
const STRIDED = { strideH: 2, strideW: 2 };
const BOTH = ['bias', 'relu'] as const;
const HOLES = { dilationH: 2, dilationW: 3 };

export const cases: OpCase[] = [
  forward('1 to 32 channels', [2, 9, 8, 1], [3, 3, 1, 32], SAME, [['x', 'w', 'y'], ['y'], ['w']], BOTH),
  forward('3 to 48 channels, stride 2', [1, 9, 30, 3], [3, 3, 3, 48], STRIDED, [['x', 'w', 'y'], ['x']]),
  forward('32 to 64 channels', [2, 6, 7, 32], [3, 3, 32, 64], SAME, [['x', 'w', 'y'], ['x'], ['y']], BOTH),
  forward('8 to 24 channels', [1, 9, 7, 8], [3, 3, 8, 24], SAME, [['x', 'w', 'y'], ['x'], ['y']], BOTH),
  byInput(
    '24 to 8 channels, masked',
    [2, 6, 7, 24],
    [3, 3, 24, 8],
    SAME,
    [['dy', 'w', 'mask', 'dx'], ['mask'], ['dy', 'dx']],
    true,
  ),
  byKernel('8 to 24 channels', [2, 9, 6, 8], [3, 3, 8, 24], {}, [['x', 'dy'], ['x'], ['dy']], true),
  byInput('16 to 32 channels, stride 2', [1, 9, 8, 16], [3, 3, 16, 32], STRIDED, [['dy', 'w', 'dx'], ['dy'], ['dx']]),
  byInput('depthwise', [2, 7, 9, 16], [3, 3, 1, 16], { ...SAME, groups: 16 }, [['dy', 'w', 'dx'], ['dy', 'dx'], ['dx']]),
  byInput('depthwise, dilated', [1, 9, 9, 16], [3, 3, 1, 16], { ...SAME, ...HOLES, groups: 16 }, [['dy', 'w', 'dx'], ['dy']]),
  byKernel('192 to 160 channels', [1, 4, 4, 192], [3, 3, 192, 160], SAME, [['x', 'dy'], ['x'], ['dy']], true),
  byKernel('256 to 288 channels', [1, 3, 3, 256], [2, 2, 256, 288], {}, [['x', 'dy'], ['x'], ['dy']], true),
  byKernel('depthwise, dilated', [1, 13, 16, 18], [3, 4, 1, 18], { ...HOLES, groups: 18 }, [['x', 'dy'], ['x'], ['dy']], true),
  added('8 to 16 channels, stride 2', [1, 6, 7, 8], [1, 1, 8, 16], STRIDED),
  added('depthwise, two channels from each', [1, 5, 6, 6], [2, 2, 1, 12], { groups: 6 }),
];
