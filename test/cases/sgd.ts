/** sgd: plain, momentum and Nesterov over several steps of a constant gradient; a set flag stops it. */
import { sgdOp } from '../../lib/ops/sgd.js';
import { FLAG, type Numbers, type OpCase } from './op_case.js';

function simple(name: string, size: number, momentum: number | undefined, nesterov: boolean, flagged = false): OpCase {
  const steps = 3;
  return {
    name,
    inputs: {
      params: { shape: [size] },
      grads: { shape: [size] },
      ...(momentum === undefined ? {} : { velocity: { shape: [size] } }),
      learningRate: { shape: [1], data: [0.125] },
      flag: flagged ? { ...FLAG, data: [2, 0, 0, 0] } : FLAG,
    },
    build: (v) => {
      v.params!.graph.add(sgdOp, v, { momentum: momentum ?? 0, nesterov: nesterov ? 'yes' : 'no' });
      return {};
    },
    reference: (x): Numbers => {
      if (flagged) return { params: x.params! };
      const mu = Math.fround(momentum ?? 0);
      const velocity = [...(x.velocity ?? x.params!.map(() => 0))];
      const params = x.params!.map((w, i) => {
        const pull = 0.125 * x.grads![i]!;
        let weight = w;
        for (let s = 0; s < steps; s++) {
          velocity[i] = mu * velocity[i]! - pull;
          weight += nesterov ? mu * velocity[i]! - pull : velocity[i]!;
        }
        return weight;
      });
      return x.velocity ? { params, velocity } : { params };
    },
    gradients: [],
    steps,
    terms: steps,
  };
}

export const cases: OpCase[] = [
  simple('plain', 37, undefined, false),
  simple('one parameter', 1, undefined, false),
  simple('several threads', 40001, undefined, false),
  simple('momentum', 37, 0.9, false),
  simple('nesterov', 37, 0.9, true),
  simple('nesterov, several threads', 40001, 0.9, true),
  simple('a set flag stops it', 5, undefined, false, true),
];
