/**
 * histogram: cells counted and weighted, rows divided between two, groups, slices (many elements), and what lies outside:
 * left out, and the first of it told by the flag.
 */
import { histogram } from '../../lib/ops/histogram.js';
import { FLAG, STATE, type CaseInput, type OpCase } from './op_case.js';

interface Table {
  groups?: number;
  rows?: number;
  columns: number;
  at?: number;
  place?: number;
}

function simple(
  name: string,
  table: Table,
  inputs: { column: CaseInput; row?: CaseInput; weights?: CaseInput },
  more: Partial<OpCase> = {},
): OpCase {
  const { groups = 1, rows = 1, columns, at = 0, place = 0 } = table;
  const size = at + groups * rows * columns;
  return {
    name,
    inputs: {
      ...inputs,
      state: { ...STATE, data: [6, 0, 0, 0] },
      total: { shape: [size], dtype: 'float64', range: [0, 9] },
      flag: FLAG,
    },
    build: ({ column, row, weights, state, total, flag }) => {
      histogram({ column: column!, row, weights, ...table }, total!, state!, flag!);
      return {};
    },
    reference({ column, row, weights, total }) {
      const cells = [...total!];
      const flag = [0, 0, 0, 0];
      const raise = (code: number, i: number, value: number) => flag[0] === 0 && flag.splice(0, 4, code, i, value, 6);
      column!.forEach((value, i) => {
        const r = row?.[i] ?? 0;
        const c = Number.isNaN(value) ? 0 : Math.trunc(value);
        if (!(r >= 0 && r <= rows - 1)) return raise(1, i, Number.isNaN(r) ? -1 : Math.trunc(r));
        if (value < 0 || c >= columns) return raise(5 + 256 * place, i, 0);
        const w = weights?.[Math.floor((i * weights.length) / column!.length)] ?? 1;
        const cell = at + ((i % groups) * rows + Math.floor(r)) * columns + c;
        cells[cell]! += w * (1 - (r % 1));
        if (r % 1 > 0) cells[cell + columns]! += w * (r % 1);
      });
      return { total: cells, flag };
    },
    gradients: [],
    ...more,
  };
}

const int = (shape: number[], end: number): CaseInput => ({ shape, dtype: 'int32', range: [0, end] });
const float = (shape: number[], end: number): CaseInput => ({ shape, range: [0, end] });

export const cases: OpCase[] = [
  simple('one element', { columns: 1 }, { column: int([1], 1) }),
  simple('a confusion matrix', { rows: 3, columns: 4 }, { column: int([50], 4), row: int([50], 3) }),
  simple(
    'weights of rows',
    { rows: 2, columns: 5, at: 3 },
    { column: float([9, 7], 5), row: float([9, 7], 1), weights: float([9], 2) },
  ),
  simple('weights of elements', { columns: 3 }, { column: int([45], 3), weights: float([45], 2) }),
  simple('groups', { groups: 3, rows: 2, columns: 2 }, { column: int([31, 3], 2), row: { shape: [31, 3], range: [0, 1] } }),
  simple('row numbers of integers, columns of fractions', { rows: 4, columns: 6 }, { column: float([70], 6), row: int([70], 4) }),
  simple(
    'many elements',
    { rows: 2, columns: 9 },
    { column: float([20003], 9), row: int([20003], 2), weights: float([20003], 1) },
    {
      terms: 5000,
    },
  ),
  simple('many cells', { rows: 100, columns: 130 }, { column: int([3000], 130), row: int([3000], 100) }),
  simple(
    'two steps',
    { columns: 2 },
    { column: { shape: [3], data: [0, 1, 1] } },
    {
      steps: 2,
      reference: ({ total }) => ({ total: [total![0]! + 2, total![1]! + 4], flag: [0, 0, 0, 0] }),
    },
  ),
  simple('NaN and the last fraction of a column', { columns: 3 }, { column: { shape: [4], data: [NaN, 2.99, 0.5, 1] } }),
  simple(
    'a row beyond the last',
    { rows: 2, columns: 2 },
    {
      column: { shape: [5], dtype: 'int32', data: [0, 1, 1, 9, 0] },
      row: { shape: [5], dtype: 'int32', data: [0, 1, 7, 0, 0] },
    },
  ),
  simple(
    'a row below the first, a NaN',
    { rows: 2, columns: 2 },
    {
      column: { shape: [4], dtype: 'int32', data: [0, 1, 1, 0] },
      row: { shape: [4], data: [0, -0.5, NaN, 1] },
    },
  ),
  simple(
    'columns outside, of many elements',
    { columns: 3, place: 9 },
    {
      column: { shape: [20000], data: Array.from({ length: 20000 }, (_, i) => (i === 12345 ? 3 : i === 777 ? -0.25 : i % 3)) },
    },
  ),
  simple(
    'a flag that is set stays',
    { columns: 1 },
    { column: { shape: [1], data: [5] } },
    {
      inputs: {
        column: { shape: [1], data: [5] },
        state: STATE,
        total: { shape: [1], dtype: 'float64', data: [0] },
        flag: { ...FLAG, data: [2, 3, 4, 5] },
      },
      reference: () => ({ total: [0], flag: [2, 3, 4, 5] }),
    },
  ),
];
