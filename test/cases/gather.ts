/** gather, scatter and advance: casts, shuffled and sequential rows, rows that do not exist. */
import { advance, gather, scatter } from '../../lib/ops/gather.js';
import { elementwise } from '../../lib/ops/map.js';
import type { DType } from '../../lib/graph/dtype.js';
import { FLAG, STATE, type OpCase } from './op_case.js';

const ROWS = 5;
const COLUMNS = 3;
const DATA = Array.from({ length: ROWS * COLUMNS }, (_, i) => (i * 37) % 251);
const ORDER = [3, 0, 4, 1, 2];

/** @param step between numbers; bfloat16 holds those up to 256 exactly, and larger ones not */
function take(source: DType, dtype: 'float32' | 'int32', shuffled: boolean, columns = COLUMNS, step = 37): OpCase {
  const modulus = step === 37 ? 251 : Infinity;
  const data = Array.from({ length: ROWS * columns }, (_, i) => (i * step) % modulus);
  return {
    name: `${source} to ${dtype}, ${columns} columns, ${shuffled ? 'shuffled' : 'in order'}${step === 37 ? '' : ', large'}`,
    inputs: { state: { ...STATE, data: [0, 2, 0, 0] }, flag: FLAG },
    slots: { 3: { dtype: source, rows: ROWS, data }, 9: { dtype: 'int32', rows: ROWS, data: ORDER } },
    build: ({ state, flag }) => ({
      y: gather(state!.graph, { slot: 3, indexSlot: shuffled ? 9 : -1, source, dtype, shape: [2, columns] }, state!, flag!),
    }),
    reference: () => ({
      y: (shuffled ? [ORDER[2]!, ORDER[3]!] : [2, 3]).flatMap((r) => data.slice(r * columns, (r + 1) * columns)),
      flag: [0, 0, 0, 0],
    }),
    gradients: [],
    ...(dtype === 'float32' && { narrow: [['y']] }),
  };
}

/** advance at step 10, where updates are watched. */
function advanceWatched(
  name: string,
  before: { fault: number; flag: readonly number[] },
  { steps, flag }: { steps: number; flag: number[] },
): OpCase {
  return {
    name: `advance, ${name}`,
    inputs: {
      state: { ...STATE, data: [10, 3, 5, 6] },
      fault: { shape: [1], dtype: 'int32', data: [before.fault] },
      flag: { ...FLAG, data: before.flag },
    },
    build: (v) => (advance(v.state!, steps, 2, v.flag!, { fault: v.fault! }), {}),
    reference: () => ({ state: [10 + steps, 5, 5, 6], fault: [0], flag }),
    gradients: [],
  };
}

