/**
 * simpleRNN, lstm, gru in both forms, stacks of cells and bidirectional: results and gradients of inputs, states and weights
 * against formulas in float64, on every backend, with odd sizes, masks of every kind, initial states and both directions.
 */
import * as gs from '../lib/index.js';
import type { NativeSession } from '../binding.js';
import type { CaseInput, Numbers, OpCase } from './cases/op_case.js';
import { backends, openSession } from './helpers/backends.js';
import { layerCase, type LayerCase } from './helpers/layer_case.js';
import { compareCase } from './helpers/op_compare.js';
import { uniforms } from './helpers/random_numbers.js';
import { flipSteps, runCell, type CellKind, type CellNumbers, type SequenceNumbers } from './helpers/recurrent_reference.js';

const L = gs.layers;

interface Sizes {
  rows: number;
  time: number;
  features: number;
  units: number;
}

const KINDS: Record<CellKind, (options: gs.layers.GRUOptions) => gs.Layer> = {
  simpleRNN: (o) => L.simpleRNN(o),
  lstm: (o) => L.lstm(o),
  gru: (o) => L.gru(o),
  gruBefore: (o) => L.gru({ ...o, resetAfter: false }),
};

const STATES: Record<CellKind, readonly string[]> = { simpleRNN: ['h'], lstm: ['h', 'c'], gru: ['h'], gruBefore: ['h'] };

/** Steps that count: padded behind, in the middle, in front, not at all, and nothing. */
const MASK = [1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0];
const MASKED: Sizes = { rows: 5, time: 5, features: 2, units: 3 };

function cellNumbers(kind: CellKind, units: number, n: Numbers, prefix = ''): CellNumbers {
  return { kind, units, kernel: n[`${prefix}kernel`]!, recurrent: n[`${prefix}recurrent_kernel`]!, bias: n[`${prefix}bias`] };
}

function inputsOf(kind: CellKind, { rows, time, features, units }: Sizes, withStates: boolean): Record<string, CaseInput> {
  const states = withStates ? STATES[kind].map((role) => [role, { shape: [rows, units] }] as const) : [];
  return { x: { shape: [rows, time, features] }, ...Object.fromEntries(states) };
}

interface Variant extends Omit<Partial<LayerCase>, 'layer' | 'inputs' | 'reference'> {
  name: string;
  options?: Partial<gs.layers.GRUOptions>;
  sizes: Sizes;
  withStates?: boolean;
  mask?: readonly number[];
  run?: (n: Numbers) => Partial<SequenceNumbers & CellNumbers>;
}

/** A layer of a kind against the formulas; `run` says what differs from a plain run forward. */
function variant(kind: CellKind, { name, options = {}, sizes, withStates = false, mask, run, ...rest }: Variant): OpCase {
  const { rows, time, features, units } = sizes;
  const { returnSequences, returnState, goBackwards, zeroOutputForMask } = options;
  return layerCase({
    ...rest,
    name: `${kind}: ${name}`,
    layer: KINDS[kind]({ units, ...options }),
    inputs: inputsOf(kind, sizes, withStates),
    ...(mask && { masks: { x: mask } }),
    reference(n) {
      const states = withStates ? STATES[kind].map((role) => n[role]!) : [];
      const given = { rows, time, x: n.x!, mask, states, backward: goBackwards ?? false, ...run?.(n) };
      const { y, states: ends } = runCell({ ...cellNumbers(kind, units, n), ...run?.(n) }, given);
      const kept = mask && zeroOutputForMask ? y.map((v, i) => v * mask[Math.floor(i / units)]!) : y;
      const made = goBackwards ? flipSteps(kept, rows, time) : kept;
      const results = [returnSequences ? made : ends[0]!, ...(returnState ? ends : [])];
      const named = results.map((r, i) => [results.length === 1 ? 'y' : `y${i}`, r]);
      const masks = returnSequences && mask ? { mask: goBackwards ? flipSteps(mask, rows, time) : [...mask] } : {};
      return { ...Object.fromEntries(named), ...masks };
    },
    terms: rest.terms ?? time * (features + units) * 4,
  });
}

