/** weightDecay: three steps of shrinking; a set flag stops it. */
import { weightDecay } from '../../lib/ops/weight_decay.js';
import { FLAG, type OpCase } from './op_case.js';

const STEPS = 3;

function shrinking(name: string, size: number, rate: number, decay: number, flagged = false): OpCase {
  return {
    name,
    inputs: {
      params: { shape: [size], range: [-3, 3] },
      learningRate: { shape: [1], data: [rate] },
      flag: flagged ? { ...FLAG, data: [2, 0, 0, 0] } : FLAG,
    },
    build: ({ params, learningRate, flag }) => (weightDecay(params!, learningRate!, decay, flag!), {}),
    reference: ({ params, learningRate }) => ({
      params: params!.map((w) => (flagged ? w : w * (1 - learningRate![0]! * decay) ** STEPS)),
    }),
    gradients: [],
    steps: STEPS,
  };
}

export const cases: OpCase[] = [
  shrinking('of 37', 37, 0.125, 0.5),
  shrinking('of one', 1, 0.1, 1),
  shrinking('several threads', 40001, 0.001, 30),
  shrinking('nothing of nothing', 5, 0, 0.1),
  shrinking('a set flag stops it', 5, 0.1, 0.5, true),
];
