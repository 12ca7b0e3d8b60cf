/** adam over several steps, early and late; a set flag stops it. */
import { adamOp } from '../../lib/ops/adam.js';
import { advance } from '../../lib/ops/gather.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

function simple(name: string, size: number, firstStep: number, flagged = false): OpCase {
  const steps = 3;
  const [beta1, beta2, epsilon] = [Math.fround(0.9), Math.fround(0.999), Math.fround(1e-7)];
  return {
    name,
    inputs: {
      params: { shape: [size] },
      grads: { shape: [size] },
      m: { shape: [size], range: firstStep === 0 ? [0, 0] : [-1, 1] },
      v: { shape: [size], range: firstStep === 0 ? [0, 0] : [0.1, 1] },
      learningRate: { shape: [1], data: [0.125] },
      state: { ...STATE, data: [firstStep, 0, 0, 0] },
      flag: flagged ? { ...FLAG, data: [1, 0, 0, 0] } : FLAG,
    },
    build: (v) => {
      v.params!.graph.add(adamOp, v, { beta1, beta2, epsilon });
      advance(v.state!, 1, 0);
      return {};
    },
    reference: (x) => {
      if (flagged) return { params: x.params!, m: x.m!, v: x.v! };
      const [m, v] = [[...x.m!], [...x.v!]];
      const params = x.params!.map((w, i) => {
        const g = x.grads![i]!;
        let weight = w;
        for (let t = firstStep + 1; t <= firstStep + steps; t++) {
          m[i] = beta1 * m[i]! + (1 - beta1) * g;
          v[i] = beta2 * v[i]! + (1 - beta2) * g * g;
          const rate = (0.125 * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t);
          weight -= (rate * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
        }
        return weight;
      });
      return { params, m, v };
    },
    gradients: [],
    steps,
    terms: steps,
  };
}

export const cases: OpCase[] = [
  simple('from the first step', 37, 0),
  simple('one parameter', 1, 0),
  simple('later', 37, 5000),
  simple('several threads', 40001, 10),
  simple('a set flag stops it', 5, 0, true),
];
