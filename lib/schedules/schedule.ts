/**
 * A schedule says what the learning rate is after so many updates. It is computed inside the step, from the step's counter,
 * so nothing has to come back to JavaScript for it. Its formula is written once, over an arithmetic: applied to a value it
 * describes the step's computation (float32), applied to a number it computes (float64).
 */
import { GradstepError } from '../errors.js';
import { Value } from '../graph/graph.js';
import { constant, elementwise } from '../ops/map.js';
import { restarts, restartsAt } from '../ops/restarts.js';

export interface Schedule {
  /** The name it is saved under. */
  readonly name: string;
  /** Options that its factory takes back. */
  readonly config: Readonly<Record<string, unknown>>;
  /**
   * The learning rate, described for the step. Counts of updates are exact up to 2^24, beyond it to a part in 2^24.
   * @param step number of updates that are done, float32 [1]; another shape gives as many rates
   */
  rate(step: Value): Value;
  /** The same computed, in float64: for charts, and to see what a schedule does. @param step number >= 0 */
  at(step: number): number;
}

export function isSchedule(value: unknown): value is Schedule {
  if (typeof value !== 'object' || value === null) return false;
  const { rate, at } = value as Partial<Schedule>;
  return typeof rate === 'function' && typeof at === 'function';
}

/** What formulas are written with: T is a value or a number; either may meet numbers. */
export interface Arithmetic<T> {
  add(a: T | number, b: T | number): T;
  sub(a: T | number, b: T | number): T;
  mul(a: T | number, b: T | number): T;
  div(a: T | number, b: T | number): T;
  min(a: T | number, b: T | number): T;
  max(a: T | number, b: T | number): T;
  floor(a: T): T;
  /** a^b for a >= 0. */
  pow(a: T | number, b: T | number): T;
  sin(a: T): T;
  /** `then` where a > b, else `otherwise`. */
  ifGreater(a: T | number, b: T | number, then: T | number, otherwise: T | number): T;
  restarts(step: T, first: number, growth: number): { cycle: T; part: T };
}

const values: Arithmetic<Value> = {
  add: (a, b) => elementwise('add', a, b),
  sub: (a, b) => elementwise('sub', a, b),
  mul: (a, b) => elementwise('mul', a, b),
  div: (a, b) => elementwise('div', a, b),
  min: (a, b) => elementwise('minimum', a, b),
  max: (a, b) => elementwise('maximum', a, b),
  floor: (a) => elementwise('floor', a),
  pow: (a, b) => elementwise('pow', a, b),
  sin: (a) => elementwise('sin', a),
  ifGreater: (a, b, then, otherwise) => elementwise('where', elementwise('greater', a, b), then, otherwise),
  restarts,
};

const numbers: Arithmetic<number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  min: Math.min,
  max: Math.max,
  floor: Math.floor,
  pow: Math.pow,
  sin: Math.sin,
  ifGreater: (a, b, then, otherwise) => (a > b ? then : otherwise),
  restarts: restartsAt,
};

/** A schedule from its formula, of T = Value and T = number. */
export function defineSchedule(
  name: string,
  config: Schedule['config'],
  formula: <T extends Value | number>(f: Arithmetic<T>, step: T, within: Within<T>) => T | number,
): Schedule {
  return {
    name,
    config,
    rate(step) {
      const rate = formula(values, step, (schedule, inner) => schedule.rate(inner));
      return rate instanceof Value ? rate : constant(step.graph, rate, step.shape);
    },
    at(step) {
      if (!(step >= 0)) throw new GradstepError('ERR_OPTION', `Expected a number of updates >= 0 but received ${step}`);
      return formula(numbers, step, (schedule, inner) => schedule.at(inner));
    },
  };
}

/** The rate of another schedule, within a formula. */
export type Within<T> = (schedule: Schedule, step: T) => T;

/** From 1 to 0 along half a wave of the cosine: (1 + cos π·(1 − left)) / 2, written so that nothing cancels near the end. */
export function halfWave<T>(f: Arithmetic<T>, left: T): T {
  const s = f.sin(f.mul(left, Math.PI / 2));
  return f.mul(s, s);
}
