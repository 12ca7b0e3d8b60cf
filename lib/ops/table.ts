/** The op table: every op that has a kernel, in the order of their codes. The generator and the tests walk it. */
import { adamOp } from './adam.js';
import { argmaxOp } from './argmax.js';
import { averagePool2dDxOp, averagePool2dOp } from './average_pool2d.js';
import { conv2dDwOp, conv2dDxOp, conv2dOp } from './conv2d.js';
import { dropoutOp } from './dropout.js';
import { advanceOp, gatherOp, scatterOp } from './gather.js';
import { map } from './map.js';
import { matmulOp } from './matmul.js';
import { maxPool2dDxOp, maxPool2dOp } from './max_pool2d.js';
import { metricSumOp } from './metric_sum.js';
import { reduceSum } from './reduce_sum.js';
import { sgdOp } from './sgd.js';
import { softmaxCrossEntropyDxOp, softmaxCrossEntropyOp } from './softmax_cross_entropy.js';
import { softmaxOp } from './softmax.js';
import type { OpDef } from '../graph/define_op.js';

export const OP_TABLE: readonly OpDef[] = [
  gatherOp,
  scatterOp,
  advanceOp,
  map,
  reduceSum,
  matmulOp,
  conv2dOp,
  conv2dDxOp,
  conv2dDwOp,
  maxPool2dOp,
  maxPool2dDxOp,
  averagePool2dOp,
  averagePool2dDxOp,
  softmaxOp,
  softmaxCrossEntropyOp,
  softmaxCrossEntropyDxOp,
  argmaxOp,
  dropoutOp,
  metricSumOp,
  sgdOp,
  adamOp,
];
