/** adamax over several steps, early and late, with norms above and below the gradient; a set flag stops it. */
import { adamaxOp } from '../../lib/ops/adamax.js';
import { RATE, usualCases, type Rule } from './optimizer_case.js';

const [beta1, beta2, epsilon] = [0.9, 0.75, 1e-3].map(Math.fround) as [number, number, number];

const rule: Rule = (w, g, s, t) => {
  s.m = beta1 * s.m! + (1 - beta1) * g;
  s.u = Math.max(beta2 * s.u!, Math.abs(g));
  return w - (RATE * s.m) / ((1 - beta1 ** t) * (s.u + epsilon));
};

export const cases = usualCases(adamaxOp, { beta1, beta2, epsilon }, { m: [-1, 1], u: [0, 1] }, rule);
