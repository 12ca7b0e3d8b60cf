/** adagrad with and without an initial value; a set flag stops it. */
import { adagradOp } from '../../lib/ops/adagrad.js';
import { RATE, usualCases, type Rule } from './optimizer_case.js';

const epsilon = Math.fround(1e-3);
const tenth = Math.fround(0.1);

const rule =
  (initial: number): Rule =>
  (w, g, s) => {
    s.sum = s.sum! + g * g;
    return w - (RATE * g) / Math.sqrt(initial + s.sum + epsilon);
  };

export const cases = [
  ...usualCases(adagradOp, { initial: tenth, epsilon }, { sum: [0.1, 3] }, rule(tenth)),
  ...usualCases(adagradOp, { initial: 0, epsilon }, { sum: [0.1, 3] }, rule(0), 'from zero, '),
];