const softsign = (v: number) => v / (1 + Math.abs(v));
const hardSigmoid = (v: number) => Math.min(1, Math.max(0, v / 6 + 0.5));

function casesOf(kind: CellKind): OpCase[] {
  const odd = { rows: 3, time: 5, features: 3, units: 7 };
  const all = { returnSequences: true, returnState: true };
  return [
    variant(kind, { name: 'the last step', sizes: odd }),
    variant(kind, { name: 'all steps', sizes: odd, options: { returnSequences: true } }),
    variant(kind, { name: 'all steps and the last states, from initial states', sizes: odd, options: all, withStates: true }),
    variant(kind, { name: 'one step of one row of one feature', sizes: { rows: 1, time: 1, features: 1, units: 1 } }),
    variant(kind, { name: 'more units than a vector holds', sizes: { rows: 2, time: 2, features: 1, units: 17 }, options: all }),
    variant(kind, { name: 'no bias', sizes: odd, options: { ...all, useBias: false } }),
    variant(kind, { name: 'backwards', sizes: odd, options: { goBackwards: true }, withStates: true }),
    variant(kind, { name: 'backwards, all steps', sizes: odd, options: { goBackwards: true, ...all } }),
    variant(kind, { name: 'masked', sizes: MASKED, mask: MASK, withStates: true }),
    variant(kind, { name: 'masked, all steps', sizes: MASKED, mask: MASK, options: all, withStates: true }),
    variant(kind, {
      name: 'masked, all steps, 0 for those left out',
      sizes: MASKED,
      mask: MASK,
      options: { ...all, zeroOutputForMask: true },
    }),
    variant(kind, { name: 'masked, backwards, all steps', sizes: MASKED, mask: MASK, options: { ...all, goBackwards: true } }),
    variant(kind, {
      name: 'masked, backwards, all steps, 0 for those left out',
      sizes: MASKED,
      mask: MASK,
      options: { ...all, goBackwards: true, zeroOutputForMask: true },
    }),
    variant(kind, {
      name: 'other activations',
      sizes: odd,
      options: { activation: 'softsign', ...(kind !== 'simpleRNN' && { recurrentActivation: gs.activations.hardSigmoid }) },
      run: () => ({ activation: softsign, recurrentActivation: hardSigmoid }),
    }),
    variant(kind, {
      name: 'while training, features of a sample are dropped at all steps',
      sizes: odd,
      options: { dropout: 0.4 },
      training: true,
      run: ({ x }) => {
        const u = uniforms(9, 1, [0, 0, 0, 0]);
        return { x: x!.map((v, i) => (u[3 * Math.floor(i / 15) + (i % 3)]! >= Math.fround(0.4) ? v / 0.6 : 0)) };
      },
    }),
    variant(kind, {
      name: 'while training, units of the state are dropped at all steps before they meet the recurrent kernel',
      sizes: odd,
      options: { recurrentDropout: 0.4, returnState: true },
      training: true,
      withStates: true,
      run: () => ({ keep: uniforms(21, 1, [0, 0, 0, 0]).map((u) => (u >= Math.fround(0.4) ? 1 / 0.6 : 0)) }),
    }),
    variant(kind, { name: 'nothing is dropped otherwise', sizes: odd, options: { dropout: 0.4, recurrentDropout: 0.4 } }),
  ];
}

