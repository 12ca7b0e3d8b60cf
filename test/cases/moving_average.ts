/** movingAverage: three steps towards a value, from slow to at once; equal numbers stay put; a set flag stops it. */
import { movingAverage } from '../../lib/ops/moving_average.js';
import { FLAG, type CaseInput, type OpCase } from './op_case.js';

const STEPS = 3;

function simple(name: string, size: number, momentum: number, extra: { value?: CaseInput; flagged?: boolean } = {}): OpCase {
  return {
    name,
    inputs: {
      average: { shape: [size] },
      value: extra.value ?? { shape: [size] },
      flag: extra.flagged ? { ...FLAG, data: [1, 0, 0, 0] } : FLAG,
    },
    build: ({ average, value, flag }) => (movingAverage(average!, value!, momentum, flag!), {}),
    reference: ({ average, value }) => {
      const keep = extra.flagged ? 1 : momentum ** STEPS;
      return { average: average!.map((a, i) => keep * a + (1 - keep) * value![i]!) };
    },
    gradients: [],
    steps: STEPS,
  };
}

const ANY = [0.1, -1 / 3, 1e30, -7e-30, 12345.678];

/** Averages of these sizes, one after another: lowering makes one instruction of them. */
const SIZES = [...Array.from({ length: 15 }, (_, i) => 3 + 5 * i), 2051];
const together = SIZES.map((_, i) => i);

export const cases: OpCase[] = [
  {
    name: 'sixteen at once',
    inputs: {
      ...Object.fromEntries(together.flatMap((i) => ['average', 'value'].map((n) => [`${n}${i}`, { shape: [SIZES[i]!] }]))),
      flag: FLAG,
    },
    build: (v) => {
      for (const i of together) movingAverage(v[`average${i}`]!, v[`value${i}`]!, 0.75, v.flag!);
      return {};
    },
    reference: (v) => {
      const keep = 0.75 ** STEPS;
      const moved = (i: number): number[] => v[`average${i}`]!.map((a, k) => keep * a + (1 - keep) * v[`value${i}`]![k]!);
      return Object.fromEntries(together.map((i) => [`average${i}`, moved(i)]));
    },
    gradients: [],
    steps: STEPS,
  },
  simple('of 37', 37, 0.75),
  simple('of one', 1, 0.99),
  simple('several threads', 40001, 0.99),
  simple('nearly still', 4, 0.9999, { value: { shape: [4], data: [1e4, -2e4, 3e4, 5e4] } }),
  simple('mostly the value', 6, 0.1),
  simple('momentum 0 takes the value, however small', 3, 0, { value: { shape: [3], data: [1e-30, -2e-30, 0] } }),
  {
    name: 'momentum 0 takes the value, whatever the average was',
    inputs: {
      average: { shape: [5], data: [Infinity, NaN, -Infinity, 1, 2] },
      value: { shape: [5], data: [1, 2, 3, 4, -5] },
      flag: FLAG,
    },
    build: ({ average, value, flag }) => (movingAverage(average!, value!, 0, flag!), {}),
    reference: ({ value }) => ({ average: value! }),
    gradients: [],
    rtol: 0,
  },
  simple('momentum 1 leaves the average', 5, 1),
  simple('a set flag stops it', 5, 0.5, { flagged: true }),
  {
    name: 'equal numbers stay put',
    inputs: { average: { shape: [5], data: ANY }, value: { shape: [5], data: ANY }, flag: FLAG },
    build: ({ average, value, flag }) => (movingAverage(average!, value!, 0.9999, flag!), {}),
    reference: ({ value }) => ({ average: value! }),
    gradients: [],
    steps: 200,
    rtol: 0,
  },
];
