/** metricSum: exact totals over several steps, weighted or not, anywhere in a total; the guard raises the flag once. */
import { metricSum } from '../../lib/ops/metric_sum.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

const total = { shape: [2], dtype: 'float64', data: [0.5, 3] } as const;

export const cases: OpCase[] = [
  ...[7, 1, 70001].map((n): OpCase => ({
    name: `${n} elements, two steps`,
    inputs: { x: { shape: [n] }, state: STATE, total, flag: FLAG },
    build: ({ x, state, total: t, flag }) => (metricSum(x!, t!, state!, flag!, n === 7), {}),
    reference: ({ x }) => ({ total: [0.5 + 2 * x!.reduce((s, v) => s + v, 0), 3 + 2 * n], flag: [0, 0, 0, 0] }),
    gradients: [],
    terms: n,
    steps: 2,
  })),
  ...[9, 1, 5003].map((n): OpCase => ({
    name: `${n} weighted elements of 3 terms, third and fourth sum`,
    inputs: {
      x: { shape: [n] },
      weights: { shape: [n], range: [0, 2] },
      state: STATE,
      total: { shape: [5], dtype: 'float64', data: [9, 8, 0.5, 3, 7] },
      flag: FLAG,
    },
    build: ({ x, weights, state, total: t, flag }) => {
      metricSum(x!, t!, state!, flag!, false, { weights, terms: 3, at: 2 });
      return {};
    },
    reference({ x, weights }) {
      const weighted = x!.reduce((s, v, i) => s + v * weights![i]!, 0);
      return { total: [9, 8, 0.5 + weighted, 3 + 3 * weights!.reduce((s, w) => s + w, 0), 7] };
    },
    gradients: [],
    terms: n,
  })),
  ...[Infinity, -Infinity, NaN].map((bad): OpCase => ({
    name: `guarded ${bad}`,
    inputs: { x: { shape: [4], data: [1, bad, 2, 3] }, state: { ...STATE, data: [9, 0, 0, 0] }, total, flag: FLAG },
    build: ({ x, state, total: t, flag }) => (metricSum(x!, t!, state!, flag!, true), {}),
    reference: () => ({ flag: [2, 0, 0, 9] }),
    gradients: [],
  })),
  {
    name: 'unguarded NaN, and a flag that is already set stays',
    inputs: { x: { shape: [2], data: [NaN, 1] }, state: STATE, total, flag: { ...FLAG, data: [1, 5, 6, 7] } },
    build: ({ x, state, total: t, flag }) => {
      metricSum(x!, t!, state!, flag!, false);
      metricSum(x!, t!, state!, flag!, true);
      return {};
    },
    reference: () => ({ flag: [1, 5, 6, 7] }),
    gradients: [],
  },
];