/** Names that the case's inputs of a stack go by. */
function stackCase(name: string, options: Partial<gs.layers.RNNOptions>, mask?: readonly number[]): OpCase {
  const { rows, time, features } = MASKED;
  const cells = [L.lstmCell({ units: 4 }), L.gruCell({ units: 3 }), L.lstmCell({ units: 2, useBias: false })];
  const kinds = ['lstm', 'gru', 'lstm'] as const;
  const prefixes = ['lstm_cell/', 'gru_cell/', 'lstm_cell_1/'];
  const shapes = { h: [rows, 4], c: [rows, 4], h1: [rows, 3], h2: [rows, 2], c2: [rows, 2] };
  return layerCase({
    name: `rnn: ${name}`,
    layer: L.rnn({ cell: cells, returnSequences: true, returnState: true, ...options }),
    inputs: {
      x: { shape: [rows, time, features] },
      ...Object.fromEntries(Object.entries(shapes).map(([role, shape]) => [role, { shape }])),
    },
    ...(mask && { masks: { x: mask } }),
    reference(n) {
      const states = [[n.h!, n.c!], [n.h1!], [n.h2!, n.c2!]];
      const { goBackwards: backward = false } = options;
      let x = n.x!;
      const ends = kinds.flatMap((kind, i) => {
        const cell = cellNumbers(kind, [4, 3, 2][i]!, n, prefixes[i]);
        const made = runCell(cell, { rows, time, x, mask, states: states[i]!, backward });
        x = made.y;
        return made.states;
      });
      const y = backward ? flipSteps(x, rows, time) : x;
      const results = Object.fromEntries([y, ...ends].map((r, i) => [`y${i}`, r]));
      return mask ? { ...results, mask: backward ? flipSteps(mask, rows, time) : [...mask] } : results;
    },
    terms: 200,
  });
}

type Merge = 'concat' | 'sum' | 'mul' | 'ave' | null;

function bidirectionalCase(kind: CellKind, mergeMode: Merge, options: Partial<gs.layers.GRUOptions>, masked: boolean): OpCase {
  const { rows, time, features, units } = MASKED;
  const mask = masked ? MASK : undefined;
  const names = ['forward_', 'backward_'].flatMap((way) => STATES[kind].map((role) => way + role));
  const baseName = { simpleRNN: 'simple_rnn', lstm: 'lstm', gru: 'gru', gruBefore: 'gru' }[kind];
  const words = [String(mergeMode), ...Object.keys(options), ...(masked ? ['masked'] : [])];
  return layerCase({
    name: `bidirectional ${kind}: ${words.join(', ')}`,
    layer: L.bidirectional({ layer: KINDS[kind]({ units, ...options }), mergeMode }),
    inputs: {
      x: { shape: [rows, time, features] },
      ...Object.fromEntries(names.map((name) => [name, { shape: [rows, units] }])),
    },
    ...(mask && { masks: { x: mask } }),
    reference(n) {
      const [forward, backward] = ['forward', 'backward'].map((way) => {
        const states = STATES[kind].map((role) => n[`${way}_${role}`]!);
        const sequence = { rows, time, x: n.x!, mask, states, backward: way === 'backward' };
        const { y, states: ends } = runCell(cellNumbers(kind, units, n, `${way}_${baseName}/`), sequence);
        const kept = mask ? y.map((v, i) => v * mask[Math.floor(i / units)]!) : y;
        return { y: options.returnSequences ? kept : ends[0]!, ends };
      }) as [{ y: number[]; ends: number[][] }, { y: number[]; ends: number[][] }];
      const both = (merge: (a: number, b: number) => number) => forward.y.map((v, i) => merge(v, backward.y[i]!));
      const side = forward.y.length / units;
      const merged = {
        concat: () => [
          Array.from({ length: side }, (_, i) => [
            ...forward.y.slice(i * units, (i + 1) * units),
            ...backward.y.slice(i * units, (i + 1) * units),
          ]).flat(),
        ],
        sum: () => [both((a, b) => a + b)],
        mul: () => [both((a, b) => a * b)],
        ave: () => [both((a, b) => (a + b) / 2)],
        null: () => [forward.y, backward.y],
      }[mergeMode ?? 'null']();
      const results = [...merged, ...(options.returnState ? [...forward.ends, ...backward.ends] : [])];
      const named = results.map((r, i) => [results.length === 1 ? 'y' : `y${i}`, r]);
      return { ...Object.fromEntries(named), ...(mask && options.returnSequences ? { mask: [...mask] } : {}) };
    },
    terms: 200,
  });
}

