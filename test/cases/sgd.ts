/** sgd: plain, momentum and Nesterov over several steps of a constant gradient; a set flag stops it; faults. */
import { sgdOp } from '../../lib/ops/sgd.js';
import { RATE, usualCases, type Rule } from './optimizer_case.js';

const momentum = Math.fround(0.9);

const rule =
  (nesterov: boolean): Rule =>
  (w, g, s) => {
    const pull = RATE * g;
    if (s.velocity === undefined) return w - pull;
    s.velocity = momentum * s.velocity - pull;
    return w + (nesterov ? momentum * s.velocity - pull : s.velocity);
  };

const velocity = [-1, 1] as const;

export const cases = [
  ...usualCases(sgdOp, {}, {}, rule(false)),
  ...usualCases(sgdOp, { momentum }, { velocity }, rule(false), 'momentum, '),
  ...usualCases(sgdOp, { momentum, nesterov: 'yes' }, { velocity }, rule(true), 'nesterov, '),
];
