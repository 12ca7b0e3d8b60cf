/** What the layers that drop elements share: their rate, and the shape in which they draw. */
import { GradstepError, optionError } from '../errors.js';
import type { Value } from '../graph/graph.js';
import { formatShape, sameShape, type Shape } from '../graph/shape.js';
import { dropTo, type DropRule } from '../ops/dropout.js';
import { elementwise } from '../ops/map.js';
import { randomUniform } from '../ops/random.js';
import { number, type Check } from '../options.js';

/** Probability in [0, 1). */
export const rateOption = number('number in [0, 1)', (v) => v >= 0 && v < 1);

/** One entry a dimension, the batch first; null: as the input has it. */
export type NoiseShape = readonly (number | null)[];

export const noiseShapeOption: Check<NoiseShape> = (value, name) => {
  const valid = (d: unknown, i: number) => d === null || d === 1 || (i > 0 && Number.isInteger(d) && (d as number) > 0);
  if (!Array.isArray(value) || value.length === 0 || !value.every(valid)) {
    throw optionError(name, 'array of integers > 0 and null, beginning with null or 1 for the batch', value);
  }
  return [...(value as (number | null)[])];
};

/** Throws ERR_SHAPE unless the shape broadcasts to samples of shape `input`. */
export function checkNoiseShape(noise: NoiseShape | undefined, input: Shape): void {
  if (!noise) return;
  const fits = noise.length === input.length + 1 && input.every((d, i) => [null, 1, d].includes(noise[i + 1]!));
  if (!fits) {
    throw new GradstepError(
      'ERR_SHAPE',
      `A noiseShape of ${formatShape(noise)} does not fit samples of shape ${formatShape(input)}`,
    );
  }
}

/** Drops elements of x as the rule says; those that share an element of `noise` are dropped or kept together. */
export function dropShared(x: Value, state: Value, rule: DropRule, noise: NoiseShape | undefined): Value {
  const shape = x.shape.map((d, i) => noise?.[i] ?? d);
  if (sameShape(shape, x.shape)) return dropTo(x, state, rule);
  const kept = elementwise('greaterEqual', randomUniform(state, shape, 0, 1, rule.stream), Math.fround(rule.rate));
  const scaled = elementwise('mul', x, rule.factor);
  return elementwise('where', kept, rule.offset === 0 ? scaled : elementwise('add', scaled, rule.offset), rule.dropped);
}