export const cases: OpCase[] = [
  ...(['float32', 'int32', 'uint8'] as const).flatMap((source) =>
    (['float32', 'int32'] as const).flatMap((dtype) => [true, false].map((shuffled) => take(source, dtype, shuffled))),
  ),
  // Whole vectors.
  ...(['float32', 'int32', 'uint8'] as const).flatMap((source) =>
    (['float32', 'int32'] as const).map((dtype) => take(source, dtype, true, 12)),
  ),
  ...[13, 40].flatMap((columns) => [
    take('float32', 'float32', true, columns, -1234.567),
    take('int32', 'float32', true, columns, 1234567),
  ]),
  {
    name: 'rows beyond the end read as zeros and raise the flag',
    inputs: { state: { ...STATE, data: [7, 4, 0, 0] }, flag: FLAG },
    slots: { 3: { dtype: 'uint8', rows: ROWS, data: DATA } },
    build: ({ state, flag }) => ({
      y: gather(state!.graph, { slot: 3, indexSlot: -1, source: 'uint8', dtype: 'float32', shape: [3, COLUMNS] }, state!, flag!),
    }),
    reference: () => ({ y: [...DATA.slice(12), 0, 0, 0, 0, 0, 0], flag: [3, 5, 4, 7] }),
    gradients: [],
    narrow: [['y']],
  },
  {
    name: 'an order that names a row which does not exist',
    inputs: { state: STATE, flag: FLAG },
    slots: {
      3: { dtype: 'float32', rows: ROWS, data: DATA },
      9: { dtype: 'int32', rows: ROWS, data: [1, -1, 5, 0, 0] },
    },
    build: ({ state, flag }) => ({
      y: gather(state!.graph, { slot: 3, indexSlot: 9, source: 'float32', dtype: 'float32', shape: [3, COLUMNS] }, state!, flag!),
    }),
    reference: () => ({ y: [...DATA.slice(3, 6), 0, 0, 0, 0, 0, 0], flag: [3, 1, 0, 0] }),
    gradients: [],
  },
  {
    name: 'three steps walk through the data: gather, double, scatter, advance',
    inputs: { state: { ...STATE, data: [10, 0, 0, 0] }, flag: FLAG },
    slots: {
      3: { dtype: 'float32', rows: 6, data: Array.from({ length: 12 }, (_, i) => i) },
      4: { dtype: 'float32', rows: 6, data: new Array<number>(12).fill(-1) },
    },
    build: ({ state, flag }) => {
      const from = { slot: 3, indexSlot: -1, source: 'float32', dtype: 'float32', shape: [2, 2] } as const;
      scatter(elementwise('mul', gather(state!.graph, from, state!, flag!), 2), 4, state!, flag!);
      advance(state!, 1, 2);
      return {};
    },
    reference: () => ({ slot4: Array.from({ length: 12 }, (_, i) => 2 * i), state: [13, 6, 0, 0], flag: [0, 0, 0, 0] }),
    gradients: [],
    steps: 3,
  },
  {
    name: 'advance counts updates apart from steps',
    inputs: { state: { ...STATE, data: [10, 3, 5, 6] }, updates: { ...STATE, data: [4, 0, 0, 0] }, flag: FLAG },
    build: ({ state, updates, flag }) => (advance(state!, 1, 2, flag!, { updates: updates!, moves: 1 }), {}),
    reference: () => ({ state: [13, 9, 5, 6], updates: [7, 0, 0, 0], flag: [0, 0, 0, 0] }),
    gradients: [],
    steps: 3,
  },
  {
    name: 'advance counts no update that a flag has stopped',
    inputs: {
      state: { ...STATE, data: [10, 3, 5, 6] },
      updates: { ...STATE, data: [4, 0, 0, 0] },
      flag: { ...FLAG, data: [1, 2, 3, 4] },
    },
    build: ({ state, updates, flag }) => (advance(state!, 1, 2, flag!, { updates: updates!, moves: 1 }), {}),
    reference: () => ({ state: [13, 9, 5, 6], updates: [4, 0, 0, 0], flag: [1, 2, 3, 4] }),
    gradients: [],
    steps: 3,
  },
  {
    name: 'advance without an update',
    inputs: { state: { ...STATE, data: [10, 3, 5, 6] }, updates: { ...STATE, data: [4, 0, 0, 0] }, flag: FLAG },
    build: ({ state, updates, flag }) => (advance(state!, 0, 2, flag!, { updates: updates! }), {}),
    reference: () => ({ state: [10, 5, 5, 6], updates: [4, 0, 0, 0], flag: [0, 0, 0, 0] }),
    gradients: [],
  },
  advanceWatched('no fault', { fault: 0, flag: [0, 0, 0, 0] }, { steps: 1, flag: [0, 0, 0, 0] }),
  advanceWatched('a fault becomes the flag', { fault: 5, flag: [0, 0, 0, 0] }, { steps: 1, flag: [6, 4, 0, 10] }),
  advanceWatched('of the step that ended before', { fault: 1, flag: [0, 0, 0, 0] }, { steps: 0, flag: [6, 0, 0, 9] }),
  advanceWatched('the first flag stays', { fault: 5, flag: [1, 2, 3, 4] }, { steps: 1, flag: [1, 2, 3, 4] }),
  {
    name: 'scatter past the end writes what fits and raises the flag',
    inputs: { x: { shape: [2, 2], data: [1, 2, 3, 4] }, state: { ...STATE, data: [0, 2, 0, 0] }, flag: FLAG },
    slots: { 4: { dtype: 'float32', rows: 3, data: new Array<number>(6).fill(-1) } },
    build: ({ x, state, flag }) => (scatter(x!, 4, state!, flag!), {}),
    reference: () => ({ slot4: [-1, -1, -1, -1, 1, 2], flag: [3, 3, 2, 0] }),
    gradients: [],
  },
  {
    name: 'scatter of whole vectors',
    inputs: { x: { shape: [1, 8], data: [1, 2, 3, 4, 5, 6, 7, 8] }, state: { ...STATE, data: [0, 1, 0, 0] }, flag: FLAG },
    slots: { 4: { dtype: 'float32', rows: 3, data: new Array<number>(24).fill(-1) } },
    build: ({ x, state, flag }) => (scatter(x!, 4, state!, flag!), {}),
    reference: () => ({
      slot4: [...new Array<number>(8).fill(-1), 1, 2, 3, 4, 5, 6, 7, 8, ...new Array<number>(8).fill(-1)],
      flag: [0, 0, 0, 0],
    }),
    gradients: [],
  },
];
