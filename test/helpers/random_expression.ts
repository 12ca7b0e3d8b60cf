/** Expressions of random operations (random_operations.ts, random_compositions.ts), by number: the same number gives the same one, with the same inputs. */
import type * as gs from '../../lib/index.js';
import { built, type Array64 } from './array64.js';
import { Draws } from './draws.js';
import { COMPOSITIONS } from './random_compositions.js';
import { FAR, OPERATIONS, type Operation } from './random_operations.js';

export interface RandomExpression {
  readonly text: string;
  readonly inputs: readonly Array64[];
  /** Which of the values are results: the last, and some before it. */
  readonly results: readonly number[];
  /** All values: the inputs, then what is made of them. */
  apply(inputs: readonly gs.ops.Value[]): gs.ops.Value[];
  exact(inputs: readonly Array64[]): Array64[];
}

const ALL = [...OPERATIONS, ...COMPOSITIONS];

/** Of a value, at most; and what numbers may be as large as. */
const MOST_ELEMENTS = 2000;
const LARGEST = 100;

/** In [−1.5, 1.5], and none of them near 0. */
function inputNumber(draws: Draws): number {
  const size = draws.number(FAR, 1.5);
  return Math.fround(draws.chance(0.5) ? size : -size);
}

/** The expression of a number. */
export function randomExpression(seed: number): RandomExpression {
  const draws = new Draws(seed);
  const sizes = draws.chance(0.15) ? [1, 8, 16, 17, 33, 40] : [1, 2, 3, 4, 5, 7, 8];
  const shapeOf = (axes: number) => Array.from({ length: axes }, () => draws.pick(sizes));
  const first = shapeOf(draws.integer(1, sizes.includes(40) ? 2 : 4));
  const like = () =>
    draws.pick([
      first,
      first.map((d) => (draws.chance(0.3) ? 1 : d)),
      first.slice(1),
      [...first].reverse(),
      shapeOf(draws.integer(0, 3)),
    ]);
  const inputs = [first, ...Array.from({ length: draws.integer(0, 2) }, like)].map((shape) =>
    built(shape, () => inputNumber(draws)),
  );

  const values = [...inputs];
  const made: Operation[] = [];
  const depth = draws.integer(2, 14);
  for (let tries = 0; made.length < depth && tries < 100; tries++) {
    const operation = draws.pick(ALL)(draws, values, inputs.length);
    if (!operation) continue;
    const y = operation.exact(...operation.of.map((i) => values[i]!));
    if (y.shape.length > 5 || y.data.length > MOST_ELEMENTS || y.data.some((v) => !(Math.abs(v) <= LARGEST))) continue;
    values.push(y);
    made.push(operation);
  }
  const last = values.length - 1;
  const results = [...new Set([last, draws.integer(0, last), draws.integer(Math.min(inputs.length, last), last)])];
  const names = inputs.map((x) => `[${x.shape.join()}]`);
  return {
    text: [...names, ...made.map(({ text, of }) => `${text} (${of.join()})`)].map((text, i) => `${i}: ${text}`).join(', '),
    inputs,
    results,
    apply(given) {
      const all = [...given];
      for (const { of, apply } of made) all.push(apply(...of.map((i) => all[i]!)));
      return all;
    },
    exact(given) {
      const all = [...given];
      for (const { of, exact } of made) all.push(exact(...of.map((i) => all[i]!)));
      return all;
    },
  };
}