/** A cell by itself: one step. */
function cellCase(kind: CellKind): OpCase {
  const [rows, features, units] = [3, 2, 5];
  const make = {
    simpleRNN: () => L.simpleRNNCell({ units }),
    lstm: () => L.lstmCell({ units }),
    gru: () => L.gruCell({ units }),
    gruBefore: () => L.gruCell({ units, resetAfter: false }),
  };
  return layerCase({
    name: `${kind}: one step of the cell`,
    layer: make[kind](),
    inputs: {
      x: { shape: [rows, features] },
      ...Object.fromEntries(STATES[kind].map((role) => [role, { shape: [rows, units] }])),
    },
    reference(n) {
      const states = STATES[kind].map((role) => n[role]!);
      const { states: ends } = runCell(cellNumbers(kind, units, n), { rows, time: 1, x: n.x!, states });
      return Object.fromEntries([ends[0]!, ...ends].map((r, i) => [`y${i}`, r]));
    },
    terms: 50,
  });
}

/** convLstm2d on frames of one pixel, where each convolution is a product: what lstm does. */
function pixelCase(name: string, options: Partial<gs.layers.ConvLSTM2dOptions>, rest: Partial<Variant> = {}): OpCase {
  const { rows, time, features, units } = MASKED;
  const { mask, run, training } = rest;
  const { goBackwards: backward = false } = options;
  const state = { shape: [rows, 1, 1, units] };
  return layerCase({
    name: `convLstm2d: ${name}`,
    layer: L.convLstm2d({ filters: units, kernelSize: 1, returnSequences: true, returnState: true, ...options }),
    inputs: { x: { shape: [rows, time, 1, 1, features] }, h: state, c: state },
    ...(mask && { masks: { x: mask } }),
    training: training ?? false,
    reference(n) {
      const given = { rows, time, x: n.x!, mask, states: [n.h!, n.c!], backward, ...run?.(n) };
      const { y, states } = runCell(cellNumbers('lstm', units, n), given);
      const made = backward ? flipSteps(y, rows, time) : y;
      const results = { y0: made, y1: states[0]!, y2: states[1]! };
      return mask ? { ...results, mask: backward ? flipSteps(mask, rows, time) : [...mask] } : results;
    },
    terms: 200,
  });
}

const ALL = { returnSequences: true, returnState: true };

const CASES: OpCase[] = [
  ...(Object.keys(KINDS) as CellKind[]).flatMap((kind) => [...casesOf(kind), cellCase(kind)]),
  stackCase('three cells', {}),
  stackCase('three cells, masked', {}, MASK),
  stackCase('three cells, masked, backwards', { goBackwards: true }, MASK),
  ...(['concat', 'sum', 'mul', 'ave', null] as const).map((mode) => bidirectionalCase('lstm', mode, ALL, true)),
  ...(['simpleRNN', 'gru', 'gruBefore'] as const).map((kind) =>
    bidirectionalCase(kind, 'concat', { returnSequences: true }, false),
  ),
  bidirectionalCase('gru', 'sum', {}, true),
  pixelCase('all steps', {}),
  pixelCase('masked', {}, { mask: MASK }),
  pixelCase('masked, backwards', { goBackwards: true }, { mask: MASK }),
  pixelCase(
    'while training, features are dropped',
    { dropout: 0.4 },
    {
      training: true,
      run: ({ x }) => {
        const u = uniforms(10, 1, [0, 0, 0, 0]);
        return { x: x!.map((v, i) => (u[2 * Math.floor(i / 10) + (i % 2)]! >= Math.fround(0.4) ? v / 0.6 : 0)) };
      },
    },
  ),
  pixelCase(
    'while training, units of the state are dropped',
    { recurrentDropout: 0.4 },
    {
      training: true,
      run: () => ({ keep: uniforms(15, 1, [0, 0, 0, 0]).map((u) => (u >= Math.fround(0.4) ? 1 / 0.6 : 0)) }),
    },
  ),
  bidirectionalCase('lstm', 'concat', { returnState: true }, false),
];

for (const backend of backends()) {
  describe(`recurrent layers on ${backend.name}`, () => {
    let session: NativeSession;
    before(() => {
      session = openSession(backend);
    });
    after(() => session.dispose());
    for (const test of CASES) it(test.name, () => compareCase(session, backend.kind, test));
  });
}
