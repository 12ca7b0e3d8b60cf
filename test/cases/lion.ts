/** lion over several steps; where mean and gradient are zero the weight stays; a set flag stops it. */
import { lionOp } from '../../lib/ops/lion.js';
import { optimizerCase, RATE, usualCases, type Rule } from './optimizer_case.js';

const [beta1, beta2] = [0.9, 0.99].map(Math.fround) as [number, number];

const rule: Rule = (w, g, s) => {
  const direction = beta1 * s.m! + (1 - beta1) * g;
  s.m = beta2 * s.m! + (1 - beta2) * g;
  return w - RATE * Math.sign(direction);
};

export const cases = [
  ...usualCases(lionOp, { beta1, beta2 }, { m: [-1, 1] }, rule),
  optimizerCase(
    'no direction',
    lionOp,
    { size: 5, grads: [0, 0, 0, 1, -1], slots: { m: { data: [0, 0, 0, 0, 0] } }, attrs: { beta1, beta2 } },
    rule,
  ),
];
