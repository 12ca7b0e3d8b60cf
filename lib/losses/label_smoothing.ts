/** Label smoothing (Szegedy et al. 2016): labels drawn towards the even distribution, so that a model is not pushed to certainty. */
import type { Value } from '../graph/graph.js';
import { elementwise } from '../ops/map.js';
import { number, optional } from '../options.js';

/** The option `labelSmoothing`: a part from 0 to 1, 0 by default. */
export const labelSmoothingOption = optional(
  number('number from 0 to 1', (v) => v >= 0 && v <= 1),
  0,
);

/** y·(1 − part) + part/classes; two classes where labels are single numbers from 0 to 1. */
export function smoothLabels(yTrue: Value, part: number, classes: number): Value {
  if (part === 0) return yTrue;
  return elementwise('add', elementwise('mul', yTrue, 1 - part), part / classes);
}
