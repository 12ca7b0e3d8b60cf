/**
 * map: elementwise work. Each call of an elementwise function makes a map of one instruction; lowering fuses chains of
 * them, with broadcasting and a trailing row reduction, into one pass over memory.
 *
 * The tape is a list of instructions [function, a, b, c] over operands: inputs are 0…7, the result of instruction i is
 * 16 + i, immediate k is 64 + k. `results` names the operand each output takes. With `reduceRank` r > 0 the first
 * output is instead the sum over the last r dimensions of the domain, times `scale`. Inputs broadcast to the domain.
 */
import { defineOp, type Tape } from '../graph/define_op.js';
import { Value, type Graph } from '../graph/graph.js';
import { broadcastShapes, sameShape, type Shape } from '../graph/shape.js';
import { GradstepError } from '../errors.js';
import { value } from './arguments.js';
import { ARITIES, isFlat, SCALAR_NAMES, SLOPES, type ScalarName } from './scalar_table.js';
import { sumTo } from './reduce_sum.js';

export const MAP_INPUTS = 8;
export const MAP_OUTPUTS = 4;
export const TAPE_CODE = 32;
export const TAPE_IMMEDIATES = 16;
export const REGISTER = 16;
export const IMMEDIATE = 64;

const inputNames = Array.from({ length: MAP_INPUTS }, (_, i) => `in${i}`);
const outputNames = Array.from({ length: MAP_OUTPUTS }, (_, i) => `out${i}`);

export const map = defineOp({
  name: 'map',
  inputs: Object.fromEntries(inputNames.map((n) => [n, { dtypes: ['float32', 'bfloat16', 'int32', 'uint8'], optional: true }])),
  outputs: Object.fromEntries(
    outputNames.map((n) => [n, { dtypes: ['float32', 'bfloat16'], optional: true, inPlace: inputNames }]),
  ),
  attrs: {
    domain: { type: 'dims' },
    tape: { type: 'tape' },
    reduceRank: { type: 'i32', default: 0 },
    scale: { type: 'f32', default: 1 },
  },
  infer(_inputs, attrs) {
    const domain = attrs.domain as number[];
    const tape = attrs.tape as Tape;
    const reduceRank = attrs.reduceRank as number;
    return Object.fromEntries(
      tape.results.map((_, i) => {
        const shape = i === 0 && reduceRank > 0 ? domain.slice(0, domain.length - reduceRank) : domain;
        return [`out${i}`, { dtype: 'float32' as const, shape }];
      }),
    );
  },
  isFlat({ attrs }) {
    const { code } = attrs.tape as Tape;
    return code.length > 0 && code.every(([fn]) => isFlat(SCALAR_NAMES[fn]!));
  },
  backward({ node, grads, needs }) {
    const tape = node.attrs.tape as Tape;
    const [code] = tape.code;
    if (!code) return {};
    if (tape.code.length !== 1) throw new GradstepError('ERR_INTERNAL', 'A fused map cannot be differentiated');
    const g = grads.out0!;
    const name = SCALAR_NAMES[code[0]]!;
    const operands = code
      .slice(1, 1 + ARITIES[name])
      .map((operand) =>
        operand >= IMMEDIATE ? constant(g.graph, tape.immediates[operand - IMMEDIATE]!, []) : node.inputs[`in${operand}`]!,
      );
    const slopes = SLOPES[name](elementwise, g, node.outputs.out0!, ...operands);
    const result: Record<string, Value | undefined> = {};
    slopes.forEach((slope, i) => {
      const operand = code[1 + i]!;
      const input = `in${operand}`;
      if (slope === null || operand >= IMMEDIATE || !needs(input)) return;
      const share = sumTo(slope, node.inputs[input]!.shape);
      result[input] = result[input] ? elementwise('add', result[input], share) : share;
    });
    return result;
  },
});

/** Applies a scalar function to values and numbers, with NumPy broadcasting. At least one operand is a value. */
export function elementwise(name: ScalarName, ...operands: (Value | number)[]): Value {
  for (const o of operands) if (typeof o !== 'number') value(`${name} operand`, o, 'value or number');
  const values = operands.filter((o): o is Value => o instanceof Value);
  const first = values[0];
  if (!first) throw new GradstepError('ERR_INTERNAL', `${name} needs at least one value among its operands`);
  const distinct = [...new Set(values)];
  const immediates: number[] = [];
  const refs = operands.map((o) => (o instanceof Value ? distinct.indexOf(o) : IMMEDIATE + immediates.push(o) - 1));
  const tape: Tape = {
    code: [[SCALAR_NAMES.indexOf(name), refs[0]!, refs[1] ?? refs[0]!, refs[2] ?? refs[0]!]],
    immediates,
    results: [REGISTER],
  };
  const inputs = Object.fromEntries(distinct.map((v, i) => [`in${i}`, v]));
  return first.graph.add(map, inputs, { domain: broadcastShapes(...distinct.map((v) => v.shape)), tape }).outputs.out0!;
}

/** a + b where there are both, otherwise the one there is: of gradients that arrive on several ways. */
export function addGiven(a: Value | undefined, b: Value | undefined): Value | undefined {
  return a && b ? elementwise('add', a, b) : (a ?? b);
}

/** A value filled with one number. */
export function constant(graph: Graph, value: number, shape: Shape): Value {
  return graph.add(map, {}, { domain: shape, tape: { code: [], immediates: [value], results: [IMMEDIATE] } }).outputs.out0!;
}

/** `x` repeated along broadcast dimensions until it has `shape`. */
export function broadcastTo(x: Value, shape: Shape): Value {
  if (sameShape(x.shape, shape)) return x;
  const tape: Tape = { code: [[SCALAR_NAMES.indexOf('identity'), 0, 0, 0]], immediates: [], results: [REGISTER] };
  return x.graph.add(map, { in0: x }, { domain: shape, tape }).outputs.out0!;
}
