/**
 * The scalar functions that `map` can evaluate: one row each, with the derivative as a composition of other rows, so
 * elementwise work can be differentiated any number of times. The formula itself stands in native/ops/scalar.h under
 * the same name (snake case). Codes are positions in this table.
 */
import type { Value } from '../graph/graph.js';

/** Number of operands of each function; the position in this table is its code in a tape. */
export const ARITIES = {
  identity: 1,
  add: 2,
  sub: 2,
  mul: 2,
  div: 2,
  neg: 1,
  abs: 1,
  sign: 1,
  square: 1,
  sqrt: 1,
  exp: 1,
  log: 1,
  pow: 2,
  maximum: 2,
  minimum: 2,
  relu: 1,
  step: 1,
  sigmoid: 1,
  tanh: 1,
  softplus: 1,
  floor: 1,
  equal: 2,
  notEqual: 2,
  less: 2,
  lessEqual: 2,
  greater: 2,
  greaterEqual: 2,
  where: 3,
  expm1: 1,
  log1p: 1,
  erf: 1,
  sin: 1,
  cos: 1,
  gelu: 1,
  geluSlope: 1,
} as const;

export type ScalarName = keyof typeof ARITIES;
export const SCALAR_NAMES = Object.keys(ARITIES) as ScalarName[];

/** The elementwise functions, applied to values or numbers; supplied by map.ts. */
export type Apply = (name: ScalarName, ...operands: (Value | number)[]) => Value;

/** Gradient with respect to each operand from the output's gradient g; null where the derivative is zero. */
export type Slope = (f: Apply, g: Value, y: Value, ...operands: Value[]) => (Value | null)[];

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBE = 0.044715;
/** From here on its tanh is ±1 in float32. */
const GELU_FLAT = 10;

const flat: Slope = (_f, _g, _y, ...operands) => operands.map(() => null);

export const SLOPES: Record<ScalarName, Slope> = {
  identity: (_f, g) => [g],
  add: (_f, g) => [g, g],
  sub: (f, g) => [g, f('neg', g)],
  mul: (f, g, _y, a, b) => [f('mul', g, b!), f('mul', g, a!)],
  div: (f, g, y, _a, b) => [f('div', g, b!), f('neg', f('div', f('mul', g, y), b!))],
  neg: (f, g) => [f('neg', g)],
  abs: (f, g, _y, a) => [f('mul', g, f('sign', a!))],
  sign: flat,
  square: (f, g, _y, a) => [f('mul', g, f('mul', 2, a!))],
  sqrt: (f, g, y) => [f('div', f('mul', 0.5, g), y)],
  exp: (f, g, y) => [f('mul', g, y)],
  log: (f, g, _y, a) => [f('div', g, a!)],
  /** a^b for a > 0, b any; the derivative with respect to b uses log a. */
  pow: (f, g, y, a, b) => [f('mul', g, f('mul', b!, f('pow', a!, f('sub', b!, 1)))), f('mul', g, f('mul', y, f('log', a!)))],
  /** max(a, b): the gradient goes to the larger; to a when they are equal. */
  maximum: (f, g, _y, a, b) => [f('mul', g, f('greaterEqual', a!, b!)), f('mul', g, f('less', a!, b!))],
  minimum: (f, g, _y, a, b) => [f('mul', g, f('lessEqual', a!, b!)), f('mul', g, f('greater', a!, b!))],
  relu: (f, g, y) => [f('mul', g, f('step', y))],
  /** 1 where a > 0, else 0. */
  step: flat,
  sigmoid: (f, g, y) => [f('mul', g, f('mul', y, f('sub', 1, y)))],
  tanh: (f, g, y) => [f('mul', g, f('sub', 1, f('square', y)))],
  /** log(1 + e^a), computed without overflow. */
  softplus: (f, g, _y, a) => [f('mul', g, f('sigmoid', a!))],
  floor: flat,
  equal: flat,
  notEqual: flat,
  less: flat,
  lessEqual: flat,
  greater: flat,
  greaterEqual: flat,
  /** where(c, a, b): a where c is not zero, else b. */
  where: (f, g, _y, c) => [null, f('where', c!, g, 0), f('where', c!, 0, g)],
  /** e^a − 1, exact near 0. */
  expm1: (f, g, y) => [f('mul', g, f('add', y, 1))],
  /** log(1 + a), exact near 0. */
  log1p: (f, g, _y, a) => [f('div', g, f('add', 1, a!))],
  /** 2/√π ∫ e^−t² dt from 0 to a. */
  erf: (f, g, _y, a) => [f('mul', g, f('mul', 2 / Math.sqrt(Math.PI), f('exp', f('neg', f('square', a!)))))],
  /** a in radians. */
  sin: (f, g, _y, a) => [f('mul', g, f('cos', a!))],
  cos: (f, g, _y, a) => [f('neg', f('mul', g, f('sin', a!)))],
  /** ½a·(1 + tanh u), u = √(2/π)·(a + 0.044715a³). */
  gelu: (f, g, _y, a) => [f('mul', g, f('geluSlope', a!))],
  /** The derivative of gelu, ½(1 + t) + ½a·(1 − t²)·u', t = tanh u; its own is (1 − t²)·(u' + ½a·u'' − a·t·u'²). */
  geluSlope: (f, g, _y, x) => {
    // Where tanh is 1 all is 0, though powers of a larger a overflow.
    const a = f('maximum', f('minimum', x!, GELU_FLAT), -GELU_FLAT);
    const square = f('square', a);
    const t = f('tanh', f('mul', f('mul', a, f('add', f('mul', square, GELU_CUBE), 1)), GELU_SCALE));
    const u1 = f('mul', f('add', f('mul', square, 3 * GELU_CUBE), 1), GELU_SCALE);
    const curve = f('mul', square, 3 * GELU_CUBE * GELU_SCALE);
    const rest = f('sub', f('add', u1, curve), f('mul', f('mul', a, t), f('square', u1)));
    return [f('mul', g, f('mul', f('sub', 1, f('square', t)), rest))];
  },
};

/** Whether a function is constant but for jumps: comparisons, steps, signs, whole numbers. */
export function isFlat(name: ScalarName): boolean {
  return SLOPES[name] === flat;
}
