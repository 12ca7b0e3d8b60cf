/**
 * clipByNorm: one norm over everything and one a tensor; norms below, at and above the limit; tensors that end anywhere in
 * their units, many in one stretch, one over many; numbers whose squares leave float32.
 */
import { blockBegins, clipByGlobalNorm, clipByNorm } from '../../lib/ops/clip_by_norm.js';
import { random } from '../helpers/op_run.js';
import type { CaseInput, OpCase } from './op_case.js';

const normOf = (g: readonly number[]): number => Math.sqrt(g.reduce((s, v) => s + v * v, 0));

function scaled(g: readonly number[], limit: number): number[] {
  const norm = normOf(g);
  return norm > limit ? g.map((v) => (v * limit) / norm) : [...g];
}

function global(name: string, grads: CaseInput, limit: number, steps = 1): OpCase {
  return {
    name: `global: ${name}`,
    inputs: { grads },
    build: ({ grads: g }) => ({ norm: clipByGlobalNorm(g!, limit) }),
    // From the second step on the norm is the limit.
    reference: ({ grads: g }) => ({ grads: scaled(g!, limit), norm: [steps > 1 ? limit : normOf(g!)] }),
    gradients: [],
    steps,
  };
}

/** Tensors of the given sizes with zeros in the gaps, as a block lays them out; every third is long, the others short. */
function perTensor(name: string, sizes: readonly number[], limit: number): OpCase {
  const offsets: number[] = [];
  const data: number[] = [];
  const next = random(sizes.length);
  sizes.forEach((size, i) => {
    offsets.push(data.length * 4);
    const spread = (limit / Math.sqrt(size)) * (i % 3 === 1 ? 5 : 0.9);
    for (let k = 0; k < size; k++) data.push(Math.fround((2 * next() - 1) * spread));
    while (data.length % 16 !== 0) data.push(0);
  });
  const ends = [...offsets.slice(1).map((o) => o / 4), data.length];
  return {
    name: `by tensor: ${name}`,
    inputs: {
      grads: { shape: [data.length], data },
      begins: { shape: [sizes.length], dtype: 'int32', data: [...blockBegins(offsets)] },
    },
    build: ({ grads, begins }) => ({ norms: clipByNorm(grads!, begins!, limit) }),
    reference({ grads }) {
      const tensors = offsets.map((o, i) => grads!.slice(o / 4, ends[i]));
      return { grads: tensors.flatMap((t) => scaled(t, limit)), norms: tensors.map(normOf) };
    },
    gradients: [],
  };
}

const many = Array.from({ length: 150 }, (_, i) => 1 + ((i * 37) % 90));

export const cases: OpCase[] = [
  global('above the limit', { shape: [37] }, 0.5),
  global('below the limit', { shape: [37] }, 50),
  global('at the limit', { shape: [2], data: [3, 4] }, 5),
  global('one element', { shape: [1], data: [-8] }, 2),
  global('zeros', { shape: [20], data: new Array<number>(20).fill(0) }, 2),
  global('several threads', { shape: [40003] }, 1.5),
  global('again', { shape: [5000] }, 1.5, 2),
  global('squares too large for float32', { shape: [3], data: [3e30, -4e30, 0] }, 10),
  { ...global('NaN', { shape: [3], data: [1, NaN, 2] }, 1), reference: () => ({ grads: [NaN, NaN, NaN], norm: [NaN] }) },
  {
    ...global('infinity', { shape: [3], data: [1, -Infinity, 2] }, 1),
    reference: () => ({ grads: [0, NaN, 0], norm: [Infinity] }),
  },
  perTensor('one', [100], 0.75),
  perTensor('a kernel and a bias', [12, 10000, 3, 40], 2),
  perTensor('many in one stretch', many, 0.5),
  perTensor('over many stretches', [70000, 30, 1024, 8192, 20000, 16], 3),
];
