/**
 * Cases of the optimizers' ops: three steps with a constant gradient, from given or random state, against one element's
 * rule in float64. The weights and every slot are compared; a set flag must leave them as they were.
 */
import { advance } from '../../lib/ops/gather.js';
import type { OpDef } from '../../lib/graph/define_op.js';
import { FLAG, STATE, type CaseInput, type Numbers, type OpCase } from './op_case.js';

export const RATE = 0.125;
const STEPS = 3;

export interface Situation {
  size: number;
  /** Steps taken before. */
  firstStep?: number;
  /** The flag is set: nothing may change. */
  flagged?: boolean;
  /** Gradients, where they are not random in [−1, 1). */
  grads?: readonly number[];
  /** Where faults are watched: what was found before, and the position of the first parameter. */
  watched?: { fault: number; first: number };
  /** Slots by name: the range that their numbers are drawn from, or the numbers. */
  slots: Readonly<Record<string, readonly [number, number] | { data: readonly number[] }>>;
  attrs: Record<string, number | string>;
}

/** One step of one element: the new weight; slots are changed in place. `t` is 1 at the first step. */
export type Rule = (w: number, g: number, slots: Record<string, number>, t: number) => number;

export function optimizerCase(name: string, op: OpDef, situation: Situation, rule: Rule): OpCase {
  const { size, firstStep = 0, flagged = false, grads, watched, slots, attrs } = situation;
  const shape = [size];
  const countsSteps = 'state' in op.inputs;
  const slotInputs = Object.entries(slots).map(([slot, given]): [string, CaseInput] => [
    slot,
    'data' in given ? { shape, data: given.data } : { shape, range: given },
  ]);
  return {
    name,
    inputs: {
      params: { shape },
      grads: { shape, ...(grads ? { data: grads } : {}) },
      ...Object.fromEntries(slotInputs),
      learningRate: { shape: [1], data: [RATE] },
      ...(countsSteps ? { state: { ...STATE, data: [firstStep, 0, 0, 0] } } : {}),
      flag: flagged ? { ...FLAG, data: [1, 0, 0, 0] } : FLAG,
      ...(watched ? { fault: { shape: [1], dtype: 'int32', data: [watched.fault] } as const } : {}),
    },
    build: (v) => {
      v.params!.graph.add(op, v, { ...attrs, first: watched?.first ?? 0 });
      if (countsSteps) advance(v.state!, 1, 0);
      return {};
    },
    reference: (x): Numbers => {
      const after: Record<string, number[]> = { params: [...x.params!] };
      for (const slot of Object.keys(slots)) after[slot] = [...x[slot]!];
      if (flagged) return watched ? { ...after, fault: [watched.fault] } : after;
      if (watched) {
        const last = x.grads!.findLastIndex((g) => !Number.isFinite(g));
        after.fault = [last < 0 ? watched.fault : Math.max(watched.fault, watched.first + last + 1)];
      }
      for (let i = 0; i < size; i++) {
        if (watched && !Number.isFinite(x.grads![i]!)) continue;
        const state = Object.fromEntries(Object.keys(slots).map((slot) => [slot, x[slot]![i]!]));
        for (let t = firstStep + 1; t <= firstStep + STEPS; t++)
          after.params![i] = rule(after.params![i]!, x.grads![i]!, state, t);
        for (const slot of Object.keys(slots)) after[slot]![i] = state[slot]!;
      }
      return after;
    },
    gradients: [],
    steps: STEPS,
    terms: STEPS,
  };
}

/** Gradients in [−1, 1) of which those at the given places are not finite. */
function faulty(size: number, at: readonly number[]): number[] {
  const bad = [NaN, Infinity, -Infinity];
  return Array.from({ length: size }, (_, i) => (at.includes(i) ? bad[at.indexOf(i) % 3]! : Math.fround(Math.sin(i + 1))));
}

/** The same rule in the situations every optimizer is tested in: new, one parameter, later, several threads, flagged, faults. */
export function usualCases(
  op: OpDef,
  attrs: Situation['attrs'],
  slots: Readonly<Record<string, readonly [number, number]>>,
  rule: Rule,
  label = '',
): OpCase[] {
  const zero = Object.fromEntries(Object.keys(slots).map((slot) => [slot, [0, 0] as const]));
  const at = (name: string, situation: Omit<Situation, 'attrs'>): OpCase =>
    optimizerCase(label + name, op, { ...situation, attrs }, rule);
  return [
    at('from the first step', { size: 37, slots: zero }),
    at('one parameter', { size: 1, slots: zero }),
    at('later', { size: 37, slots, firstStep: 5000 }),
    at('several threads', { size: 40001, slots, firstStep: 10 }),
    at('a set flag stops it', { size: 5, slots, flagged: true }),
    at('faults: none', { size: 37, slots, watched: { fault: 0, first: 0 } }),
    at('faults: gradients that are not finite', {
      size: 37,
      slots,
      grads: faulty(37, [3, 4, 30, 36]),
      watched: { fault: 0, first: 0 },
    }),
    at('faults: several threads, behind other parameters', {
      size: 40001,
      slots,
      grads: faulty(40001, [0, 20000, 20017, 39000]),
      watched: { fault: 17, first: 160 },
    }),
    at('faults: a later one is known', { size: 5, slots, grads: faulty(5, [1]), watched: { fault: 99, first: 8 } }),
    at('faults: a set flag stops it', { size: 5, slots, grads: faulty(5, [1]), flagged: true, watched: { fault: 0, first: 0 } }),
  ];
}
