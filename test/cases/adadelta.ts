/** adadelta over several steps, from nothing and later; a set flag stops it. */
import { adadeltaOp } from '../../lib/ops/adadelta.js';
import { RATE, usualCases, type Rule } from './optimizer_case.js';

const [rho, epsilon] = [0.95, 1e-3].map(Math.fround) as [number, number];

const rule: Rule = (w, g, s) => {
  s.meanSquare = rho * s.meanSquare! + (1 - rho) * g * g;
  const move = (Math.sqrt(s.meanSquareMove! + epsilon) / Math.sqrt(s.meanSquare + epsilon)) * g;
  s.meanSquareMove = rho * s.meanSquareMove! + (1 - rho) * move * move;
  return w - RATE * move;
};

export const cases = usualCases(adadeltaOp, { rho, epsilon }, { meanSquare: [0.1, 1], meanSquareMove: [0.1, 1] }, rule);
