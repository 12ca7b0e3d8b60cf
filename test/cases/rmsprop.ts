/** rmsprop, plain, centered, with momentum and with both; a variance below zero by rounding; a set flag stops it. */
import { rmspropOp } from '../../lib/ops/rmsprop.js';
import { optimizerCase, RATE, usualCases, type Rule } from './optimizer_case.js';

const [rho, momentum, epsilon] = [0.9, 0.75, 1e-3].map(Math.fround) as [number, number, number];

const rule: Rule = (w, g, s) => {
  s.meanSquare = rho * s.meanSquare! + (1 - rho) * g * g;
  if (s.mean !== undefined) s.mean = rho * s.mean + (1 - rho) * g;
  const variance = s.meanSquare - (s.mean ?? 0) ** 2;
  const move = (RATE * g) / Math.sqrt(Math.max(variance, 0) + epsilon);
  if (s.move === undefined) return w - move;
  s.move = momentum * s.move + move;
  return w - s.move;
};

const meanSquare = [0.5, 1] as const;
const mean = [-0.5, 0.5] as const;
const move = [-1, 1] as const;
const attrs = { rho, epsilon };

export const cases = [
  ...usualCases(rmspropOp, attrs, { meanSquare }, rule),
  ...usualCases(rmspropOp, attrs, { meanSquare, mean }, rule, 'centered, '),
  ...usualCases(rmspropOp, { ...attrs, momentum }, { meanSquare, move }, rule, 'momentum, '),
  ...usualCases(rmspropOp, { ...attrs, momentum }, { meanSquare, mean, move }, rule, 'centered with momentum, '),
  optimizerCase(
    'a variance below zero counts as zero',
    rmspropOp,
    { size: 2, grads: [1, 0.5], slots: { meanSquare: { data: [0.9375, 0.125] }, mean: { data: [1, 0.5] } }, attrs },
    rule,
  ),
];
